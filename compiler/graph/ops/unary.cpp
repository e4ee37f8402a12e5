// Pointwise operators of one operand.
#include "graph/builder.h"
#include "graph/ops/pointwise_shapes.h"
#include "graph/ops/rows.h"

namespace gradus {

namespace {

using G = GraphBuilder;
using A = VjpArgs;
using B = ScalarBuilder;

constexpr double kTwoOverSqrtPi = 1.1283791670955126;

/// A whole number times the cotangent where the operand is positive, its negative where negative,
/// else 0.
NodeId sign_times(G& g, NodeId x, NodeId cotangent) {
  return g.mul(cotangent, g.unary(OpKind::Sign, x));
}

Scalar sign_scalar(B& b, Scalar x) {
  Scalar zero = b.constant(x.dtype, 0), one = b.constant(x.dtype, 1);
  Scalar negative = b.select(b.less(x, zero), b.constant(x.dtype, -1), x);
  return b.select(b.less(zero, x), one, negative);
}

Scalar ceil_scalar(B& b, Scalar x) { return b.neg(b.floor(b.neg(x))); }

Scalar unit_float_scalar(B& b, Scalar x) {
  return b.mul(b.convert(b.shift_right_logical(x, 8), DType::F32), b.f32(0x1p-24));
}

const OpDef kUnaryRows[] = {
    {.kind = OpKind::Neg,
     .name = "neg",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = number_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents { return {g.neg(a.cotangent)}; },
     .scalar = [](B& b, ScalarArgs x, DType) { return b.neg(x[0]); },
     .cheap = true,
     .doc = "-x"},
    {.kind = OpKind::Abs,
     .name = "abs",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = number_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {sign_times(g, a.operands[0], a.cotangent)};
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.abs(x[0]); },
     .cheap = true,
     .doc = "|x|; derivative sign x, 0 at 0"},
    {.kind = OpKind::Sign,
     .name = "sign",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = number_unary,
     .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return sign_scalar(b, x[0]); },
     .cheap = true,
     .doc = "-1, x or 1 as x < 0, x = 0 (or NaN), x > 0; its derivative is 0 and ends the path"},
    {.kind = OpKind::Floor,
     .name = "floor",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.floor(x[0]); },
     .cheap = true,
     .doc = "the largest whole number not above x; no derivative"},
    {.kind = OpKind::Ceil,
     .name = "ceil",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .scalar = [](B& b, ScalarArgs x, DType) { return ceil_scalar(b, x[0]); },
     .cheap = true,
     .doc = "the smallest whole number not below x; no derivative"},
    {.kind = OpKind::Round,
     .name = "round",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.round_even(x[0]); },
     .cheap = true,
     .doc = "the nearest whole number, halves to even; no derivative"},
    {.kind = OpKind::Sqrt,
     .name = "sqrt",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.div(g.mul(a.cotangent, g.constant_like(a.result, 0.5)), a.result)};
     },
     .saves = Saves::Result,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.sqrt(x[0]); },
     .doc = "square root; derivative 0.5 / y"},
    {.kind = OpKind::Exp,
     .name = "exp",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents { return {g.mul(a.cotangent, a.result)}; },
     .saves = Saves::Result,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.exp(x[0]); },
     .doc = "e^x; derivative y"},
    {.kind = OpKind::Expm1,
     .name = "expm1",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     // Not y + 1, which has no digit left of e^x where that is far below 1.
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.mul(a.cotangent, g.unary(OpKind::Exp, a.operands[0]))};
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.expm1(x[0]); },
     .doc = "e^x - 1, all digits near 0 too; derivative e^x"},
    {.kind = OpKind::Log,
     .name = "log",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents { return {g.div(a.cotangent, a.operands[0])}; },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.log(x[0]); },
     .doc = "natural logarithm; derivative 1 / x"},
    {.kind = OpKind::Log1p,
     .name = "log1p",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.div(a.cotangent, g.add(a.operands[0], g.one_like(a.operands[0])))};
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.log1p(x[0]); },
     .doc = "log(1 + x); derivative 1 / (1 + x)"},
    {.kind = OpKind::Sin,
     .name = "sin",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.mul(a.cotangent, g.unary(OpKind::Cos, a.operands[0]))};
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.sin(x[0]); },
     .doc = "sine; derivative cos x"},
    {.kind = OpKind::Cos,
     .name = "cos",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.neg(g.mul(a.cotangent, g.unary(OpKind::Sin, a.operands[0])))};
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.cos(x[0]); },
     .doc = "cosine; derivative -sin x"},
    {.kind = OpKind::Tanh,
     .name = "tanh",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.mul(a.cotangent, g.sub(g.one_like(a.result), g.mul(a.result, a.result)))};
     },
     .saves = Saves::Result,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.tanh(x[0]); },
     .doc = "tanh x; derivative 1 - y*y"},
    {.kind = OpKind::Sigmoid,
     .name = "sigmoid",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.mul(a.cotangent, g.mul(a.result, g.sub(g.one_like(a.result), a.result)))};
     },
     .saves = Saves::Result,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.sigmoid(x[0]); },
     .doc = "1 / (1 + e^-x); derivative y (1 - y)"},
    {.kind = OpKind::Erf,
     .name = "erf",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       NodeId x = a.operands[0];
       NodeId slope =
           g.mul(g.unary(OpKind::Exp, g.neg(g.mul(x, x))), g.constant_like(x, kTwoOverSqrtPi));
       return {g.mul(a.cotangent, slope)};
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.erf(x[0]); },
     .doc = "error function; derivative 2/sqrt(pi) e^(-x*x)"},
    {.kind = OpKind::NormalCdf,
     .name = "normal_cdf",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.mul(a.cotangent, g.unary(OpKind::NormalDensity, a.operands[0]))};
     },
     .saves = Saves::Operands,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.normal_cdf(x[0]); },
     .doc = "share of the standard normal distribution below x; derivative normal_density x"},
    {.kind = OpKind::NormalDensity,
     .name = "normal_density",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = float_unary,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.neg(g.mul(a.cotangent, g.mul(a.operands[0], a.result)))};
     },
     .saves = Saves::Both,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.normal_density(x[0]); },
     .doc =
         "density of the standard normal distribution, e^(-x*x/2) / sqrt(2 pi); derivative -x*y"},
    {.kind = OpKind::Not,
     .name = "not",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = bool_unary,
     .differentiable = Differentiable::Stops,
     .scalar = [](B& b, ScalarArgs x, DType) { return b.bit_not(x[0]); },
     .cheap = true,
     .doc = "true where x is false"},
    {.kind = OpKind::Convert,
     .name = "convert",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = convert_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       DType from = g.type(a.operands[0]).dtype;
       if (!is_float(from)) return {NodeId()};
       return {g.convert(a.cotangent, from)};
     },
     .scalar = [](B& b, ScalarArgs x, DType to) { return b.convert(x[0], to); },
     .cheap = true,
     .given_type = true,
     .doc = "x in another element type; float to integer toward zero, saturating, NaN gives 0"},
    {.kind = OpKind::UnitFloat,
     .name = "unit_float",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = unit_float_shape,
     .scalar = [](B& b, ScalarArgs x, DType) { return unit_float_scalar(b, x[0]); },
     .cheap = true,
     .doc = "the upper 24 of random bits as a float in [0, 1)"},
    {.kind = OpKind::StopGradient,
     .name = "stop_gradient",
     .arity = 1,
     .cls = OpClass::Pointwise,
     .shape = any_unary,
     .differentiable = Differentiable::Stops,
     .scalar = [](B&, ScalarArgs x, DType) { return x[0]; },
     .cheap = true,
     .doc = "x, through which no derivative passes"},
};

}  // namespace

std::span<const OpDef> unary_rows() { return kUnaryRows; }

}  // namespace gradus
