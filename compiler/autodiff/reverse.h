// The reverse walk: from y down to the wanted nodes, through the derivative rules of the rows.
//
// The walk knows no operator but custom_vjp. Order of additions: the cotangents that arrive at
// a node are added in the order met, users from the last to the first, operands of one user from
// the left.
#pragma once

#include <vector>

#include "graph/builder.h"

namespace gradus::autodiff {

/// How a value hangs on the wanted nodes.
enum class Dependence : uint8_t {
  None,
  Stopped,  // through comparisons and the like alone: a mask
  Flows,    // by a path that has a derivative
};

/// What one walk needs to know of each node up to y.
struct Flow {
  IdVector<NodeId, Dependence> dependence;  // on the wanted nodes
  IdVector<NodeId, bool> reaches;           // y, by a path that has a derivative
  std::vector<NodeId> obstacles;            // on a path, but without a derivative

  bool walked(NodeId id) const { return reaches[id] && dependence[id] == Dependence::Flows; }
};
Flow find_flow(const Graph& graph, NodeId y, const std::vector<NodeId>& wanted);

/// Adds the backward nodes; the cotangents of `wanted`, all of which reach y. Nothing where the
/// graph would become too large.
std::vector<NodeId> reverse_walk(GraphBuilder& builder, NodeId y, NodeId seed,
                                 const std::vector<NodeId>& wanted, const Flow& flow);

/// Parts of a custom_vjp node.
struct CustomVjpParts {
  NodeId result, placeholder;
  std::span<const NodeId> arguments, cotangents;
};
CustomVjpParts custom_vjp_parts(const Node& node);

/// The operands that a derivative may flow to.
std::span<const NodeId> flow_operands(const Node& node);

/// The cotangents of the arguments that are wanted, for `own` with the cotangent `arriving`.
Cotangents custom_vjp_cotangents(GraphBuilder& builder, NodeId own, NodeId arriving,
                                 std::span<const bool> wanted);

}  // namespace gradus::autodiff
