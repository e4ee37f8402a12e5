// Reductions, and what becomes of them in a metric: there a reduction over the batch runs over the
// whole pass. The step's graph accumulates, the finishing graph makes the metric of the sums:
//
//   metric rmse = sqrt(mean((y - p) ^ 2))
//   step:   return accumulate_sum "rmse.0" %sum        finish:  %q = div "rmse.0", "rows"; sqrt %q
#include <fmt/format.h>

#include "lang/elaborator.h"

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
  NodeId node = make(x.place, kind, {x.node}, reduce_attrs(std::move(dims), keep));
  if (!accumulates) return Value::tensor(x.place, node);
  if (kind == OpKind::Argmax)
    fail(Diag::BatchMisuse, span, "`argmax` over `batch`; a row has no number over the whole pass");
  return accumulate(kind, Value::tensor(Place::Step, node), span);
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

NodeId Elaborator::accumulate_scalar(ResultKind kind, NodeId value) {
  std::string name = fmt::format("{}.{}", metric_->name, metric_->count++);
  TensorType step{DType::F32, {}}, pass{DType::F64, {}};
  if (graph(Place::Step).type(value).dtype != DType::F32)
    value = make(Place::Step, OpKind::Convert, {value}, {}, &step);
  graph(Place::Step).results.push_back({kind, name, value});
  return make(Place::Finish, OpKind::Input, {}, {{AttrName::Name, name}}, &pass);
}

Value Elaborator::accumulate(OpKind kind, const Value& x, Span span) {
  constexpr int64_t kMaxAccumulators = 256;
  ResultKind result = kind == OpKind::Sum   ? ResultKind::AccumulateSum
                      : kind == OpKind::Max ? ResultKind::AccumulateMax
                                            : ResultKind::AccumulateMin;
  const Shape shape = type(x).shape;
  if (shape.empty()) return Value::tensor(Place::Finish, accumulate_scalar(result, x.node));
  int64_t count = checked_count(shape)->value;
  if (count > kMaxAccumulators) {
    fail(Diag::TooLarge, span,
         fmt::format("a metric that keeps {} numbers over the pass; at most {}", count,
                     kMaxAccumulators));
  }
  NodeId flat = builder(Place::Step).reshape(x.node, {Dim::fixed(count)});
  std::vector<NodeId> parts;
  TensorType one{type(x).dtype, {Dim::fixed(1)}};
  for (int64_t i = 0; i < count; ++i) {
    Attrs attrs{{AttrName::Start, std::vector<int64_t>{i}},
                {AttrName::Step, std::vector<int64_t>{1}}};
    NodeId element =
        count == 1 ? flat : make(Place::Step, OpKind::Slice, {flat}, std::move(attrs), &one);
    NodeId finished = accumulate_scalar(result, builder(Place::Step).reshape(element, {}));
    parts.push_back(builder(Place::Finish).reshape(finished, {Dim::fixed(1)}));
  }
  NodeId all = count == 1
                   ? parts[0]
                   : make(Place::Finish, OpKind::Concat, parts, {{AttrName::Axis, int64_t{0}}});
  return Value::tensor(Place::Finish, builder(Place::Finish).reshape(all, shape));
}

/// A value of each step in a metric: the steps' mean, weighted by their rows.
Value Elaborator::average_of_step(const Value& value, Span span) {
  if (!type(value).is_scalar()) {
    fail(Diag::NestedReduction, span,
         fmt::format("{} is a value of each step and meets one of the whole pass; in a metric a "
                     "reduction over `batch` cannot stand inside another",
                     type_text(type(value))));
  }
  TensorType scalar{DType::F32, {}};
  NodeId node = value.node;
  if (type(value).dtype != DType::F32)
    node = make(Place::Step, OpKind::Convert, {node}, {}, &scalar);
  if (has_batch_)
    node = make(Place::Step, OpKind::Mul, {node, make(Place::Step, OpKind::BatchSize, {})});
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
  Metric metric{s.name};
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
