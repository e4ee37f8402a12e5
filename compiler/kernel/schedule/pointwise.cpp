// Pointwise clusters: how many elements are an item, and how many vectors an iteration takes.
//
// Nothing is used twice, so memory decides: an item is long enough that its start is not felt and
// short enough to leave some for each thread. Vectors that run side by side hide latency; in a long
// body there is enough to run side by side already, and more would spill.
#include <algorithm>

#include "cluster/cluster_space.h"
#include "kernel/schedule/schedules.h"
#include "support/round.h"

namespace gradus::kernel {

namespace {

/// Initialisers: of one block size they are one function (codegen/launch_arguments.h).
bool reads_nothing(const Graph& graph, const Cluster& cluster) {
  if (cluster.copy_result >= 0) {
    return !is_buffer(graph[resolve_view(graph, cluster.anchor).source]);
  }
  return std::all_of(cluster.members.begin(), cluster.members.end(), [&](NodeId member) {
    const std::vector<NodeId>& operands = graph[member].operands;
    return std::all_of(operands.begin(), operands.end(), [&](NodeId operand) {
      const NodeId source = resolve_view(graph, operand).source;
      return !is_buffer(graph[source]) ||
             std::binary_search(cluster.members.begin(), cluster.members.end(), source);
    });
  });
}

}  // namespace

Schedule schedule_pointwise(const Graph& graph, const Cluster& cluster, const Target& target,
                            int64_t capacity) {
  Schedule schedule;
  const int64_t elements = element_count(graph.type(cluster.anchor).shape, capacity);
  // Enough items for some threads to share, none so short that its start is felt.
  const int64_t step = int64_t{4} * target.lanes;
  const int64_t wanted = round_up(elements / 16, step);
  schedule.block = std::clamp<int64_t>(wanted, 1024, reads_nothing(graph, cluster) ? 1024 : 16384);
  const size_t operations = cluster.members.size();
  schedule.unroll = operations <= 12 ? 4 : operations <= 40 ? 2 : 1;
  return schedule;
}

}  // namespace gradus::kernel
