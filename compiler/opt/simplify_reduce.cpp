// Equations of reductions. Few are exact: an order of additions is part of the value.
#include <algorithm>

#include "opt/simplifier.h"

namespace gradus::opt {

namespace {

using S = Simplifier;
using N = const Node&;
using Ints = std::vector<int64_t>;

/// sum(x) = reshape(sum(reshape(x, without reduced dimensions of size 1))), likewise max and min.
/// The dimensions go from the operand too: what ends its shape decides the order of a sum.
NodeId drop_ones(S& s, N n) {
  NodeId x = n.operands[0];
  const Shape shape = s.type(x).shape;
  const Ints& dims = n.attrs.integers(AttrName::Dims);
  Shape kept;
  Ints rest;
  for (size_t i = 0; i < shape.size(); ++i) {
    bool reduced = std::ranges::count(dims, static_cast<int64_t>(i)) > 0;
    if (reduced && shape[i].is_one()) continue;
    if (reduced) rest.push_back(static_cast<int64_t>(kept.size()));
    kept.push_back(shape[i]);
  }
  if (kept.size() == shape.size()) return {};
  NodeId without = s.reshape(x, kept);
  if (rest.empty()) return s.reshape(without, n.type.shape);
  Attrs attrs = n.attrs;
  attrs.set(AttrName::Dims, rest);
  return s.reshape(s.make(n.op, {without}, attrs), n.type.shape);
}

/// max(broadcast c) = c, likewise min, c of rank 0
NodeId extremum_of_scalar(S& s, N n) {
  if (!s.is(n.operands[0], OpKind::Broadcast)) return {};
  NodeId scalar = s.operand(n.operands[0]);
  return s.type(scalar).is_scalar() ? s.as(n, scalar) : NodeId();
}

constexpr SimplifyRule kReduceRules[] = {
    {OpKind::Sum, drop_ones},          {OpKind::Max, drop_ones},          {OpKind::Min, drop_ones},
    {OpKind::Max, extremum_of_scalar}, {OpKind::Min, extremum_of_scalar},
};

}  // namespace

std::span<const SimplifyRule> reduce_rules() { return kReduceRules; }

}  // namespace gradus::opt
