// Index arithmetic of the evaluators: sizes, strides and lists of offsets, all in row-major order.
// Slow and obvious: a list holds the offset of every element.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/type.h"

namespace gradus {

using Sizes = std::vector<int64_t>;
using Offsets = std::vector<int64_t>;

Sizes sizes_at(const Shape& shape, int64_t n);
int64_t count_of(const Sizes& sizes);
Sizes strides_of(const Sizes& sizes);
/// Strides that read an array of sizes `from` as if broadcast to `to`: 0 where it repeats.
Sizes broadcast_strides(const Sizes& from, const Sizes& to);
/// start + the offset of every index below `sizes`.
Offsets offsets_of(const Sizes& sizes, const Sizes& strides, int64_t start = 0);

/// The elements that a reduction adds: element i of result r stands at starts[r] + steps[i].
/// Reduced elements run ascending, the outermost dimension slowest.
struct ReduceSpace {
  Offsets starts;
  Offsets steps;
};
ReduceSpace reduce_space(const Sizes& sizes, const std::vector<int64_t>& dims);

/// One matrix product of a batch: element (i, j) of the result stands at result + i * columns + j,
/// the factors' at offsets with strides.
struct Product {
  int64_t rows = 0, columns = 0, inner = 0;
  int64_t left = 0, left_row = 0, left_inner = 0;
  int64_t right = 0, right_inner = 0, right_column = 0;
  int64_t result = 0;
};
/// All products of a matmul; `ta`, `tb`: the last two dimensions of a factor are swapped.
std::vector<Product> products_of(const Sizes& left, const Sizes& right, const Sizes& result,
                                 bool ta, bool tb);

/// An array seen as [outer, size, inner] round one axis.
struct AxisSpace {
  int64_t outer = 1, size = 1, inner = 1;
  int64_t at(int64_t o, int64_t k, int64_t i) const { return (o * size + k) * inner + i; }
};
AxisSpace axis_space(const Sizes& sizes, int64_t axis);

}  // namespace gradus
