// Deals clusters to the builders of their classes.
#include "kernel/build.h"

#include "kernel/classes.h"
#include "kernel/contract.h"
#include "support/check.h"

namespace gradus::kernel {

bool is_chain(const Graph& graph, const Cluster& cluster) {
  return !folds_along_lanes(graph, graph[cluster.anchor]);
}

Schedule choose_schedule(const Graph& graph, const Cluster& cluster, const Target& target,
                         int64_t capacity) {
  switch (cluster.cls) {
    case ClusterClass::Pointwise:
      return schedule_pointwise(graph, cluster, target, capacity);
    case ClusterClass::Rows:
      return is_chain(graph, cluster) ? schedule_chain(graph, cluster, target, capacity)
                                      : schedule_rows(graph, cluster, target, capacity);
    case ClusterClass::Contract:
      return schedule_contract(graph, cluster, target, capacity);
    case ClusterClass::Scatter:
      return schedule_scatter(graph, cluster, target, capacity);
    case ClusterClass::Scalar:
      return {};
    case ClusterClass::Strip:
      return cluster.items.empty() ? schedule_row_strip(graph, cluster, target, capacity)
                                   : schedule_strip(graph, cluster, target, capacity);
    case ClusterClass::Window:
      break;
  }
  GRADUS_CHECK(false, "a cluster of a class that has a schedule");
}

std::optional<std::string> check_schedule(const Graph& graph, const Cluster& cluster,
                                          const Schedule& schedule, const Target& target) {
  if (cluster.cls == ClusterClass::Contract) {
    return check_contract_schedule(graph, cluster, schedule, target);
  }
  if (schedule.block < 1) return "an item has at least one element";
  if (schedule.rows < 1) return "an item has at least one row";
  if (schedule.unroll < 1 || schedule.unroll > 8) return "1 to 8 vectors a turn";
  if (cluster.cls == ClusterClass::Rows && !is_chain(graph, cluster)) {
    return check_rows_schedule(graph, cluster, schedule, target);
  }
  return std::nullopt;
}

Kernel build_cluster(const BuildInput& input) {
  const Graph& graph = input.graph;
  const Cluster& cluster = input.cluster;
  if (cluster.copy_result >= 0) return build_copy(input);
  switch (cluster.cls) {
    case ClusterClass::Pointwise:
      return build_pointwise(input);
    case ClusterClass::Rows:
      return is_chain(graph, cluster) ? build_chain(input) : build_rows(input);
    case ClusterClass::Contract:
      return build_contract(input);
    case ClusterClass::Scatter:
      return graph[cluster.anchor].op == OpKind::CumulativeSum ? build_cumulative(input)
                                                               : build_scatter(input);
    case ClusterClass::Scalar:
      return build_scalar(input);
    case ClusterClass::Strip:
      return cluster.items.empty() ? build_row_strip(input) : build_strip(input);
    case ClusterClass::Window:
      break;
  }
  GRADUS_CHECK(false, "a cluster of a class that has a builder");
}

Kernel build_kernel(const Graph& graph, const Clustering& clustering, ClusterId id,
                    const Schedule& schedule, const Target& target, int64_t capacity) {
  return build_cluster({graph, clustering, clustering.clusters[id], schedule, target, capacity});
}

}  // namespace gradus::kernel
