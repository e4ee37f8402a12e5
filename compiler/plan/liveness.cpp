// Live ranges of buffers in the order of launches. What the caller holds lives throughout, what is
// checked after the last launch until then.
#include <algorithm>

#include "plan/plan.h"

namespace gradus::plan {

IdVector<BufferId, LiveRange> compute_liveness(const Program& program) {
  const int64_t count = static_cast<int64_t>(program.launches.size());
  IdVector<BufferId, LiveRange> ranges(program.buffers.size(), {count, 0});
  for (int64_t at = 0; at < count; ++at) {
    for (BufferId buffer : program.launches[static_cast<size_t>(at)].buffers) {
      if (!buffer.valid()) continue;
      ranges[buffer].begin = std::min(ranges[buffer].begin, at);
      ranges[buffer].end = at + 1;
    }
  }
  for (const ComputedCheck& check : program.computed_checks) ranges[check.first].end = count;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    if (program.buffers[BufferId(i)].kind != BufferKind::Arena) ranges[BufferId(i)] = {0, count};
  }
  return ranges;
}

}  // namespace gradus::plan
