// Indexed operators of the evaluators: addresses come from data and are checked, sums run
// ascending.
//
//   gather x index        result[p.., i] = x[index[p..], i]: rows along the first axis
//   scatter_add index u   its transpose: result[index[p..], i] += u[p.., i], p ascending, from +0
//   take_along x index    result[o, i] = x[o, index[o, i], i], the axis taken away
//   put_along index u     its transpose: result[o, index[o, i], i] = u[o, i], 0 elsewhere
#include <fmt/format.h>

#include <stdexcept>

#include "eval/eval_class.h"
#include "scalar/dual.h"
#include "support/check.h"

namespace gradus {
namespace {

int64_t checked_index(int64_t index, int64_t size) {
  if (index >= 0 && index < size) return index;
  throw std::out_of_range(fmt::format("index {} outside an axis of {}", index, size));
}

/// total + x, in the arithmetic of T at the dtype of `total`.
template <typename T>
void add_element(const Array<Held<T>>& x, int64_t from, Array<Held<T>>& total, int64_t to) {
  const size_t source = static_cast<size_t>(from), place = static_cast<size_t>(to);
  if (!is_float(x.dtype)) {
    total.integers[place] += x.integers[source];
    return;
  }
  with_real<T>(x.dtype, [&](auto zero) {
    using Real = decltype(zero);
    total.floats[place] =
        static_cast<Real>(total.floats[place]) + static_cast<Real>(x.floats[source]);
  });
}

template <typename V>
void gather(const Array<V>& x, const Array<V>& index, Array<V>& result) {
  const AxisSpace space = axis_space(x.sizes, 0);
  for (int64_t to = 0; to < result.count(); ++to) {
    const int64_t row = index.integers[static_cast<size_t>(to / space.inner)];
    copy_element(x, space.at(0, checked_index(row, space.size), to % space.inner), result, to);
  }
}

template <typename T>
void scatter_add(const Array<Held<T>>& index, const Array<Held<T>>& x, Array<Held<T>>& result) {
  const AxisSpace space = axis_space(result.sizes, 0);
  for (int64_t from = 0; from < x.count(); ++from) {
    const int64_t row = index.integers[static_cast<size_t>(from / space.inner)];
    const int64_t to = space.at(0, checked_index(row, space.size), from % space.inner);
    add_element<T>(x, from, result, to);
  }
}

/// The element of [outer, axis, inner] that pick number p of [outer, inner] names.
template <typename V>
int64_t along(const AxisSpace& space, const Array<V>& index, int64_t p) {
  const int64_t k = checked_index(index.integers[static_cast<size_t>(p)], space.size);
  return space.at(p / space.inner, k, p % space.inner);
}

template <typename V>
void take_along(const Node& node, const Array<V>& x, const Array<V>& index, Array<V>& result) {
  const AxisSpace space = axis_space(x.sizes, node.attrs.integer(AttrName::Axis));
  GRADUS_CHECK(index.count() == result.count(), "an index per result element");
  for (int64_t to = 0; to < result.count(); ++to) {
    copy_element(x, along(space, index, to), result, to);
  }
}

template <typename V>
void put_along(const Node& node, const Array<V>& index, const Array<V>& x, Array<V>& result) {
  const AxisSpace space = axis_space(result.sizes, node.attrs.integer(AttrName::Axis));
  GRADUS_CHECK(index.count() == x.count(), "an index per element");
  for (int64_t from = 0; from < x.count(); ++from) {
    copy_element(x, from, result, along(space, index, from));
  }
}

/// A running chain from +0 along the axis; exclusive: each element is the sum before it.
template <typename T>
void cumulative_sum(const Node& node, const Array<Held<T>>& x, Array<Held<T>>& result) {
  const AxisSpace space = axis_space(x.sizes, node.attrs.integer(AttrName::Axis));
  const bool exclusive = node.attrs.flag(AttrName::Exclusive);
  for (int64_t o = 0; o < space.outer; ++o) {
    for (int64_t i = 0; i < space.inner; ++i) {
      for (int64_t k = exclusive ? 1 : 0; k < space.size; ++k) {
        const int64_t to = space.at(o, k, i);
        if (k > 0) copy_element(result, space.at(o, k - 1, i), result, to);
        add_element<T>(x, exclusive ? space.at(o, k - 1, i) : to, result, to);
      }
    }
  }
}

}  // namespace

template <typename T>
void eval_indexed(const Node& node, const Operands<Held<T>>& x, Array<Held<T>>& result) {
  switch (node.op) {
    case OpKind::Gather:
      return gather(*x[0], *x[1], result);
    case OpKind::ScatterAdd:
      return scatter_add<T>(*x[0], *x[1], result);
    case OpKind::TakeAlong:
      return take_along(node, *x[0], *x[1], result);
    case OpKind::PutAlong:
      return put_along(node, *x[0], *x[1], result);
    case OpKind::CumulativeSum:
      return cumulative_sum<T>(node, *x[0], result);
    default:
      GRADUS_CHECK(false, "an indexed operator without an evaluation");
  }
}
template void eval_indexed<float>(const Node&, const Operands<double>&, Array<double>&);
template void eval_indexed<double>(const Node&, const Operands<double>&, Array<double>&);
template void eval_indexed<Dual>(const Node&, const Operands<Dual>&, Array<Dual>&);

}  // namespace gradus
