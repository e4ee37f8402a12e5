// What a class asks of its members beyond a space (L3 of legality.h).
#pragma once

#include "fuse/sources.h"
#include "graph/cluster_space.h"

namespace gradus::fuse {

/// Whether the cluster's fold, if it has one, is a chain: summed over items, not along lanes.
bool is_chain(const Graph& graph, const Cluster& cluster);
/// `space` is the cluster's.
bool class_rules_hold(const Sources& sources, const Cluster& cluster, const ClusterSpace& space);

}  // namespace gradus::fuse
