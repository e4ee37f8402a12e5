// Rows and chains: how many rows are an item, and whether a row stays in registers.
//
// A rows cluster (XLA's row reduction) goes over a row several times, once for each stage. A short
// row of fixed length is read once and kept in registers between its loops; a longer one is read
// again, from the L1 cache.
//
// A chain (XLA's column reduction) goes down the columns. Its items are blocks of columns: wide
// enough that each row gives whole cache lines, at least 64 columns, and narrow enough that the
// accumulators (one for each column) stay in the L1 cache.
#include <algorithm>

#include "cluster/cluster_space.h"
#include "graph/op.h"
#include "kernel/schedule/schedules.h"
#include "kernel/schedule/stages.h"
#include "support/round.h"

namespace gradus::kernel {

namespace {

constexpr int64_t kElementsPerItem = 4096;  // about 2 us of simple arithmetic
constexpr int64_t kItems = 16;              // enough for some threads to share

int64_t folded_length(const ClusterSpace& space) {
  int64_t length = 1;
  for (size_t j = 0; j < space.extents.size(); ++j) {
    if (space.folded[j]) length *= space.extents[j].value;
  }
  return length;
}

int64_t kept_length(const ClusterSpace& space, int64_t capacity) {
  int64_t length = 1;
  for (size_t j = 0; j < space.extents.size(); ++j) {
    if (!space.folded[j]) length *= space.extents[j].at(capacity);
  }
  return length;
}

bool has_fixed_length(const ClusterSpace& space) {
  for (size_t j = 0; j < space.extents.size(); ++j) {
    if (space.folded[j] && space.extents[j].batch) return false;
  }
  return true;
}

/// Values that cross loops in registers: what is computed, and what is loaded again.
bool fits_registers(const Graph& graph, const Cluster& cluster, const ClusterSpace& space,
                    const Target& target) {
  if (!has_fixed_length(space)) return false;
  const int64_t length = folded_length(space);
  const Stages stages = find_stages(graph, cluster, space);
  if (stages.count < 2) return false;
  const int64_t vectors = ceil_div(length, target.lanes);
  const int64_t values = static_cast<int64_t>(stages.crossing.size()) + 1;
  return vectors <= 8 && values * vectors <= target.registers / 2;
}

}  // namespace

Schedule schedule_rows(const Graph& graph, const Cluster& cluster, const Target& target,
                       int64_t capacity) {
  Schedule schedule;
  const ClusterSpace space = space_of(graph, cluster);
  const int64_t length = folded_length(space);
  schedule.held = fits_registers(graph, cluster, space, target);
  // As many rows as make an item worth its launch, but never fewer than kItems items.
  schedule.rows = std::max<int64_t>(1, kElementsPerItem / std::max<int64_t>(1, length));
  const int64_t rows = kept_length(space, capacity);
  schedule.rows = std::max<int64_t>(1, std::min(schedule.rows, rows / kItems));
  schedule.unroll = 4;
  return schedule;
}

std::optional<std::string> check_rows_schedule(const Graph& graph, const Cluster& cluster,
                                               const Schedule& schedule, const Target& target) {
  const ClusterSpace space = space_of(graph, cluster);
  if (schedule.held && !has_fixed_length(space)) {
    return "rows of a length that the batch decides are not held in registers";
  }
  if (schedule.held && folded_length(space) > 8 * target.lanes) {
    return "rows of more than 8 vectors are not held in registers";
  }
  return std::nullopt;
}

Schedule schedule_chain(const Graph& graph, const Cluster& cluster, const Target& target,
                        int64_t capacity) {
  Schedule schedule;
  const ClusterSpace space = space_of(graph, cluster);
  const int64_t columns = kept_length(space, capacity);
  const int64_t step = int64_t{4} * target.lanes;
  // Chunks of a partial sum are items already: rows as long as they go are read as they lie.
  const Node& anchor = graph[cluster.anchor];
  const int64_t chunks =
      anchor.op == OpKind::PartialSum ? anchor.type.shape[0].at(capacity) : int64_t{1};
  const int64_t blocks = std::max<int64_t>(1, kItems / chunks);
  const int64_t wanted = round_up(columns / blocks, step);
  schedule.block = std::clamp<int64_t>(wanted, 64, 1024);
  return schedule;
}

}  // namespace gradus::kernel
