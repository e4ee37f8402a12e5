// The order of clusters that a finished clustering has, shared with the check of it.
#pragma once

#include <vector>

#include "cluster/cluster.h"
#include "fuse/sources.h"

namespace gradus::fuse {

/// What each cluster of a clustering reads: Sources::reads_of_all.
using Reads = IdVector<ClusterId, std::vector<NodeId>>;
/// For each cluster, those that must run before it.
IdVector<ClusterId, std::vector<ClusterId>> find_predecessors(const Sources& sources,
                                                              const Clustering& clustering,
                                                              const Reads& reads);
/// Sorts clusters so that all run after their predecessors, early nodes first.
void put_in_order(const Sources& sources, Clustering& clustering, const Reads& reads);

}  // namespace gradus::fuse
