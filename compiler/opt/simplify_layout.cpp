// Equations between operators that move data, and what products absorb of them.
#include <algorithm>
#include <numeric>

#include "opt/simplifier.h"

namespace gradus::opt {

namespace {

using S = Simplifier;
using N = const Node&;
using Ints = std::vector<int64_t>;


bool all_are(const Ints& values, int64_t value) {
  return std::ranges::all_of(values, [&](int64_t each) { return each == value; });
}

/// The perm without dimensions of size 1 ascends: elements stay where they are.
bool moves_nothing(const Shape& shape, const Ints& perm) {
  Ints moved;
  for (int64_t from : perm) {
    if (!shape[static_cast<size_t>(from)].is_one()) moved.push_back(from);
  }
  return std::ranges::is_sorted(moved);
}

/// transpose(transpose(x, p), q) = transpose(x, p[q])
NodeId transpose_of_transpose(S& s, N n) {
  if (!s.is(first(n), OpKind::Transpose)) return {};
  const Ints inner = s[first(n)].attrs.integers(AttrName::Perm);
  Ints perm;
  for (int64_t from : n.attrs.integers(AttrName::Perm)) {
    perm.push_back(inner[static_cast<size_t>(from)]);
  }
  return s.make(OpKind::Transpose, {s.operand(first(n))}, {{AttrName::Perm, perm}});
}

NodeId transpose_as_reshape(S& s, N n) {
  const Ints& perm = n.attrs.integers(AttrName::Perm);
  return moves_nothing(s.type(first(n)).shape, perm) ? s.reshape(first(n), n.type.shape) : NodeId();
}

/// Swaps the last two dimensions and keeps the others.
bool swaps_matrices(const Node& node) {
  if (node.op != OpKind::Transpose || node.type.rank() < 2) return false;
  Ints swapped(node.type.rank());
  std::iota(swapped.begin(), swapped.end(), 0);
  std::swap(swapped[swapped.size() - 1], swapped[swapped.size() - 2]);
  return node.attrs.integers(AttrName::Perm) == swapped;
}

Attrs transposed_flags(bool ta, bool tb) {
  Attrs attrs;
  if (ta) attrs.set(AttrName::Ta, true);
  if (tb) attrs.set(AttrName::Tb, true);
  return attrs;
}

/// transpose(a) @ b = matmul(a, b, ta), likewise b
NodeId absorb_transpose(S& s, N n) {
  bool left = swaps_matrices(s[n.operands[0]]);
  bool right = swaps_matrices(s[n.operands[1]]);
  if (!left && !right) return {};
  NodeId a = left ? s.operand(n.operands[0]) : n.operands[0];
  NodeId b = right ? s.operand(n.operands[1]) : n.operands[1];
  return s.make(
      OpKind::Matmul, {a, b},
      transposed_flags(n.attrs.flag(AttrName::Ta) != left, n.attrs.flag(AttrName::Tb) != right));
}

/// transpose(a @ b) = transpose(b) @ transpose(a), where nobody else reads the product
NodeId transpose_of_product(S& s, N n) {
  if (!s.is(first(n), OpKind::Matmul) || !swaps_matrices(n) || !s.single_use(first(n))) return {};
  const Node product = s[first(n)];
  if (s.type(product.operands[0]).rank() < 2 || s.type(product.operands[1]).rank() < 2) return {};
  return s.make(
      OpKind::Matmul, {product.operands[1], product.operands[0]},
      transposed_flags(!product.attrs.flag(AttrName::Tb), !product.attrs.flag(AttrName::Ta)));
}

/// x: [.., M, K] @ w: [K, N] = reshape([..*M, K] @ w): one product of many rows, not one for each
/// leading index
NodeId product_with_one_matrix(S& s, N n) {
  const Shape& left = s.type(n.operands[0]).shape;
  const Shape& right = s.type(n.operands[1]).shape;
  if (n.attrs.flag(AttrName::Ta) || left.size() < 3 || right.size() != 2) return {};
  // Elsewhere the batch lies outside of dimensions that stand before it.
  const auto batch = std::ranges::find(left, true, &Dim::batch);
  if (batch != left.end() && batch != left.begin()) return {};
  const std::optional<Dim> rows = checked_count({left.begin(), left.end() - 1});
  if (!rows) return {};
  NodeId flat = s.reshape(n.operands[0], {*rows, left.back()});
  NodeId product = s.make(OpKind::Matmul, {flat, n.operands[1]}, n.attrs);
  return s.reshape(product, n.type.shape);
}

/// broadcast(reshape(x, [1, ..., shape of x])) = broadcast(x)
NodeId broadcast_of_leading_ones(S& s, N n) {
  if (!s.is(first(n), OpKind::Reshape)) return {};
  NodeId x = s.operand(first(n));
  const Shape& shape = s.type(x).shape;
  const Shape& led = s.type(first(n)).shape;
  if (led.size() < shape.size()) return {};
  auto lead = static_cast<int64_t>(led.size() - shape.size());
  bool ones = std::all_of(led.begin(), led.begin() + lead, [](const Dim& d) { return d.is_one(); });
  if (!ones || !std::equal(led.begin() + lead, led.end(), shape.begin())) return {};
  return s.make(OpKind::Broadcast, {x}, {}, &n.type);
}

NodeId whole_slice(S& s, N n) {
  bool whole = n.type == s.type(first(n)) && all_are(n.attrs.integers(AttrName::Start), 0) &&
               all_are(n.attrs.get_or<Ints>(AttrName::Step, {}), 1);
  return whole ? first(n) : NodeId();
}

NodeId empty_pad(S& s, N n) { return n.type == s.type(first(n)) ? first(n) : NodeId(); }

/// slice(pad(x)) = x where it cuts off what was added
NodeId slice_of_pad(S& s, N n) {
  if (!s.is(first(n), OpKind::Pad) || s.type(s.operand(first(n))) != n.type) return {};
  bool exact = n.attrs.integers(AttrName::Start) == s[first(n)].attrs.integers(AttrName::Low) &&
               all_are(n.attrs.get_or<Ints>(AttrName::Step, {}), 1);
  return exact ? s.operand(first(n)) : NodeId();
}

/// The operands of a concatenation along `axis`; any other node is the only part of itself.
std::vector<NodeId> parts_along(S& s, NodeId x, int64_t axis) {
  const Node& node = s[x];
  bool joined = node.op == OpKind::Concat && node.attrs.integer(AttrName::Axis) == axis;
  return joined ? node.operands : std::vector<NodeId>{x};
}

/// The one dimension along which two pads of equal shape add different borders; -1: none or several.
int64_t dim_apart(N a, N b) {
  const Ints &a_low = a.attrs.integers(AttrName::Low), &a_high = a.attrs.integers(AttrName::High);
  const Ints &b_low = b.attrs.integers(AttrName::Low), &b_high = b.attrs.integers(AttrName::High);
  int64_t found = -1;
  for (size_t d = 0; d < a_low.size(); ++d) {
    if (a_low[d] == b_low[d] && a_high[d] == b_high[d]) continue;
    if (found >= 0) return -1;
    found = static_cast<int64_t>(d);
  }
  return found;
}

/// pad(a) + pad(b) = pad(concat(a, b)), where a ends as b begins: what `split` leaves of a derivative
NodeId sum_of_neighbours(S& s, N n) {
  if (!s.is(n.operands[0], OpKind::Pad) || !s.is(n.operands[1], OpKind::Pad)) return {};
  const Node left = s[n.operands[0]], right = s[n.operands[1]];
  const auto is_zero = [](N pad) { return pad.attrs.get_or<double>(AttrName::Value, 0.0) == 0; };
  if (left.type != right.type || !is_zero(left) || !is_zero(right)) return {};
  const int64_t axis = dim_apart(left, right);
  if (axis < 0) return {};
  const auto d = static_cast<size_t>(axis);
  const auto low = [&](N pad) { return pad.attrs.integers(AttrName::Low)[d]; };
  const Node &before = low(left) < low(right) ? left : right, &after = &before == &left ? right : left;
  if (low(before) + s.type(first(before)).shape[d].value != low(after)) return {};
  std::vector<NodeId> parts = parts_along(s, first(before), axis);
  for (NodeId part : parts_along(s, first(after), axis)) parts.push_back(part);
  NodeId joined = s.make(OpKind::Concat, std::move(parts), {{AttrName::Axis, axis}});
  Ints high = before.attrs.integers(AttrName::High);
  high[d] = after.attrs.integers(AttrName::High)[d];
  return s.make(OpKind::Pad, {joined},
                {{AttrName::Low, before.attrs.integers(AttrName::Low)}, {AttrName::High, high}});
}

// clang-format off
const SimplifyRule kLayoutRules[] = {
    {OpKind::Reshape, [](S& s, N n) { return s.type(first(n)) == n.type ? first(n) : NodeId(); }},                                                   // reshape(x, its shape) = x
    {OpKind::Reshape, [](S& s, N n) { return s.is(first(n), OpKind::Reshape) ? s.reshape(s.operand(first(n)), n.type.shape) : NodeId(); }},          // reshape(reshape(x, p), q) = reshape(x, q)
    {OpKind::Broadcast, [](S& s, N n) { return s.type(first(n)) == n.type ? first(n) : NodeId(); }},                                                 // broadcast(x, its shape) = x
    {OpKind::Broadcast, [](S& s, N n) { return s.is(first(n), OpKind::Broadcast) ? s.make(OpKind::Broadcast, {s.operand(first(n))}, {}, &n.type) : NodeId(); }},  // broadcast(broadcast(x, p), q) = broadcast(x, q)
    {OpKind::Broadcast, broadcast_of_leading_ones},
    {OpKind::Transpose, transpose_of_transpose},
    {OpKind::Transpose, transpose_as_reshape},                                                                                                       // transpose(x: [1, 4]) = reshape(x, [4, 1])
    {OpKind::Transpose, transpose_of_product},
    {OpKind::Matmul, absorb_transpose},
    {OpKind::Matmul, product_with_one_matrix},
    {OpKind::Slice, whole_slice},                                                                                                                    // x[:] = x
    {OpKind::Slice, slice_of_pad},
    {OpKind::Pad, empty_pad},                                                                                                                        // pad(x, 0, 0) = x
    {OpKind::Add, sum_of_neighbours},
    {OpKind::Concat, [](S&, N n) { return n.operands.size() == 1 ? first(n) : NodeId(); }},                                                          // concat(x) = x
};
// clang-format on

}  // namespace

std::span<const SimplifyRule> layout_rules() { return kLayoutRules; }

/// move(broadcast c) = broadcast c to the new shape, c of rank 0
NodeId simplify_layout_of_scalar(Simplifier& s, const Node& n) {
  bool moves = n.op == OpKind::Reshape || n.op == OpKind::Transpose || n.op == OpKind::Slice;
  if (!moves || !s.is(first(n), OpKind::Broadcast)) return {};
  NodeId scalar = s.operand(first(n));
  return s.type(scalar).is_scalar() ? s.as(n, scalar) : NodeId();
}

}  // namespace gradus::opt
