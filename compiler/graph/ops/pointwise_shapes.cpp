// Operands broadcast as in NumPy and have one element type, but for `select`'s condition.
#include "graph/ops/pointwise_shapes.h"

#include <fmt/format.h>

#include "graph/ops/rows.h"

namespace gradus {

namespace {

using Types = std::span<const TensorType>;
using Accepts = bool (*)(DType);

bool any_dtype(DType) { return true; }
bool number_dtype(DType dtype) { return dtype != DType::Bool; }
bool bool_dtype(DType dtype) { return dtype == DType::Bool; }

ShapeProblem wrong_dtype(const TensorType& type, std::string_view expected, int operand) {
  return {fmt::format("an operand is {}, expected {}", to_string(type), expected), operand};
}

ShapeResult unary(Types x, Accepts accepts, std::string_view expected) {
  if (!accepts(x[0].dtype)) return wrong_dtype(x[0], expected, 0);
  return x[0];
}

/// The broadcast of all operands from `first` on, with this dtype.
ShapeResult broadcast_all(Types x, size_t first, DType dtype) {
  Shape shape = x[0].shape;
  for (size_t i = 1; i < x.size(); ++i) {
    if (x[i].shape == shape) continue;
    std::optional<Shape> wider = broadcast_shapes(shape, x[i].shape);
    if (!wider) {
      return ShapeProblem{
          fmt::format("shapes {} and {} do not broadcast", to_string(shape), to_string(x[i].shape)),
          static_cast<int>(i)};
    }
    shape = *std::move(wider);
  }
  for (size_t i = first; i + 1 < x.size(); ++i) {
    if (x[i].dtype != x[i + 1].dtype) {
      return ShapeProblem{fmt::format("element types differ: {} and {}", dtype_name(x[i].dtype),
                                      dtype_name(x[i + 1].dtype)),
                          static_cast<int>(i + 1)};
    }
  }
  return checked_type({dtype, std::move(shape)});
}

ShapeResult same_dtype(Types x, Accepts accepts, std::string_view expected) {
  for (size_t i = 0; i < x.size(); ++i) {
    if (!accepts(x[i].dtype)) return wrong_dtype(x[i], expected, static_cast<int>(i));
  }
  return broadcast_all(x, 0, x[0].dtype);
}

}  // namespace

ShapeResult any_unary(Types x, const Attrs&, const TensorType*) { return unary(x, any_dtype, ""); }
ShapeResult number_unary(Types x, const Attrs&, const TensorType*) {
  return unary(x, number_dtype, "numbers");
}
ShapeResult float_unary(Types x, const Attrs&, const TensorType*) {
  return unary(x, is_float, "float");
}
ShapeResult bool_unary(Types x, const Attrs&, const TensorType*) {
  return unary(x, bool_dtype, "bool");
}

ShapeResult convert_shape(Types x, const Attrs&, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<ShapeProblem>(type)) return type;
  if (given->shape != x[0].shape) {
    return ShapeProblem{
        fmt::format("`convert` keeps the shape: {} to {}", to_string(x[0]), to_string(*given)), 0};
  }
  return type;
}

ShapeResult unit_float_shape(Types x, const Attrs&, const TensorType*) {
  if (x[0].dtype != DType::I32) return wrong_dtype(x[0], "i32", 0);
  return TensorType{DType::F32, x[0].shape};
}

ShapeResult number_binary(Types x, const Attrs&, const TensorType*) {
  return same_dtype(x, number_dtype, "numbers");
}
ShapeResult float_binary(Types x, const Attrs&, const TensorType*) {
  return same_dtype(x, is_float, "float");
}
ShapeResult integer_binary(Types x, const Attrs&, const TensorType*) {
  return same_dtype(x, is_integer, "int");
}
ShapeResult bool_binary(Types x, const Attrs&, const TensorType*) {
  return same_dtype(x, bool_dtype, "bool");
}
ShapeResult fma_shape(Types x, const Attrs&, const TensorType*) {
  return same_dtype(x, is_float, "float");
}

ShapeResult comparison(Types x, const Attrs&, const TensorType*) {
  return broadcast_all(x, 0, DType::Bool);
}

ShapeResult select_shape(Types x, const Attrs&, const TensorType*) {
  if (x[0].dtype != DType::Bool) return wrong_dtype(x[0], "bool", 0);
  return broadcast_all(x, 1, x[1].dtype);
}

}  // namespace gradus
