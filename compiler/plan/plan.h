// Where each arena buffer lies: offsets chosen from live ranges, checked by an independent
// validator.
#pragma once

#include <optional>
#include <string>

#include "plan/program.h"
#include "support/diag.h"

namespace gradus::plan {

struct LiveRange {
  int64_t begin = 0;  // launch that writes first
  int64_t end = 0;    // one past the launch that reads last
};

struct Placement {
  BufferId buffer;
  LiveRange live;
  int64_t offset = 0;
  int64_t bytes = 0;  // with the slack that vector loads may read
};

struct Plan {
  std::vector<Placement> placements;  // one per arena buffer, in order of buffers
  int64_t arena_bytes = 0;            // the peak: all placements lie below
  int64_t lower_bound = 0;            // most bytes live at one launch
  int64_t unshared_bytes = 0;         // the sum without sharing
  int64_t worker_bytes = 0;           // scratch of one worker
  bool optimal() const { return arena_bytes == lower_bound; }
  int64_t offset_of(BufferId buffer) const;
};

IdVector<BufferId, LiveRange> compute_liveness(const Program& program);
/// No plan of the program as it is ordered has a smaller arena.
int64_t arena_lower_bound(const Program& program);
/// The best of several placements; deterministic. Of two blocks, one looks at the other for each
/// placement: programs in which that would be too often get fewer.
Plan plan_memory(const Program& program, int64_t most_looks = int64_t{1} << 28);
/// The first breach: two live buffers overlap without an offer to share, misaligned, out of bounds.
/// Shares no code with the planner.
struct PlanBreach {
  std::string message;
  BufferId buffer;  // where it is; of two that overlap the later one, invalid: the plan as a whole
  BufferId other;   // the earlier one
};
std::optional<PlanBreach> find_breach(const Program& program, const Plan& plan);
/// Its message alone.
std::optional<std::string> validate_plan(const Program& program, const Plan& plan);

}  // namespace gradus::plan
