// Equations of reductions. Few are exact: an order of additions is part of the value.
#include <algorithm>

#include "opt/simplifier.h"

namespace gradus::opt {

namespace {

using S = Simplifier;
using N = const Node&;
using Ints = std::vector<int64_t>;

/// sum(x, dims) = reshape(sum(x, those of size > 1)), likewise max and min
NodeId drop_ones(S& s, N n) {
  NodeId x = n.operands[0];
  const Shape shape = s.type(x).shape;
  Ints rest;
  for (int64_t dim : n.attrs.integers(AttrName::Dims)) {
    if (!shape[static_cast<size_t>(dim)].is_one()) rest.push_back(dim);
  }
  if (rest.size() == n.attrs.integers(AttrName::Dims).size()) return {};
  if (rest.empty()) return s.reshape(x, n.type.shape);
  Attrs attrs = n.attrs;
  attrs.set(AttrName::Dims, rest);
  return s.reshape(s.make(n.op, {x}, attrs), n.type.shape);
}

/// max(broadcast c) = c, likewise min, c of rank 0
NodeId extremum_of_scalar(S& s, N n) {
  if (!s.is(n.operands[0], OpKind::Broadcast)) return {};
  NodeId scalar = s.operand(n.operands[0]);
  return s.type(scalar).is_scalar() ? s.as(n, scalar) : NodeId();
}

constexpr SimplifyRule kRules[] = {
    {OpKind::Sum, drop_ones},          {OpKind::Max, drop_ones},          {OpKind::Min, drop_ones},
    {OpKind::Max, extremum_of_scalar}, {OpKind::Min, extremum_of_scalar},
};

}  // namespace

std::span<const SimplifyRule> reduce_rules() { return kRules; }

}  // namespace gradus::opt
