// Pointwise operators of two and three operands, and the class's rows together.
#include <vector>

#include "graph/builder.h"
#include "graph/ops/pointwise_shapes.h"
#include "graph/ops/rows.h"

namespace gradus {

namespace {

using G = GraphBuilder;
using A = VjpArgs;
using B = ScalarBuilder;

NodeId zero_unless(G& g, NodeId condition, NodeId value) {
  return g.select(condition, value, g.zero_like(value));
}

/// The cotangent where `better`, half of it where the operands are equal, else 0: ties share.
NodeId share(G& g, NodeId better, NodeId equal, NodeId cotangent) {
  NodeId half = g.mul(cotangent, g.constant_like(cotangent, 0.5));
  return g.select(better, cotangent, zero_unless(g, equal, half));
}

// Nodes are made one statement at a time: the order of arguments is the C++ compiler's.
Cotangents extremum_vjp(G& g, const A& a, bool least_wins) {
  NodeId x = a.operands[0], y = a.operands[1];
  NodeId x_less = g.less(x, y);
  NodeId y_less = g.less(y, x);
  NodeId equal = g.equal(x, y);
  return {share(g, least_wins ? x_less : y_less, equal, a.cotangent),
          share(g, least_wins ? y_less : x_less, equal, a.cotangent)};
}

Cotangents pow_vjp(G& g, const A& a) {
  NodeId x = a.operands[0], y = a.operands[1];
  NodeId zero = g.zero_like(x);
  NodeId lower = g.make(OpKind::Pow, {x, g.sub(y, g.one_like(y))});
  NodeId slope = g.mul(y, lower);
  NodeId dx = g.select(g.equal(y, zero), zero, slope);
  NodeId positive = g.less(zero, x);
  NodeId safe = g.select(positive, x, g.one_like(x));
  NodeId dy = g.select(positive, g.mul(a.result, g.unary(OpKind::Log, safe)), zero);
  Cotangents out(2);
  if (a.wanted[0]) out[0] = g.mul(a.cotangent, dx);
  if (a.wanted[1]) out[1] = g.mul(a.cotangent, dy);
  return out;
}

Cotangents div_vjp(G& g, const A& a) {
  NodeId dx = g.div(a.cotangent, a.operands[1]);
  if (!a.wanted[1]) return {dx, NodeId()};
  return {dx, g.neg(g.mul(dx, a.result))};
}

/// The operand that wins, NaN where either is.
Scalar extremum(B& b, Scalar x, Scalar y, bool x_wins_where_less) {
  Scalar wins = x_wins_where_less ? b.less(x, y) : b.less(y, x);
  Scalar chosen = b.select(wins, x, y);
  return is_float(x.dtype) ? b.select(b.is_nan(x), x, chosen) : chosen;
}

#define ROW_BINARY(op, text) .kind = OpKind::op, .name = text, .arity = 2, .cls = OpClass::Pointwise

const OpDef kBinaryRows[] = {
    {ROW_BINARY(Add, "add"), .shape = number_binary, .differentiable = Differentiable::Yes,
     .vjp = [](G&, const A& a) -> Cotangents { return {a.cotangent, a.cotangent}; },
     .scalar = [](B& b, ScalarArgs x, DType) { return b.add(x[0], x[1]); }, .commutative = true,
     .doc = "x + y"},
    {ROW_BINARY(Sub, "sub"), .shape = number_binary, .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {a.cotangent, a.wanted[1] ? g.neg(a.cotangent) : NodeId()};
     },
     .scalar = [](B& b, ScalarArgs x, DType) { return b.sub(x[0], x[1]); },
     .doc = "x - y"},
    {ROW_BINARY(Mul, "mul"), .shape = number_binary, .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       Cotangents out(2);
       if (a.wanted[0]) out[0] = g.mul(a.cotangent, a.operands[1]);
       if (a.wanted[1]) out[1] = g.mul(a.cotangent, a.operands[0]);
       return out;
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.mul(x[0], x[1]); }, .commutative = true,
     .doc = "x y"},
    {ROW_BINARY(Div, "div"), .shape = float_binary, .differentiable = Differentiable::Yes,
     .vjp = div_vjp, .saves = Saves::Both,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.div(x[0], x[1]); },
     .cost = CostClass::Divide,
     .doc = "x / y; derivatives 1 / y and -(x/y) / y"},
    {ROW_BINARY(IntDiv, "int_div"), .shape = integer_binary,
     .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.div(x[0], x[1]); },
     .cost = CostClass::Divide,
     .doc = "x / y of integers, toward zero; 0 where y is 0"},
    {ROW_BINARY(Mod, "mod"), .shape = integer_binary, .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.remainder(x[0], x[1]); },
     .cost = CostClass::Divide,
     .doc = "x - (x / y) y of integers, the sign of x; x where y is 0"},
    {ROW_BINARY(Pow, "pow"), .shape = float_binary, .differentiable = Differentiable::Yes,
     .vjp = pow_vjp, .saves = Saves::Both,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.pow(x[0], x[1]); },
     .cost = CostClass::Transcendental,
     .doc = "x^y; derivatives y x^(y-1), 0 where y is 0, and x^y log x, 0 where x <= 0"},
    {ROW_BINARY(Maximum, "maximum"), .shape = number_binary, .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents { return extremum_vjp(g, a, false); },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return extremum(b, x[0], x[1], false); },
     .doc = "the larger of x and y, NaN where either is; equal operands share the derivative"},
    {ROW_BINARY(Minimum, "minimum"), .shape = number_binary, .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents { return extremum_vjp(g, a, true); },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return extremum(b, x[0], x[1], true); },
     .doc = "the smaller of x and y, NaN where either is; equal operands share the derivative"},
    {ROW_BINARY(Equal, "equal"), .shape = comparison, .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.equal(x[0], x[1]); }, .commutative = true,
     .doc = "x == y; false with NaN"},
    {ROW_BINARY(NotEqual, "not_equal"), .shape = comparison,
     .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.not_equal(x[0], x[1]); },
     .commutative = true, .doc = "x != y; true with NaN"},
    {ROW_BINARY(Less, "less"), .shape = comparison, .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.less(x[0], x[1]); },
     .doc = "x < y; false with NaN"},
    {ROW_BINARY(LessEqual, "less_equal"), .shape = comparison,
     .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.less_equal(x[0], x[1]); },
     .doc = "x <= y; false with NaN"},
    {ROW_BINARY(And, "and"), .shape = bool_binary, .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.bit_and(x[0], x[1]); }, .commutative = true,
     .doc = "both"},
    {ROW_BINARY(Or, "or"), .shape = bool_binary, .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.bit_or(x[0], x[1]); }, .commutative = true,
     .doc = "either"},
    {.kind = OpKind::Select,
     .name = "select",
     .arity = 3,
     .cls = OpClass::Pointwise,
     .shape = select_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       Cotangents out(3);
       if (a.wanted[1]) out[1] = zero_unless(g, a.operands[0], a.cotangent);
       if (a.wanted[2]) out[2] = g.select(a.operands[0], g.zero_like(a.cotangent), a.cotangent);
       return out;
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.select(x[0], x[1], x[2]); },
     .doc = "y where x is true, else z; the derivative goes the same way"},
    {.kind = OpKind::Fma,
     .name = "fma",
     .arity = 3,
     .cls = OpClass::Pointwise,
     .shape = fma_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       Cotangents out(3);
       if (a.wanted[0]) out[0] = g.mul(a.cotangent, a.operands[1]);
       if (a.wanted[1]) out[1] = g.mul(a.cotangent, a.operands[0]);
       out[2] = a.cotangent;
       return out;
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.fma(x[0], x[1], x[2]); },
     .doc = "x y + z with one rounding"},
};

#undef ROW_BINARY

}  // namespace

std::span<const OpDef> binary_rows() { return kBinaryRows; }

std::span<const OpDef> pointwise_rows() {
  static const std::vector<OpDef> rows = [] {
    std::vector<OpDef> all(unary_rows().begin(), unary_rows().end());
    all.insert(all.end(), binary_rows().begin(), binary_rows().end());
    return all;
  }();
  return rows;
}

}  // namespace gradus
