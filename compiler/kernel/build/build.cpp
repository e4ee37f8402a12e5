// Dispatches clusters to the builders of their classes.
#include "kernel/build/build.h"

#include "kernel/build/classes.h"
#include "support/check.h"

namespace gradus::kernel {

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
  }
  GRADUS_CHECK(false, "a cluster of a class that has a builder");
}

Kernel build_kernel(const Graph& graph, const Clustering& clustering, ClusterId id,
                    const Schedule& schedule, const Target& target, int64_t capacity) {
  return build_cluster({graph, clustering, clustering.clusters[id], schedule, target, capacity});
}

}  // namespace gradus::kernel
