// Dispatches clusters to the rules of their classes. The rules look at sizes at capacity and at the
// target's caches and registers; the number of threads and the batch at run time play no part, so
// that one plan and one set of kernels serve all of them.
#include "kernel/schedule/choose.h"

#include "cluster/cluster_space.h"
#include "kernel/schedule/schedules.h"
#include "support/check.h"

namespace gradus::kernel {

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
  if (schedule.unroll < 1 || schedule.unroll > 8) return "1 to 8 vectors an iteration";
  if (cluster.cls == ClusterClass::Rows && !is_chain(graph, cluster)) {
    return check_rows_schedule(graph, cluster, schedule, target);
  }
  return std::nullopt;
}

}  // namespace gradus::kernel
