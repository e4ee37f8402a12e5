// Lists of offsets for the evaluators.
#include "eval/eval_space.h"

#include <algorithm>

#include "support/check.h"

namespace gradus {

Sizes sizes_at(const Shape& shape, int64_t n) {
  Sizes sizes;
  for (const Dim& dim : shape) sizes.push_back(dim.at(n));
  return sizes;
}

int64_t count_of(const Sizes& sizes) {
  int64_t count = 1;
  for (int64_t size : sizes) count *= size;
  return count;
}

Sizes strides_of(const Sizes& sizes) {
  Sizes strides(sizes.size());
  int64_t stride = 1;
  for (size_t d = sizes.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= sizes[d];
  }
  return strides;
}

Sizes broadcast_strides(const Sizes& from, const Sizes& to) {
  GRADUS_CHECK(from.size() <= to.size(), "broadcast to a lower rank");
  const Sizes dense = strides_of(from);
  Sizes strides(to.size(), 0);
  const size_t lead = to.size() - from.size();
  for (size_t d = 0; d < from.size(); ++d) {
    GRADUS_CHECK(from[d] == to[lead + d] || from[d] == 1, "sizes that do not broadcast");
    if (from[d] == to[lead + d]) strides[lead + d] = dense[d];
  }
  return strides;
}

Offsets offsets_of(const Sizes& sizes, const Sizes& strides, int64_t start) {
  Offsets offsets = {start};
  for (size_t d = 0; d < sizes.size(); ++d) {
    Offsets next;
    next.reserve(offsets.size() * static_cast<size_t>(sizes[d]));
    for (int64_t offset : offsets) {
      for (int64_t i = 0; i < sizes[d]; ++i) next.push_back(offset + i * strides[d]);
    }
    offsets = std::move(next);
  }
  return offsets;
}

ReduceSpace reduce_space(const Sizes& sizes, const std::vector<int64_t>& dims) {
  const Sizes strides = strides_of(sizes);
  Sizes kept_sizes, kept_strides, reduced_sizes, reduced_strides;
  for (size_t d = 0; d < sizes.size(); ++d) {
    const bool reduced = std::find(dims.begin(), dims.end(), static_cast<int64_t>(d)) != dims.end();
    (reduced ? reduced_sizes : kept_sizes).push_back(sizes[d]);
    (reduced ? reduced_strides : kept_strides).push_back(strides[d]);
  }
  return {offsets_of(kept_sizes, kept_strides), offsets_of(reduced_sizes, reduced_strides)};
}

/// Where each matrix of a batch begins, the leading dimensions of `sizes` broadcast to `batch`.
static Offsets matrix_offsets(const Sizes& sizes, const Sizes& batch) {
  const Sizes strides = strides_of(sizes);
  const size_t rank = sizes.size() - 2;
  Sizes batch_strides(batch.size(), 0);
  for (size_t d = 0; d < rank; ++d) {
    if (sizes[d] != 1) batch_strides[batch.size() - rank + d] = strides[d];
  }
  return offsets_of(batch, batch_strides);
}

std::vector<Product> products_of(const Sizes& left, const Sizes& right, const Sizes& result,
                                 bool ta, bool tb) {
  GRADUS_CHECK(left.size() >= 2 && right.size() >= 2 && result.size() >= 2, "matrices");
  const auto last = [](const Sizes& sizes, size_t back) { return sizes[sizes.size() - back]; };
  Product each;
  each.rows = last(result, 2);
  each.columns = last(result, 1);
  each.inner = ta ? last(left, 2) : last(left, 1);
  each.left_row = ta ? 1 : each.inner;
  each.left_inner = ta ? each.rows : 1;
  each.right_inner = tb ? 1 : each.columns;
  each.right_column = tb ? each.inner : 1;
  const Sizes batch(result.begin(), result.end() - 2);
  const Offsets left_offsets = matrix_offsets(left, batch);
  const Offsets right_offsets = matrix_offsets(right, batch);
  std::vector<Product> products;
  for (size_t i = 0; i < left_offsets.size(); ++i) {
    each.left = left_offsets[i];
    each.right = right_offsets[i];
    each.result = static_cast<int64_t>(i) * each.rows * each.columns;
    products.push_back(each);
  }
  return products;
}

AxisSpace axis_space(const Sizes& sizes, int64_t axis) {
  AxisSpace space;
  for (size_t d = 0; d < sizes.size(); ++d) {
    const int64_t here = static_cast<int64_t>(d);
    (here < axis ? space.outer : here == axis ? space.size : space.inner) *= sizes[d];
  }
  return space;
}

}  // namespace gradus
