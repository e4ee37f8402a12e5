// Fusion: which nodes of an Ordered graph become one kernel. Each class has its own pass; decisions
// are told in remarks ("fuse %8 into @4: saves 262144 B", "keep %12 apart: L1 through %15").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/cluster.h"
#include "support/target.h"

namespace gradus::fuse {

using Remarks = std::vector<std::string>;

/// Without `remarks` nothing is told.
Clustering fuse(const Graph& graph, const Target& target, int64_t capacity,
                Remarks* remarks = nullptr);

/// Cluster text, as cluster.h shows it.
std::string print_clustering(const Graph& graph, const Clustering& clustering);
/// The first breach: a node computed twice or not at all, an order that cannot run, a path that
/// leaves a cluster and comes back, a parameter written before its last other reader.
std::optional<std::string> verify_clustering(const Graph& graph, const Clustering& clustering);

}  // namespace gradus::fuse
