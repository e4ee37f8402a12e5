// Layout operators of the evaluators: each result element is one operand element, found by strides.
#include "eval/eval_class.h"
#include "support/check.h"

namespace gradus {
namespace {

/// All of the result, read from x by strides.
template <typename V>
void read_by_strides(const Array<V>& x, const Sizes& strides, int64_t start, Array<V>& result) {
  const Offsets offsets = offsets_of(result.sizes, strides, start);
  for (size_t i = 0; i < offsets.size(); ++i) {
    copy_element(x, offsets[i], result, static_cast<int64_t>(i));
  }
}

/// All of x, written to the part of the result that begins at index `low`.
template <typename V>
void write_at(const Array<V>& x, const Sizes& low, Array<V>& result) {
  const Sizes strides = strides_of(result.sizes);
  int64_t start = 0;
  for (size_t d = 0; d < low.size(); ++d) start += low[d] * strides[d];
  const Offsets offsets = offsets_of(x.sizes, strides, start);
  for (size_t i = 0; i < offsets.size(); ++i) {
    copy_element(x, static_cast<int64_t>(i), result, offsets[i]);
  }
}

template <typename V>
void transpose(const Node& node, const Array<V>& x, Array<V>& result) {
  const Sizes strides = strides_of(x.sizes);
  Sizes permuted;
  for (int64_t from : node.attrs.integers(AttrName::Perm)) {
    permuted.push_back(strides[static_cast<size_t>(from)]);
  }
  read_by_strides(x, permuted, 0, result);
}

template <typename V>
void slice(const Node& node, const Array<V>& x, Array<V>& result) {
  Sizes strides = strides_of(x.sizes);
  const auto& start = node.attrs.integers(AttrName::Start);
  const auto& step = node.attrs.integers(AttrName::Step);
  int64_t first = 0;
  for (size_t d = 0; d < strides.size(); ++d) {
    first += start[d] * strides[d];
    strides[d] *= step[d];
  }
  read_by_strides(x, strides, first, result);
}

template <typename V>
void pad(const Node& node, const Array<V>& x, Array<V>& result) {
  // The result begins as zeros.
  write_at(x, node.attrs.integers(AttrName::Low), result);
}

template <typename V>
void concat(const Node& node, const Operands<V>& x, Array<V>& result) {
  const size_t axis = static_cast<size_t>(node.attrs.integer(AttrName::Axis));
  Sizes low(result.sizes.size(), 0);
  for (const Array<V>* part : x) {
    write_at(*part, low, result);
    low[axis] += part->sizes[axis];
  }
}

}  // namespace

template <typename V>
void eval_layout(const Node& node, const Operands<V>& x, Array<V>& result) {
  switch (node.op) {
    case OpKind::Reshape:
      GRADUS_CHECK(x[0]->count() == result.count(), "a reshape keeps all elements");
      result.floats = x[0]->floats;
      result.integers = x[0]->integers;
      return;
    case OpKind::Transpose:
      return transpose(node, *x[0], result);
    case OpKind::Broadcast:
      return read_by_strides(*x[0], broadcast_strides(x[0]->sizes, result.sizes), 0, result);
    case OpKind::Slice:
      return slice(node, *x[0], result);
    case OpKind::Pad:
      return pad(node, *x[0], result);
    case OpKind::Concat:
      return concat(node, x, result);
    default:
      GRADUS_CHECK(false, "a layout operator without an evaluation");
  }
}
template void eval_layout(const Node&, const Operands<double>&, Array<double>&);
template void eval_layout(const Node&, const Operands<Dual>&, Array<Dual>&);

}  // namespace gradus
