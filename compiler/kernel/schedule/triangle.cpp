// What stands above the diagonal, by induction over the operators: a select under a causal mask
// puts a number there, and each operator says what it makes of 0 or -inf.
//
//   scores = where(mask, q @ k', -inf)     above: -inf
//   shifted = scores - max                 above: -inf   (the maximum of a row is finite)
//   weights = exp(shifted) / sum           above: 0
//
// Only 0 and -inf are followed: a sum may leave out zeros, a maximum -inf. Each rule holds where
// the other operands are finite; the header says what is outside of the law of bits.
#include "kernel/schedule/triangle.h"

#include <cmath>

#include "cluster/cluster_space.h"

namespace gradus::kernel {

namespace {

/// `view`, of rank 2 or more, steps along an index by one in dimension `dim` and nowhere else.
bool counts_along(const Graph& graph, const View& view, size_t dim) {
  const Node& source = graph[view.source];
  if (source.op != OpKind::Iota) return false;
  const AccessMap map = along_iota(source, {view.strides, view.offset});
  for (size_t d = 0; d < map.strides.size(); ++d) {
    if (view.extents[d].is_one()) continue;
    if (map.strides[d] != (d == dim ? 1 : 0)) return false;
  }
  return map.offset == 0;
}

/// column <= row, of a whole matrix.
bool is_causal(const Graph& graph, NodeId mask) {
  const Node& node = graph[mask];
  if (node.op != OpKind::LessEqual || node.type.rank() != 2) return false;
  return counts_along(graph, operand_view(graph, mask, 0), 1) &&
         counts_along(graph, operand_view(graph, mask, 1), 0);
}

/// The condition of a select is one causal mask for all matrices.
bool selects_causal(const Graph& graph, NodeId select) {
  const View view = operand_view(graph, select, 0);
  const size_t rank = view.extents.size();
  if (rank < 2 || view.offset != 0 || !is_causal(graph, view.source)) return false;
  const Shape& mask = graph.type(view.source).shape;
  const bool whole = view.extents[rank - 2] == mask[0] && view.extents[rank - 1] == mask[1];
  for (size_t d = 0; d + 2 < rank; ++d) {
    if (view.strides[d] != 0) return false;
  }
  return whole && view.strides[rank - 2] == mask[1].value && view.strides[rank - 1] == 1;
}

Above of_constant(double value) {
  if (value == 0) return Above::Zero;
  return std::isinf(value) && value < 0 ? Above::MinusInfinity : Above::Unknown;
}

Above of_operand(const Graph& graph, const Node& node, size_t k) {
  const NodeId id = node.operands[k];
  const Node& operand = graph[id];
  if (operand.op == OpKind::Constant && !is_buffer(operand)) {
    return of_constant(operand.attrs.get_or<double>(AttrName::Value, 0.0));
  }
  const Shape &own = operand.type.shape, &whole = node.type.shape;
  if (own.size() < 2 || whole.size() < 2) return Above::Unknown;
  const bool same = own.back() == whole.back() && own[own.size() - 2] == whole[whole.size() - 2];
  return same ? above_diagonal(graph, id) : Above::Unknown;
}

}  // namespace

Above above_diagonal(const Graph& graph, NodeId value) {
  const Node& node = graph[value];
  const auto operand = [&](size_t k) { return of_operand(graph, node, k); };
  const auto zero = [&](size_t k) { return operand(k) == Above::Zero; };
  const auto zero_if = [](bool holds) { return holds ? Above::Zero : Above::Unknown; };
  // A list of operators, as each says something of its own about 0 and -inf.
  switch (node.op) {
    case OpKind::Select:
      if (selects_causal(graph, value)) return operand(2);
      return zero_if(zero(1) && zero(2));
    case OpKind::Exp:
      return zero_if(operand(0) == Above::MinusInfinity);
    case OpKind::Mul:
      return zero_if(zero(0) || zero(1));
    case OpKind::Div:
    case OpKind::Neg:
    case OpKind::StopGradient:
    case OpKind::Reshape:
      return zero_if(zero(0));
    case OpKind::Fma:
      return zero_if((zero(0) || zero(1)) && zero(2));
    case OpKind::Add:
    case OpKind::Sub:
      if (operand(0) == Above::MinusInfinity) return Above::MinusInfinity;
      return zero_if(zero(0) && zero(1));
    default:
      return Above::Unknown;
  }
}

}  // namespace gradus::kernel
