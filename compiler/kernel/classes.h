// Schedules and builders of the classes, one pair each; build.cpp deals clusters to them.
// Contractions have a header of their own, contract.h.
#pragma once

#include "graph/cluster_space.h"
#include "graph/target.h"
#include "kernel/kernel.h"

namespace gradus::kernel {

/// What a builder is given: a cluster of the clustering, or a part of one.
struct BuildInput {
  const Graph& graph;
  const Clustering& clustering;
  const Cluster& cluster;
  const Schedule& schedule;
  const Target& target;
  int64_t capacity = 1;
};

/// Rows clusters whose anchor is a chain: a sum over leading dimensions, whole or in chunks.
bool is_chain(const Graph& graph, const Cluster& cluster);

Schedule schedule_pointwise(const Graph& graph, const Cluster& cluster, const Target& target,
                            int64_t capacity);
Kernel build_pointwise(const BuildInput& input);
/// A copy cluster: its anchor into the buffer of one result.
Kernel build_copy(const BuildInput& input);

Schedule schedule_rows(const Graph& graph, const Cluster& cluster, const Target& target,
                       int64_t capacity);
std::optional<std::string> check_rows_schedule(const Graph& graph, const Cluster& cluster,
                                               const Schedule& schedule, const Target& target);
Kernel build_rows(const BuildInput& input);

Schedule schedule_chain(const Graph& graph, const Cluster& cluster, const Target& target,
                        int64_t capacity);
Kernel build_chain(const BuildInput& input);

Schedule schedule_scatter(const Graph& graph, const Cluster& cluster, const Target& target,
                          int64_t capacity);
Kernel build_scatter(const BuildInput& input);
Kernel build_cumulative(const BuildInput& input);

Kernel build_scalar(const BuildInput& input);

Schedule schedule_strip(const Graph& graph, const Cluster& cluster, const Target& target,
                        int64_t capacity);
Kernel build_strip(const BuildInput& input);
/// Strips by rows, which have no items.
Schedule schedule_row_strip(const Graph& graph, const Cluster& cluster, const Target& target,
                            int64_t capacity);
Kernel build_row_strip(const BuildInput& input);

/// The builder of the cluster's class.
Kernel build_cluster(const BuildInput& input);

}  // namespace gradus::kernel
