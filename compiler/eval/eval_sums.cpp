// Reductions and contractions of the evaluators. float adds in the orders of sum_order.h; double
// and Dual add in plain ascending order.
#include <algorithm>
#include <array>
#include <cmath>

#include "eval/eval_class.h"
#include "graph/sum_order.h"
#include "scalar/dual.h"
#include "support/check.h"

namespace gradus {
namespace {

template <typename T>
constexpr bool kExact = std::is_same_v<T, float>;

int64_t element_at(const ReduceSpace& space, size_t result, int64_t i) {
  return space.starts[result] + space.steps[static_cast<size_t>(i)];
}

/// The sum of `count` elements in the order that the node says; plain order outside exact
/// arithmetic.
template <typename T, typename Real, typename Element>
Real ordered_sum(const Node& node, int64_t count, const Element& element) {
  if constexpr (kExact<T>) {
    const std::string order = node.attrs.get_or<std::string>(AttrName::Order, "");
    if (order == "lanes") return sum_lanes<Real>(count, element);
    GRADUS_CHECK(order == "chain", "a float sum at stage Ordered says its order");
  }
  return sum_chain<Real>(0, count, element);
}

template <typename T>
void sum_floats(const Node& node, const Array<Held<T>>& x, Array<Held<T>>& result) {
  const ReduceSpace space = reduce_space(x.sizes, node.attrs.integers(AttrName::Dims));
  const int64_t count = static_cast<int64_t>(space.steps.size());
  with_real<T>(x.dtype, [&](auto zero) {
    using Real = decltype(zero);
    for (size_t r = 0; r < space.starts.size(); ++r) {
      result.floats[r] = ordered_sum<T, Real>(node, count, [&](int64_t i) {
        return static_cast<Real>(x.floats[static_cast<size_t>(element_at(space, r, i))]);
      });
    }
  });
}

/// Integers as the result's dtype: i32 wraps around.
int64_t wrapped(DType dtype, uint64_t value) {
  return dtype == DType::I32 ? static_cast<int32_t>(static_cast<uint32_t>(value))
                             : static_cast<int64_t>(value);
}

template <typename V>
void sum_integers(const Node& node, const Array<V>& x, Array<V>& result) {
  const ReduceSpace space = reduce_space(x.sizes, node.attrs.integers(AttrName::Dims));
  for (size_t r = 0; r < space.starts.size(); ++r) {
    uint64_t total = 0;
    for (int64_t step : space.steps) {
      total += static_cast<uint64_t>(x.integers[static_cast<size_t>(space.starts[r] + step)]);
    }
    result.integers[r] = wrapped(result.dtype, total);
  }
}

/// A chain inside each chunk of rows of dimension 0; chunks past the last row are the empty sum.
template <typename T>
void partial_sum(const Node& node, const Array<Held<T>>& x, Array<Held<T>>& result) {
  const ReduceSpace space = reduce_space(x.sizes, node.attrs.integers(AttrName::Dims));
  const int64_t count = static_cast<int64_t>(space.steps.size());
  const int64_t chunk = node.attrs.integer(AttrName::Chunk);
  const int64_t chunks = result.sizes.at(0);
  const int64_t kept = static_cast<int64_t>(space.starts.size());
  GRADUS_CHECK(chunk >= 1 && chunks * chunk >= count && result.count() == chunks * kept,
               "the chunks of a partial sum hold all rows");
  with_real<T>(x.dtype, [&](auto zero) {
    using Real = decltype(zero);
    for (int64_t at = 0; at < result.count(); ++at) {
      const size_t r = static_cast<size_t>(at % kept);
      const int64_t begin = std::min(count, at / kept * chunk);
      const int64_t end = std::min(count, begin + chunk);
      result.floats[static_cast<size_t>(at)] = sum_chain<Real>(begin, end, [&](int64_t i) {
        return static_cast<Real>(x.floats[static_cast<size_t>(element_at(space, r, i))]);
      });
    }
  });
}

/// Ties share the derivative equally.
void share_ties(const Array<Dual>& x, const ReduceSpace& space, Array<Dual>& result) {
  for (size_t r = 0; r < space.starts.size(); ++r) {
    double tangents = 0, ties = 0;
    for (int64_t step : space.steps) {
      const Dual element = x.floats[static_cast<size_t>(space.starts[r] + step)];
      if (element.value != result.floats[r].value) continue;
      tangents += element.tangent;
      ties += 1;
    }
    if (ties > 0) result.floats[r].tangent = tangents / ties;
  }
}

/// Max and Min by the row's own rule for two partial results, ascending from the first element.
template <typename T>
void combine_elements(const Node& node, const Array<Held<T>>& x, Array<Held<T>>& result) {
  const ReduceSpace space = reduce_space(x.sizes, node.attrs.integers(AttrName::Dims));
  const ScalarRule combine = op_def(node.op).combine;
  GRADUS_CHECK(combine != nullptr && !space.steps.empty(), "a reduction of at least one element");
  ConcreteBuilder<T> builder;
  const int64_t count = result.count();
  for (int64_t first = 0; first < count; first += kScalarBlock) {
    const auto load = [&](int64_t step) {
      return load_block<T>(
          builder, x, [&](int i) { return space.starts[static_cast<size_t>(first + i)] + step; });
    };
    const int width = static_cast<int>(std::min<int64_t>(kScalarBlock, count - first));
    builder.reset(width);
    store_block(builder, load(space.steps[0]), first, result);
    for (size_t k = 1; k < space.steps.size(); ++k) {
      builder.reset(width);
      const Scalar so_far = load_block<T>(builder, result, [&](int i) { return first + i; });
      const std::array<Scalar, 2> pair = {so_far, load(space.steps[k])};
      store_block(builder, combine(builder, pair, x.dtype), first, result);
    }
  }
  if constexpr (std::is_same_v<T, Dual>) share_ties(x, space, result);
}

/// Whether b takes the place of a as the largest: the first of ties stays, NaN is largest.
bool exceeds(double b, double a) { return !std::isnan(a) && (std::isnan(b) || b > a); }
bool exceeds(int64_t b, int64_t a) { return b > a; }

template <typename Value>
void first_largest(const ReduceSpace& space, const Value& value, std::vector<int64_t>& result) {
  for (size_t r = 0; r < space.starts.size(); ++r) {
    int64_t best = 0;
    for (int64_t i = 1; i < static_cast<int64_t>(space.steps.size()); ++i) {
      if (exceeds(value(r, i), value(r, best))) best = i;
    }
    result[r] = best;
  }
}

template <typename V>
void argmax(const Node& node, const Array<V>& x, Array<V>& result) {
  const ReduceSpace space = reduce_space(x.sizes, node.attrs.integers(AttrName::Dims));
  const auto at = [&](size_t r, int64_t i) { return static_cast<size_t>(element_at(space, r, i)); };
  if (is_float(x.dtype)) {
    const auto value = [&](size_t r, int64_t i) { return value_of(x.floats[at(r, i)]); };
    first_largest(space, value, result.integers);
  } else {
    const auto value = [&](size_t r, int64_t i) { return x.integers[at(r, i)]; };
    first_largest(space, value, result.integers);
  }
}

/// The right factor as [inner, columns], columns side by side and filled up to whole tiles.
template <typename V>
std::vector<V> columns_of(const Product& p, const Array<V>& b, int64_t width) {
  std::vector<V> out(static_cast<size_t>(p.inner * width));
  for (int64_t k = 0; k < p.inner; ++k) {
    for (int64_t j = 0; j < p.columns; ++j) {
      const int64_t from = p.right + k * p.right_inner + j * p.right_column;
      out[static_cast<size_t>(k * width + j)] = b.floats[static_cast<size_t>(from)];
    }
  }
  return out;
}

/// Tile by tile, all of a tile's sums at once: each adds in ascending k.
template <typename T>
void multiply_plainly(const Product& p, const Array<T>& a, const Array<T>& b, Array<T>& result) {
  constexpr int64_t kRows = 4, kColumns = 4;
  const int64_t width = (p.columns + kColumns - 1) / kColumns * kColumns;
  const std::vector<T> right = columns_of(p, b, width);
  for (int64_t i = 0; i < p.rows; i += kRows) {
    const int64_t rows = std::min(kRows, p.rows - i);
    std::array<const T*, kRows> left;
    for (int64_t r = 0; r < kRows; ++r)
      left[r] = &a.floats[static_cast<size_t>(p.left + std::min(i + r, p.rows - 1) * p.left_row)];
    for (int64_t j = 0; j < p.columns; j += kColumns) {
      T totals[kRows][kColumns] = {};
      for (int64_t k = 0; k < p.inner; ++k) {
        const T* line = &right[static_cast<size_t>(k * width + j)];
        for (int64_t r = 0; r < kRows; ++r) {
          const T factor = left[r][k * p.left_inner];
          for (int64_t c = 0; c < kColumns; ++c)
            totals[r][c] = totals[r][c] + factor * line[c];
        }
      }
      const int64_t columns = std::min(kColumns, p.columns - j);
      for (int64_t r = 0; r < rows; ++r) {
        std::copy_n(totals[r], columns, result.floats.begin() + (p.result + (i + r) * p.columns + j));
      }
    }
  }
}

template <typename T, typename Real>
void multiply_exactly(const Product& p, const Array<Held<T>>& a, const Array<Held<T>>& b,
                      const EvalContext& context, Array<Held<T>>& result) {
  for (int64_t i = 0; i < p.rows; ++i) {
    for (int64_t j = 0; j < p.columns; ++j) {
      const auto left = [&](int64_t k) {
        return static_cast<Real>(
            a.floats[static_cast<size_t>(p.left + i * p.left_row + k * p.left_inner)]);
      };
      const auto right = [&](int64_t k) {
        return static_cast<Real>(
            b.floats[static_cast<size_t>(p.right + k * p.right_inner + j * p.right_column)]);
      };
      result.floats[static_cast<size_t>(p.result + i * p.columns + j)] =
          sum_products<Real>(p.inner, context.fused_multiply_add, left, right);
    }
  }
}

}  // namespace

template <typename T>
void eval_reduce(const Node& node, const Array<Held<T>>& x, Array<Held<T>>& result) {
  switch (node.op) {
    case OpKind::Sum:
      return is_float(x.dtype) ? sum_floats<T>(node, x, result) : sum_integers(node, x, result);
    case OpKind::PartialSum:
      return partial_sum<T>(node, x, result);
    case OpKind::Argmax:
      return argmax(node, x, result);
    default:
      return combine_elements<T>(node, x, result);
  }
}
template void eval_reduce<float>(const Node&, const Array<double>&, Array<double>&);
template void eval_reduce<double>(const Node&, const Array<double>&, Array<double>&);
template void eval_reduce<Dual>(const Node&, const Array<Dual>&, Array<Dual>&);

template <typename T>
void eval_contract(const Node& node, const Operands<Held<T>>& x, const EvalContext& context,
                   Array<Held<T>>& result) {
  const auto products = products_of(x.at(0)->sizes, x.at(1)->sizes, result.sizes,
                                    node.attrs.flag(AttrName::Ta), node.attrs.flag(AttrName::Tb));
  for (const Product& p : products) {
    if constexpr (kExact<T>) {
      with_real<T>(result.dtype, [&](auto zero) {
        multiply_exactly<T, decltype(zero)>(p, *x[0], *x[1], context, result);
      });
    } else {
      multiply_plainly<T>(p, *x[0], *x[1], result);
    }
  }
}
template void eval_contract<float>(const Node&, const Operands<double>&, const EvalContext&,
                                   Array<double>&);
template void eval_contract<double>(const Node&, const Operands<double>&, const EvalContext&,
                                    Array<double>&);
template void eval_contract<Dual>(const Node&, const Operands<Dual>&, const EvalContext&,
                                  Array<Dual>&);

}  // namespace gradus
