// Derivatives as nodes: what `grad`, `vjp`, `jvp` and a function's custom vjp become until
// differentiation replaces them.
#include <fmt/format.h>

#include "graph/ops/rows.h"

namespace gradus {

namespace {

using Types = std::span<const TensorType>;

/// The function that brings the derivative.
const AttrSpec kFunctionAttrs[] = {{AttrName::Name, AttrValue(std::string())}};

ShapeResult gradient_shape(Types x, const Attrs&, const TensorType*) {
  if (!is_float(x[0].dtype) || x[2] != x[0]) {
    return ShapeProblem{
        fmt::format("the seed of a derivative of {} is {}", to_string(x[0]), to_string(x[2])), 2};
  }
  if (!is_float(x[1].dtype))
    return ShapeProblem{fmt::format("a derivative for {}", to_string(x[1])), 1};
  return x[1];
}

/// Operands: result, seed, k arguments, k cotangents.
ShapeResult custom_vjp_shape(Types x, const Attrs&, const TensorType*) {
  bool fits = x.size() >= 2 && x.size() % 2 == 0 && x[0] == x[1];
  size_t count = x.size() / 2 - 1;
  for (size_t i = 0; fits && i < count; ++i) fits = x[2 + i] == x[2 + count + i];
  if (!fits)
    return ShapeProblem{"`custom_vjp` has a result, its seed, arguments and a cotangent for each",
                        -1};
  return x[0];
}

const OpDef kDerivativeRows[] = {
    {.kind = OpKind::Gradient,
     .name = "gradient",
     .arity = 3,
     .cls = OpClass::Derivative,
     .shape = gradient_shape,
     .differentiable = Differentiable::Yes,
     .doc = "the vector-Jacobian product of y in x with a seed (y, x, seed)"},
    {.kind = OpKind::CustomVjp,
     .name = "custom_vjp",
     .arity = -1,
     .cls = OpClass::Derivative,
     .attrs = kFunctionAttrs,
     .shape = custom_vjp_shape,
     .differentiable = Differentiable::Yes,
     .doc = "its first operand; the cotangents of the arguments are given, in terms of the seed"},
};

}  // namespace

std::span<const OpDef> derivative_rows() { return kDerivativeRows; }

}  // namespace gradus
