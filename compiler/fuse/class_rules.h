// What a class asks of its members beyond a space (L3 of legality.h).
#pragma once

#include "cluster/cluster_space.h"
#include "fuse/sources.h"

namespace gradus::fuse {

/// `space` is the cluster's.
bool class_rules_hold(const Sources& sources, const Cluster& cluster, const ClusterSpace& space);

}  // namespace gradus::fuse
