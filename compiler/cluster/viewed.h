// Which node each node of a graph is a view of.
#pragma once

#include "graph/graph.h"

namespace gradus {

/// For each node, the source of its resolve_view: all at once, each layout node from its operand.
IdVector<NodeId, NodeId> find_viewed(const Graph& graph);

}  // namespace gradus
