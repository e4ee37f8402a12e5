// Expressions: literals, names, sizes, members; and the checks that turn a value into a number, a
// size or an axis.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "lang/elaborator.h"
#include "lang/functions.h"

namespace gradus::lang {

std::string Elaborator::source(const Expr& expr) const {
  std::string text(program_ ? std::string(diags_->sources().text(expr.span)) : std::string());
  if (size_t line = text.find('\n'); line != std::string::npos) text = text.substr(0, line) + " ..";
  return text;
}

void Elaborator::deeper(Span span) {
  constexpr int kMaxDepth = 1200;
  constexpr int64_t kMaxWork = 20'000'000;
  if (depth_ > kMaxDepth)
    fail(Diag::NestedTooDeep, span,
         "calls and expressions nest too deep here; a function cannot call itself");
  if (++work_ > kMaxWork)
    fail(Diag::TooLarge, span, "the model unrolls to more expressions than can be elaborated");
}

Value Elaborator::eval(const Expr& expr, const TensorType* want) {
  ++depth_;
  struct Leave {
    int& depth;
    ~Leave() { --depth; }
  } leave{depth_};
  deeper(expr.span);
  span_ = expr.word;
  switch (expr.kind) {
    case Expr::Kind::Number:
      return Value::of(expr.whole ? Number::of(expr.integer) : Number::of_float(expr.number));
    case Expr::Kind::String:
      return Value::of_string(expr.text);
    case Expr::Kind::Bool:
      return Value::of_bool(expr.whole);
    case Expr::Kind::Name:
      return eval_name(expr);
    case Expr::Kind::Size:
      return eval_size(expr);
    case Expr::Kind::Unary:
      return eval_unary(expr);
    case Expr::Kind::Binary:
      return eval_binary(expr);
    case Expr::Kind::Call:
      return call(expr, want);
    case Expr::Kind::Index:
      return eval_index(expr);
    case Expr::Kind::Member:
      return eval_member(expr);
    case Expr::Kind::List:
      return eval_list(expr);
    case Expr::Kind::Tuple:
      fail(Diag::BadStatement, expr.span,
           "several values in brackets; they stand after `return` and in `grad(y, (u, v))` only");
    case Expr::Kind::Ellipsis:
    case Expr::Kind::Any:
      break;
  }
  fail(Diag::BadStatement, expr.span, fmt::format("`{}` stands in shapes only", expr.text));
}

Value Elaborator::eval_list(const Expr& expr) {
  std::vector<Value> items;
  for (const ExprPtr& operand : expr.operands) {
    if (operand->kind == Expr::Kind::Ellipsis) {
      if (!frame().leading) {
        fail(Diag::UnboundSize, operand->span,
             "`...` has no sizes here: no argument binds it, and nothing that is filled does; "
             "`fill(value, shape)` takes them");
      }
      for (const Dim& dim : *frame().leading) items.push_back(Value::of(Number::of_dim(dim)));
    } else if (operand->kind == Expr::Kind::Any) {
      items.push_back(Value::of_string("_"));
    } else {
      items.push_back(eval(*operand));
    }
  }
  return Value::of_list(std::move(items));
}

Binding* Elaborator::find(std::string_view name) {
  for (size_t i = frame().blocks.size(); i-- > 0;) {
    auto found = frame().blocks[i].find(name);
    if (found != frame().blocks[i].end()) return &found->second;
  }
  return nullptr;
}

Value Elaborator::eval_name(const Expr& expr) {
  if (is_predefined(expr.text)) return predefined(expr);
  if (Binding* binding = find(expr.text)) {
    if (binding->value.is(Value::Kind::Error)) throw Abandoned{};
    return binding->value;
  }
  auto constant = constants_.find(expr.text);
  if (constant != constants_.end()) {
    if (constant->second.is(Value::Kind::Error)) throw Abandoned{};
    return constant->second;
  }
  if (find_function(expr.text)) {
    fail(Diag::TypeMismatch, expr.span,
         fmt::format("`{0}` is a function, expected a value; call it, as in `{0}(x)`", expr.text));
  }
  unknown(expr.text, expr.span, "a value", false);
}

void Elaborator::unknown(const std::string& name, Span span, std::string_view what,
                         bool functions) {
  std::vector<std::string> candidates;
  for (const auto& block : frame().blocks) {
    for (const auto& [known, binding] : block) {
      if (!functions || binding.value.is(Value::Kind::Function)) candidates.push_back(known);
    }
  }
  if (functions) {
    for (const auto& [known, fn] : program_->functions) candidates.push_back(known);
    for (const auto& [known, fn] : program_->library) candidates.push_back(known);
    for (const std::string& known : builtin_names()) candidates.push_back(known);
  } else {
    for (const auto& [known, value] : constants_) candidates.push_back(known);
    for (const char* known : {"batch", "training", "step", "steps", "epoch", "pi", "inf"})
      candidates.push_back(known);
  }
  std::string hint = functions ? function_hint(name, candidates) : meant_text(nearest_name(name, candidates));
  fail(Diag::UnknownName, span, fmt::format("`{}` is not {} known here{}", name, what, hint));
}

Value Elaborator::step_leaf(OpKind kind, const Expr& expr) {
  bool draws_allowed = mode_ == Mode::Train && place_ == Place::Step;
  if (!draws_allowed) {
    fail(Diag::NotInTraining, expr.span,
         place_ == Place::Init
             ? fmt::format("`{}` in an initialiser, which is computed before the first step",
                           expr.text)
             : fmt::format("`{}` exists in training steps only; use `if training`", expr.text));
  }
  return Value::per_step(make(Place::Step, kind, {}));
}

Value Elaborator::predefined(const Expr& expr) {
  const std::string& name = expr.text;
  if (name == "pi") return Value::of(Number::of_float(std::numbers::pi));
  if (name == "inf") return Value::of(Number::of_float(std::numeric_limits<double>::infinity()));
  if (name == "batch") return Value::of(Number::rows(1));
  if (name == "training") return Value::of_bool(mode_ == Mode::Train);
  if (name == "step") return step_leaf(OpKind::StepNumber, expr);
  if (name == "steps") return step_leaf(OpKind::StepCount, expr);
  return step_leaf(OpKind::EpochNumber, expr);
}

Value Elaborator::eval_size(const Expr& expr) {
  auto found = frame().sizes.find(expr.text);
  if (found != frame().sizes.end()) return Value::of(Number::of_dim(found->second));
  std::vector<std::string> known;
  for (const auto& [name, dim] : frame().sizes) known.push_back(name);
  std::string nearest = nearest_name(expr.text, known);
  std::string hint = expr.text == "True" || expr.text == "False"
                         ? fmt::format("; it is written `{}`", expr.text == "True" ? "true" : "false")
                     : nearest.empty()
                         ? "; a size stands alone in an argument's type, as in `x: float[..., I]`"
                         : "; did you mean `" + nearest + "`?";
  fail(Diag::UnboundSize, expr.span,
       fmt::format("no argument binds the size `{}`{}", expr.text, hint));
}

/// `enc.w`, `tower.hidden.w`: a layer's parameter, by its path below the layer.
Value Elaborator::eval_member(const Expr& expr) {
  std::string path = expr.text;
  const Expr* at = expr.operands[0].get();
  while (at->kind == Expr::Kind::Member) {
    path = at->text + "." + path;
    at = at->operands[0].get();
  }
  Binding* binding = at->kind == Expr::Kind::Name ? find(at->text) : nullptr;
  if (at->kind == Expr::Kind::Name && !binding) unknown(at->text, at->span, "a layer", true);
  if (binding && binding->value.is(Value::Kind::Error)) throw Abandoned{};
  if (!binding || !binding->value.is(Value::Kind::Function) || !binding->value.function->layer) {
    const bool shape = expr.text == "shape" || expr.text == "size";
    fail(Diag::TypeMismatch, at->span,
         fmt::format("`.` takes a parameter of a layer; `{0}` is no layer{1}", source(*at),
                     shape ? fmt::format("; a size is `size({}, axis: 0)`", source(*at)) : ""));
  }
  const LayerState& layer = *binding->value.function->layer;
  if (!layer.made) {
    fail(Diag::UnknownName, expr.span,
         fmt::format("`{}` has no parameters before its first call", at->text));
  }
  std::string above = site_path(*layer.site) + ".";
  std::vector<std::string> names;
  for (size_t index : layer.variables) {
    const VariableRecord& variable = variables_[index];
    std::string full = site_path(*variable.site) + "." + variable.name;
    if (full.starts_with(above)) full = full.substr(above.size());
    if (full == path) return Value::tensor(Place::Step, variable.current);
    names.push_back(full);
  }
  std::string nearest = nearest_name(path, names);
  std::string list =
      names.empty() ? "it has no parameters" : fmt::format("it has `{}`", fmt::join(names, "`, `"));
  fail(Diag::UnknownName, expr.word,
       fmt::format("layer `{}` has no parameter `{}`; {}", at->text, path,
                   nearest.empty() ? list : "did you mean `" + nearest + "`?"));
}

Value Elaborator::eval_unary(const Expr& expr) {
  Value x = eval(*expr.operands[0]);
  if (x.is(Value::Kind::Error)) throw Abandoned{};
  if (expr.text == "-") return negate(x, expr.word);
  if (x.is(Value::Kind::Bool)) return Value::of_bool(!x.flag);
  if (!x.in_graph() || type(x).dtype != DType::Bool) {
    fail(Diag::TypeMismatch, expr.operands[0]->span,
         fmt::format("`not` takes bool, found {}",
                     x.in_graph() ? type_text(type(x)) : kind_text(x)));
  }
  span_ = expr.word;
  x.node = make(x.place, OpKind::Not, {x.node});
  return x;
}

Value Elaborator::logic(const Expr& expr) {
  Value a = eval(*expr.operands[0]);
  if (a.is(Value::Kind::Bool) && a.flag == (expr.text == "or"))
    return a;  // the other side is not computed
  Value b = eval(*expr.operands[1]);
  if (a.is(Value::Kind::Bool) && b.is(Value::Kind::Bool)) return b;
  span_ = expr.word;
  for (size_t i = 0; i < 2; ++i) {
    const Value& x = i == 0 ? a : b;
    bool fits = x.is(Value::Kind::Bool) || (x.in_graph() && type(x).dtype == DType::Bool);
    if (!fits) {
      fail(Diag::TypeMismatch, expr.operands[i]->span,
           fmt::format("`{}` takes bool, found {}", expr.text,
                       x.in_graph() ? type_text(type(x)) : kind_text(x)));
    }
  }
  return pointwise(expr.text == "and" ? OpKind::And : OpKind::Or, {&a, &b},
                   {expr.operands[0]->span, expr.operands[1]->span});
}

Value Elaborator::eval_binary(const Expr& expr) {
  if (expr.text == "and" || expr.text == "or") return logic(expr);
  Value a = eval(*expr.operands[0]);
  Value b = eval(*expr.operands[1]);
  Value result =
      binary(expr.text, a, b, expr.word, {expr.operands[0]->span, expr.operands[1]->span});
  bool fraction = expr.text == "/" && result.is(Value::Kind::Number) && !result.number.whole();
  if (fraction && a.is(Value::Kind::Number) &&
      b.is(Value::Kind::Number)) {  // told where a whole one is needed
    std::string values = fmt::format("{} / {}", to_string(a.number), to_string(b.number));
    if (values == source(expr)) values = to_string(result.number);
    result.text = fmt::format("`{}` is {}", source(expr), values);
  }
  return result;
}

// ---- values as numbers, sizes and axes ----

Number Elaborator::compile_time_number(const Value& value, Span span, std::string_view what) {
  if (value.is(Value::Kind::Error)) throw Abandoned{};
  if (value.in_graph()) {
    fail(Diag::NotConstant, span,
         fmt::format(
             "{} has to be known when compiling, found {}", what,
             value.is(Value::Kind::PerStep) ? "a number of each step" : type_text(type(value))));
  }
  if (!value.is(Value::Kind::Number))
    fail(Diag::TypeMismatch, span, fmt::format("{} is a number, found {}", what, kind_text(value)));
  if (value.number.batch)
    fail(Diag::NotConstant, span,
         fmt::format("{} has to be known when compiling, `batch` is known at run time only", what));
  return value.number;
}

int64_t Elaborator::whole_number(const Value& value, Span span, std::string_view what) {
  Number number = compile_time_number(value, span, what);
  std::optional<int64_t> whole = number.whole();
  if (!whole && !value.text.empty()) fail(Diag::NotWhole, span, value.text + ", not whole");
  if (!whole)
    fail(Diag::NotWhole, span, fmt::format("{} is {}, not whole", what, to_string(number)));
  return *whole;
}

bool Elaborator::compile_time_bool(const Value& value, Span span, std::string_view what) {
  if (value.is(Value::Kind::Error)) throw Abandoned{};
  if (value.is(Value::Kind::Bool)) return value.flag;
  if (value.in_graph()) {
    fail(Diag::NotConstant, span,
         fmt::format(
             "{} is decided when compiling, found {}; on data, `where(c, a, b)` chooses", what,
             value.is(Value::Kind::PerStep) ? "a value of each step" : type_text(type(value))));
  }
  fail(Diag::TypeMismatch, span, fmt::format("{} is a bool, found {}", what, kind_text(value)));
}

Dim Elaborator::dim_of(const Value& value, Span span) {
  if (value.is(Value::Kind::PerStep)) {
    fail(Diag::BatchMisuse, span,
         "a size is a number, or a whole multiple of `batch`; found a number of each step");
  }
  if (value.is(Value::Kind::Number) && value.number.batch) {
    if (value.number.integer < 1)
      fail(Diag::BadSize, span,
           fmt::format("a size is at least 1, found {}", to_string(value.number)));
    return Dim::batches(value.number.integer);
  }
  int64_t size = whole_number(value, span, "a size");
  if (size < 1) fail(Diag::BadSize, span, fmt::format("a size is at least 1, found {}", size));
  return Dim::fixed(size);
}

Dim Elaborator::dim_of_expr(const Expr& expr) {
  Value value = eval(expr);
  return dim_of(value, expr.span);
}

Shape Elaborator::shape_of_list(const Value& list, Span span) {
  if (!list.is(Value::Kind::List))
    fail(Diag::TypeMismatch, span,
         fmt::format("a shape is a list as in `[batch, 64]`, found {}", kind_text(list)));
  Shape shape;
  for (const Value& item : list.items) shape.push_back(dim_of(item, span));
  check_type({DType::F32, shape}, span);
  return shape;
}

int64_t Elaborator::axis_of(const Value& value, size_t rank, Span span) {
  int64_t axis = whole_number(value, span, "an axis");
  int64_t size = static_cast<int64_t>(rank);
  if (axis < -size || axis >= size) {
    fail(Diag::BadAxis, span,
         rank == 0 ? fmt::format("axis {} of a tensor of rank 0", axis)
                   : fmt::format("axis {} of a tensor of rank {}; axes are {} to {}", axis, rank,
                                 -size, size - 1));
  }
  return axis < 0 ? axis + size : axis;
}

void Elaborator::check_type(const TensorType& type, Span span) {
  size_t batches = 0;
  for (const Dim& dim : type.shape) batches += dim.batch ? 1 : 0;
  if (batches > 1)
    fail(Diag::TwoBatches, span,
         fmt::format("{} has `batch` twice; a value has it at most once", shape_text(type.shape)));
  constexpr int64_t kMaxElements = int64_t{1} << 40;
  std::optional<Dim> count = checked_count(type.shape);
  if (!count || count->value > kMaxElements)
    fail(Diag::BadSize, span, fmt::format("{} has too many elements", shape_text(type.shape)));
}

TensorType Elaborator::type_of(const TypeExpr& expr, const TensorType* any) {
  TensorType result{*dtype_of_word(expr.word), {}};
  for (size_t i = 0; i < expr.dims.size(); ++i) {
    const Expr& dim = *expr.dims[i];
    if (dim.kind == Expr::Kind::Ellipsis) {
      if (!frame().leading)
        fail(Diag::UnboundSize, dim.span, "`...` has no sizes here: no argument binds it");
      result.shape.insert(result.shape.end(), frame().leading->begin(), frame().leading->end());
    } else if (dim.kind == Expr::Kind::Any) {
      bool known = any && any->rank() == expr.dims.size();
      if (!known)
        fail(Diag::UnboundSize, dim.span,
             "`_` fits any size of an argument; here the size has to be said");
      result.shape.push_back(any->shape[i]);
    } else {
      result.shape.push_back(dim_of_expr(dim));
    }
  }
  check_type(result, expr.span);
  return result;
}

}  // namespace gradus::lang
