// Strips: rows of the register tiles of an item, and rows of a block where there are no items.
//
// All parts of a strip cut their rows alike: a band of a causal mask is as high as a register tile,
// and it must be the same band in each part. The tiles are the usual ones of tile.cpp (8 rows with
// 32 registers, else 6 by 2 vectors).
#include <numeric>

#include "kernel/schedule/row_parts.h"
#include "kernel/schedule/schedules.h"
#include "support/check.h"
#include "support/round.h"

namespace gradus::kernel {

RowParts::RowParts(const Graph& graph, const Cluster& strip) {
  for (const Cluster& part : strip.parts) {
    const Node& anchor = graph[part.anchor];
    if (anchor.op != OpKind::PartialSum) {
      rows = &part;
      continue;
    }
    sums.push_back(&part);
    chunk = anchor.attrs.integer(AttrName::Chunk);
    height = graph.type(anchor.operands[0]).shape.front();
  }
  GRADUS_CHECK(rows && !sums.empty(), "a strip by rows has rows and sums");
}

Schedule schedule_strip(const Graph& /*graph*/, const Cluster& /*cluster*/, const Target& target,
                        int64_t /*capacity*/) {
  Schedule schedule;
  schedule.rows = target.registers >= 32 ? 8 : 6;
  return schedule;
}

Schedule schedule_row_strip(const Graph& graph, const Cluster& cluster, const Target& target,
                            int64_t capacity) {
  // A block of rows holds whole tiles and whole chunks of the sums behind it: no chunk is summed in
  // two blocks, which would be another order of additions.
  const RowParts parts(graph, cluster);
  Schedule s = choose_schedule(graph, *parts.rows, target, capacity);
  s.mc = round_up(s.mc, std::lcm(s.mr, parts.chunk));
  s.rows = round_up(s.rows, parts.chunk);
  return s;
}

}  // namespace gradus::kernel
