// Shape rules of the pointwise rows, and the two groups of rows that make the class.
#pragma once

#include "graph/op.h"

namespace gradus {

ShapeResult any_unary(std::span<const TensorType> operands, const Attrs& attrs,
                      const TensorType* given);
ShapeResult number_unary(std::span<const TensorType> operands, const Attrs& attrs,
                         const TensorType* given);
ShapeResult float_unary(std::span<const TensorType> operands, const Attrs& attrs,
                        const TensorType* given);
ShapeResult bool_unary(std::span<const TensorType> operands, const Attrs& attrs,
                       const TensorType* given);
ShapeResult convert_shape(std::span<const TensorType> operands, const Attrs& attrs,
                          const TensorType* given);
ShapeResult unit_float_shape(std::span<const TensorType> operands, const Attrs& attrs,
                             const TensorType* given);
ShapeResult number_binary(std::span<const TensorType> operands, const Attrs& attrs,
                          const TensorType* given);
ShapeResult float_binary(std::span<const TensorType> operands, const Attrs& attrs,
                         const TensorType* given);
ShapeResult integer_binary(std::span<const TensorType> operands, const Attrs& attrs,
                           const TensorType* given);
ShapeResult bool_binary(std::span<const TensorType> operands, const Attrs& attrs,
                        const TensorType* given);
ShapeResult comparison(std::span<const TensorType> operands, const Attrs& attrs,
                       const TensorType* given);
ShapeResult select_shape(std::span<const TensorType> operands, const Attrs& attrs,
                         const TensorType* given);
ShapeResult fma_shape(std::span<const TensorType> operands, const Attrs& attrs,
                      const TensorType* given);

std::span<const OpDef> unary_rows();
std::span<const OpDef> binary_rows();

}  // namespace gradus
