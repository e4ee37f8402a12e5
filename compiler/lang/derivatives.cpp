// `grad`, `vjp`, `jvp` as expressions, and draws. What a derivative is taken by is a name: identity
// is the source's.
#include <fmt/format.h>

#include "lang/elaborator.h"

namespace gradus::lang {

namespace {

constexpr std::string_view kGroup = "Derivatives: x is a name, or several as in (u, v)";

constexpr Builtin kDerivativeBuiltins[] = {
    {kGroup, "grad", "y: float[], x: name", "as x", "The derivative of a value of rank 0 by x."},
    {kGroup, "vjp", "y: float[...], x: name, seed: as y", "as x",
     "The derivative of sum(seed * y) by x."},
    {kGroup, "jvp", "y: float[...], x: name, tangent: as x", "as y",
     "How y changes where x moves along the tangent."},
};
static_assert(all_described(kDerivativeBuiltins));

}  // namespace

std::span<const Builtin> derivative_builtins() { return kDerivativeBuiltins; }

/// grad(y, x), vjp(y, x, seed), jvp(y, x, tangent); x is a name, or several in brackets, tangents then too.
Value Elaborator::gradient(const Expr& call) {
  const std::string& word = call.text;
  const std::vector<BuiltinFormal> formals = formals_of(*find_row(kDerivativeBuiltins, word));
  std::vector<const Expr*> parts;
  for (size_t i = 0; i < std::min(call.arguments.size(), formals.size()); ++i) {
    const Argument& argument = call.arguments[i];
    if (!argument.name.empty() && argument.name != formals[i].name)
      fail(Diag::BadArgument, argument.name_span,
           fmt::format("`{}` has no argument `{}` here", word, argument.name));
    parts.push_back(argument.value.get());
  }
  if (call.arguments.size() != formals.size()) {
    std::string names;
    for (const BuiltinFormal& formal : formals) names += (names.empty() ? "" : ", ") + formal.name;
    fail(Diag::BadArgument, call.span,
         fmt::format("`{}` takes ({}) arguments, found {}", word, names, call.arguments.size()));
  }
  Value y = eval(*parts[0]);
  if (!y.is(Value::Kind::Tensor) || !is_float(type(y).dtype)) {
    fail(Diag::TypeMismatch, parts[0]->span,
         fmt::format("`{}` differentiates a float tensor, found {}", word,
                     y.in_graph() ? type_text(type(y)) : kind_text(y)));
  }
  if (word == "grad" && !type(y).is_scalar()) {
    fail(Diag::NotScalar, parts[0]->span,
         fmt::format("`grad` is of a value of rank 0, found {}; take `grad(sum(y), x)`, or `vjp(y, "
                     "x, seed)`",
                     type_text(type(y))));
  }
  std::vector<const Expr*> names;
  bool several = parts[1]->kind == Expr::Kind::Tuple;
  if (several) {
    for (const ExprPtr& operand : parts[1]->operands) names.push_back(operand.get());
  } else {
    names.push_back(parts[1]);
  }
  std::vector<Value> xs;
  for (const Expr* name : names) xs.push_back(derivative_argument(*name, word));
  for (const Value& x : xs) {
    if (x.place != y.place)
      fail(Diag::TypeMismatch, parts[1]->span,
           "a derivative of a value of the whole pass by one of the step");
  }
  if (word == "jvp") return forward_derivative(y, xs, *parts[2], call.span);
  std::vector<Value> results;
  Value seed;
  if (word == "vjp") seed = fit(eval(*parts[2]), type(y), parts[2]->span, "the seed");
  span_ = call.span;
  NodeId seed_node = word == "vjp" ? seed.node : constant(y.place, type(y), 1);
  for (const Value& x : xs)
    results.push_back(
        Value::tensor(y.place, make(y.place, OpKind::Gradient, {y.node, x.node, seed_node})));
  return several ? Value::of_tuple(std::move(results)) : results[0];
}

/// The vjp of the vjp in its seed, one for each x; their sum where there are several.
Value Elaborator::forward_derivative(const Value& y, const std::vector<Value>& xs,
                                     const Expr& tangents, Span span) {
  std::vector<const Expr*> each = {&tangents};
  if (xs.size() > 1) {
    each.clear();
    for (const ExprPtr& operand : tangents.operands) each.push_back(operand.get());
    if (tangents.kind != Expr::Kind::Tuple || each.size() != xs.size())
      fail(Diag::BadArgument, tangents.span,
           fmt::format("`jvp` by {} names takes as many tangents in brackets, as in `jvp(y, (u, "
                       "v), (du, dv))`",
                       xs.size()));
  }
  const TensorType y_type = type(y);
  NodeId seed = constant(y.place, y_type, 0);  // the vjp is linear in it: its value does not matter
  NodeId total;
  for (size_t i = 0; i < xs.size(); ++i) {
    Value tangent = fit(eval(*each[i]), type(xs[i]), each[i]->span, "the tangent");
    span_ = span;
    NodeId back = make(y.place, OpKind::Gradient, {y.node, xs[i].node, seed});
    NodeId part = make(y.place, OpKind::Gradient, {back, seed, tangent.node});
    total = total.valid() ? make(y.place, OpKind::Add, {total, part}) : part;
  }
  return Value::tensor(y.place, total);
}

Value Elaborator::derivative_argument(const Expr& expr, std::string_view word) {
  bool named = expr.kind == Expr::Kind::Name || expr.kind == Expr::Kind::Member;
  if (!named) {
    fail(Diag::BadArgument, expr.span,
         fmt::format("`{}` is by a name, found `{}`; bind it with `let`", word, source(expr)));
  }
  Value x = eval(expr);
  if (!x.is(Value::Kind::Tensor) || !is_float(type(x).dtype)) {
    fail(Diag::TypeMismatch, expr.span,
         fmt::format("`{}` is by a float tensor, found {}", word,
                     x.in_graph() ? type_text(type(x)) : kind_text(x)));
  }
  return x;
}

/// Uniform in [0, 1). In an initialiser the stream is named by the parameter's path; in a step by
/// the rank of the draw.
Value Elaborator::draw(const Shape& shape, Span span) {
  TensorType bits{DType::I32, shape};
  if (place_ == Place::Init) {
    NodeId node =
        make(Place::Init, OpKind::RandomBits, {}, {{AttrName::Stream, int64_t{0}}}, &bits);
    initial_draws_.push_back({node, variables_.size(), draws_of_variable_++});
    return Value::tensor(Place::Init, make(Place::Init, OpKind::UnitFloat, {node}));
  }
  if (mode_ != Mode::Train) {
    fail(Diag::NotInTraining, span,
         "a draw exists in training steps only; use `if training`, or make the noise an input");
  }
  NodeId node = make(Place::Step, OpKind::RandomBits, {}, {{AttrName::Stream, draws_++}}, &bits);
  return Value::tensor(Place::Step, make(Place::Step, OpKind::UnitFloat, {node}));
}

}  // namespace gradus::lang
