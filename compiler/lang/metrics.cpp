// Reductions, and what becomes of them in a metric: there a reduction over the batch runs over the
// whole pass. The step's graph accumulates, the finishing graph makes the metric of the sums:
//
//   metric rmse = sqrt(mean((y - p) ^ 2))
//   step:   return accumulate_sum "rmse.0" %sum        finish:  %q = div "rmse.0", "rows"; sqrt %q
//
// What is added up is f64, and so is the arithmetic of the metric that leads to it: squares of f32
// are exact there, so that `mean(x ^ 2) - mean(x) ^ 2` keeps its digits, and whole numbers do not wrap
// around. `variance` accumulates moments, which do not cancel at all.
#include <fmt/format.h>

#include "lang/elaborator.h"
#include "lang/step_means.h"

namespace gradus::lang {

namespace {

bool over_batch(const TensorType& type, const std::vector<int64_t>& dims) {
  for (int64_t dim : dims) {
    if (type.shape[static_cast<size_t>(dim)].batch) return true;
  }
  return false;
}

Attrs reduce_attrs(std::vector<int64_t> dims, bool keep) {
  Attrs attrs{{AttrName::Dims, std::move(dims)}};
  if (keep) attrs.set(AttrName::Keep, true);
  return attrs;
}

}  // namespace

Value Elaborator::reduce(OpKind kind, const Value& x, std::vector<int64_t> dims, bool keep,
                         Span span) {
  span_ = span;
  if (dims.empty()) return x;
  bool accumulates = in_metric() && x.place == Place::Step && over_batch(type(x), dims);
  NodeId operand = accumulates && kind == OpKind::Sum ? widened(x.node) : x.node;
  NodeId node = make(x.place, kind, {operand}, reduce_attrs(std::move(dims), keep));
  if (!accumulates) return Value::tensor(x.place, node);
  if (kind == OpKind::Argmax)
    fail(Diag::BatchMisuse, span, "`argmax` over `batch`; a row has no number over the whole pass");
  return accumulate(kind, Value::tensor(Place::Step, node), span);
}

namespace {

/// Whether f64 instead of f32 keeps digits that f32 would lose, at next to no cost; operators that
/// move data stand for what they move. Math functions are computed as the model has them, in f32.
bool widens(const Node& node) {
  switch (node.op) {
    case OpKind::Neg:
    case OpKind::Abs:
    case OpKind::Add:
    case OpKind::Sub:
    case OpKind::Mul:
    case OpKind::Div:
    case OpKind::Select:
    case OpKind::Sum:
      return true;
    default:
      return op_def(node.op).cls == OpClass::Layout;
  }
}

}  // namespace

/// The value as f64. What the metric itself computes of the model's values is computed in f64.
NodeId Elaborator::widened(NodeId value) {
  const Node node = graph(Place::Step)[value];
  const TensorType wide{DType::F64, node.type.shape};
  if (node.type.dtype == DType::F64) return value;
  auto found = metric_->wide.find(value);
  if (found != metric_->wide.end()) return found->second;
  NodeId made;
  bool own = value.index() >= metric_->first && node.type.dtype == DType::F32;
  if (own && node.op == OpKind::Constant) {
    made = make(Place::Step, OpKind::Constant, {}, node.attrs, &wide);
  } else if (own && node.op == OpKind::Convert) {
    made = make(Place::Step, OpKind::Convert, node.operands, {}, &wide);
  } else if (own && widens(node)) {
    std::vector<NodeId> operands;
    for (NodeId operand : node.operands) {
      bool number = is_float(graph(Place::Step).type(operand).dtype);
      operands.push_back(number ? widened(operand) : operand);
    }
    made = make(Place::Step, node.op, operands, node.attrs,
                op_def(node.op).given_type ? &wide : nullptr);
  } else {
    made = make(Place::Step, OpKind::Convert, {value}, {}, &wide);
  }
  metric_->wide.emplace(value, made);
  return made;
}

Value Elaborator::mean(const Value& x, std::vector<int64_t> dims, bool keep, Span span) {
  span_ = span;
  Shape counted;
  for (int64_t dim : dims) counted.push_back(type(x).shape[static_cast<size_t>(dim)]);
  Dim count = *checked_count(counted);
  Value sum = reduce(OpKind::Sum, x, std::move(dims), keep, span);
  if (count == Dim::fixed(1)) return sum;
  Value divisor = Value::of(Number::of_dim(count));
  return binary("/", sum, divisor, span, {span, span});
}

/// The mean of squared distances from the mean.
Value Elaborator::variance(const Value& x, std::vector<int64_t> dims, bool keep, Span span) {
  if (dims.empty()) return binary("-", x, x, span, {span, span});
  if (in_metric() && x.place == Place::Step && over_batch(type(x), dims))
    return moments(x, std::move(dims), keep, span);
  Value centred = binary("-", x, mean(x, dims, true, span), span, {span, span});
  return mean(binary("*", centred, centred, span, {span, span}), std::move(dims), keep, span);
}

NodeId Elaborator::accumulate_scalar(ResultKind kind, NodeId value) {
  std::string name = fmt::format("{}.{}", metric_->name, metric_->count++);
  TensorType pass{DType::F64, graph(Place::Step).type(value).shape};
  if (graph(Place::Step).type(value).dtype != DType::F64)
    value = make(Place::Step, OpKind::Convert, {value}, {}, &pass);
  graph(Place::Step).results.push_back({kind, name, value});
  return make(Place::Finish, OpKind::Input, {}, {{AttrName::Name, name}}, &pass);
}

Value Elaborator::accumulate(OpKind kind, const Value& x, Span span) {
  ResultKind result = kind == OpKind::Sum   ? ResultKind::AccumulateSum
                      : kind == OpKind::Max ? ResultKind::AccumulateMax
                                            : ResultKind::AccumulateMin;
  return accumulate_each(result, {x}, span);
}

/// An accumulator for each element of values of one shape: of the one value, or of the element of
/// each side by side. The pass has the last of these.
Value Elaborator::accumulate_each(ResultKind kind, const std::vector<Value>& values, Span span) {
  constexpr int64_t kMaxAccumulators = 256;
  const Shape shape = type(values.back()).shape;
  int64_t count = checked_count(shape)->value;
  if (count > kMaxAccumulators) {
    fail(Diag::TooLarge, span,
         fmt::format("a metric that keeps {} numbers over the pass; at most {}", count,
                     kMaxAccumulators));
  }
  if (values.size() == 1 && shape.empty())
    return Value::tensor(Place::Finish, accumulate_scalar(kind, values[0].node));
  const auto element = [&](Place at, NodeId of, int64_t i) {
    Attrs attrs{{AttrName::Start, std::vector<int64_t>{i}},
                {AttrName::Step, std::vector<int64_t>{1}}};
    TensorType one{graph(at).type(of).dtype, {Dim::fixed(1)}};
    bool whole = graph(at).type(of).shape == one.shape;
    return whole ? of : make(at, OpKind::Slice, {of}, std::move(attrs), &one);
  };
  const auto together = [&](Place at, const std::vector<NodeId>& parts) {
    return parts.size() == 1 ? parts[0]
                             : make(at, OpKind::Concat, parts, {{AttrName::Axis, int64_t{0}}});
  };
  std::vector<NodeId> flat, finished;
  for (const Value& value : values) {
    const Dim size = *checked_count(type(value).shape);
    flat.push_back(builder(Place::Step).reshape(value.node, {size}));
  }
  for (int64_t i = 0; i < count; ++i) {
    std::vector<NodeId> parts;
    for (NodeId each : flat) {
      bool shared = graph(Place::Step).type(each).shape == Shape{Dim::fixed(1)};
      parts.push_back(element(Place::Step, each, shared ? 0 : i));
    }
    NodeId step = together(Place::Step, parts);
    if (parts.size() == 1) step = builder(Place::Step).reshape(step, {});
    NodeId pass = accumulate_scalar(kind, step);
    if (parts.size() == 1) pass = builder(Place::Finish).reshape(pass, {Dim::fixed(1)});
    finished.push_back(element(Place::Finish, pass, static_cast<int64_t>(parts.size()) - 1));
  }
  return Value::tensor(Place::Finish,
                       builder(Place::Finish).reshape(together(Place::Finish, finished), shape));
}

/// How many, their mean, and the squared distances from it: those of two steps combine to those of
/// both without taking large numbers from each other.
Value Elaborator::moments(const Value& x, std::vector<int64_t> dims, bool keep, Span span) {
  span_ = span;
  Shape counted;
  for (int64_t dim : dims) counted.push_back(type(x).shape[static_cast<size_t>(dim)]);
  const Number count = Number::of_dim(*checked_count(counted));
  const NodeId wide = widened(x.node);
  const NodeId of_step = number_node(count, Place::Step, DType::F64, span);
  const auto sum = [&](NodeId of, bool keeps) {
    return make(Place::Step, OpKind::Sum, {of}, reduce_attrs(dims, keeps));
  };
  const NodeId mean = make(Place::Step, OpKind::Div, {sum(wide, true), of_step});
  const NodeId centred = make(Place::Step, OpKind::Sub, {wide, mean});
  const NodeId squares = sum(make(Place::Step, OpKind::Mul, {centred, centred}), keep);
  Value total = accumulate_each(ResultKind::AccumulateMoments,
                                {Value::tensor(Place::Step, of_step), Value::tensor(Place::Step, mean),
                                 Value::tensor(Place::Step, squares)},
                                span);
  return binary("/", total, Value::of(count), span, {span, span});
}

/// A value of each step in a metric: the steps' mean, weighted by their rows.
Value Elaborator::average_of_step(const Value& value, Span span) {
  if (!type(value).is_scalar()) {
    fail(Diag::NestedReduction, span,
         fmt::format("{} is a value of each step and meets one of the whole pass; in a metric a "
                     "reduction over `batch` cannot stand inside another; `variance` is the spread "
                     "over the pass",
                     type_text(type(value))));
  }
  if (has_batch_ && depends_on_steps(graph(Place::Step), value.node)) {
    fail(Diag::BatchMisuse, span,
         "a value of each step, whose mean over the steps depends on how many rows they have; write "
         "its reduction over `batch` in the metric itself");
  }
  NodeId node = widened(value.node);
  if (has_batch_) {
    NodeId rows = number_node(Number::rows(1), Place::Step, DType::F64, span);
    node = make(Place::Step, OpKind::Mul, {node, rows});
  }
  NodeId sum = accumulate_scalar(ResultKind::AccumulateSum, node);
  return Value::tensor(Place::Finish, make(Place::Finish, OpKind::Div, {sum, finish_rows()}));
}

NodeId Elaborator::finish_rows() {
  if (rows_.valid()) return rows_;
  TensorType scalar{DType::F64, {}};
  rows_ = make(Place::Finish, OpKind::Input, {}, {{AttrName::Name, std::string("rows")}}, &scalar);
  return rows_;
}

void Elaborator::exec_metric(const Statement& s) {
  model_only(s, "metric");
  std::vector<size_t> made;
  recorders_.push_back({&root_, sites_.size() + 1, &made});
  std::set<std::string> names = frame().site_names;
  of_metric_ = true;
  Value of_step = as_tensor(eval(*s.value), s.value->span);
  recorders_.pop_back();
  settle_sites("");
  if (!type(of_step).is_scalar()) {
    fail(Diag::NotScalar, s.value->span,
         fmt::format("metric `{}` has rank 0, found {}; reduce it with `mean` or `sum`", s.name,
                     type_text(type(of_step))));
  }
  if (mode_ == Mode::Evaluate) {
    std::set<std::string> after = std::exchange(frame().site_names, names);
    over_pass(s, made);
    frame().site_names = std::move(after);
  }
  of_metric_ = false;
  expect_new(s.name, s.name_span, false);
  declare(s.name, s.name_span, of_step, Binding::Kind::Let);
  metrics_.push_back(s.name);
}

/// The metric once more, for the whole pass; what it made the first time is taken again.
void Elaborator::over_pass(const Statement& s, std::vector<size_t>& made) {
  Metric metric{.name = s.name, .first = graph(Place::Step).size()};
  Replay replay{&made, 0};
  metric_ = &metric;
  Replay* outer = std::exchange(replay_, made.empty() ? replay_ : &replay);
  Value value = eval(*s.value);
  if (!value.is(Value::Kind::Tensor) || value.place != Place::Finish) {
    value = value.in_graph()
                ? average_of_step(value, s.value->span)
                : Value::tensor(Place::Finish,
                                to_place(value, Place::Finish,
                                         value.is(Value::Kind::Bool) ? DType::Bool : DType::F64,
                                         s.value->span));
  }
  settle_sites("");
  replay_ = outer;
  metric_ = nullptr;
  graph(Place::Finish).results.push_back({ResultKind::Output, s.name, value.node});
}

}  // namespace gradus::lang
