// What a class asks of its members beyond a space (L3 of legality.h).
#pragma once

#include <set>

#include "cluster/cluster_space.h"
#include "fuse/sources.h"

namespace gradus::fuse {

/// Of `members`, sorted: those that another one reads where data say, and what these are made of. All
/// are computed again at that point, and read there what they read. A fold is not among them: it is
/// one value of the row.
std::set<NodeId> computed_at_indices(const Graph& graph, const std::vector<NodeId>& members);
/// `space` is the cluster's.
bool class_rules_hold(const Sources& sources, const Cluster& cluster, const ClusterSpace& space);

}  // namespace gradus::fuse
