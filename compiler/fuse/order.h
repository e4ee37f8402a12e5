// The order of clusters that a finished clustering has, shared with the check of it.
#pragma once

#include <vector>

#include "graph/cluster.h"

namespace gradus::fuse {

/// The parameter or state of this name; invalid where there is none.
NodeId find_leaf(const Graph& graph, const std::string& name);
bool contains(const std::vector<NodeId>& nodes, NodeId id);
/// What a node reads: each operand's view is of one of these.
std::vector<NodeId> sources_of(const Graph& graph, NodeId node);
/// The nodes that a cluster reads and does not compute; of a copy: what it copies.
std::vector<NodeId> reads_of(const Graph& graph, const Cluster& cluster);
/// For each cluster, those that must run before it.
IdVector<ClusterId, std::vector<ClusterId>> find_predecessors(const Graph& graph,
                                                              const Clustering& clustering);
/// Sorts clusters so that all run after their predecessors, early nodes first.
void put_in_order(const Graph& graph, Clustering& clustering);

}  // namespace gradus::fuse
