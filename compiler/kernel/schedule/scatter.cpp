// Scatter-adds and cumulative sums: how many rows of the table or of the tensor are an item. Each
// item of a scatter-add reads all indices and takes those of its own rows: 16 items divide the
// additions without atomics, at the price of reading the indices 16 times.
#include <algorithm>

#include "kernel/schedule/schedules.h"
#include "support/round.h"

namespace gradus::kernel {

Schedule schedule_scatter(const Graph& graph, const Cluster& cluster, const Target& target,
                          int64_t capacity) {
  Schedule schedule;
  const Shape& shape = graph.type(cluster.anchor).shape;
  const int64_t rows = shape.empty() ? 1 : shape[0].at(capacity);
  schedule.rows = std::max<int64_t>(1, ceil_div(rows, 16));
  schedule.block = int64_t{64} * target.lanes;
  return schedule;
}

}  // namespace gradus::kernel
