// One walk from the last launch to the first: a launch belongs to the forward pass if it writes
// what is needed, and then it needs what it reads. What a launch reads was written before it, so by
// the time a writer is met all of its readers have been.
#include "plan/kept_buffers.h"

namespace gradus::plan {

namespace {

using kernel::SlotDir;

/// Calls `visit(buffer, dir)` for the buffers of a launch that the arena or a result holds.
template <typename Visit>
void for_each_value(const Program& program, const Launch& launch, Visit visit) {
  const kernel::Kernel& kernel = program.kernels[launch.kernel];
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    const BufferId buffer = launch.buffers[i];
    if (!buffer.valid()) continue;
    const BufferKind kind = program.buffers[buffer].kind;
    if (kind == BufferKind::Arena || kind == BufferKind::Output) {
      visit(buffer, kernel.slots[kernel::SlotId(i)].dir);
    }
  }
}

std::vector<bool> forward_launches(const Program& program) {
  IdVector<BufferId, bool> needed(program.buffers.size(), false);
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[BufferId(i)];
    needed[BufferId(i)] = buffer.kind == BufferKind::Output && buffer.name == "loss";
  }
  std::vector<bool> forward(program.launches.size(), false);
  for (size_t at = forward.size(); at-- > 0;) {
    const Launch& launch = program.launches[at];
    bool writes = false;
    for_each_value(program, launch, [&](BufferId buffer, SlotDir dir) {
      writes |= dir != SlotDir::In && needed[buffer];
    });
    if (!writes) continue;
    forward[at] = true;
    for_each_value(program, launch, [&](BufferId buffer, SlotDir dir) {
      if (dir != SlotDir::Out) needed[buffer] = true;
    });
  }
  return forward;
}

}  // namespace

std::vector<BufferId> buffers_kept_for_backward(const Program& program) {
  const std::vector<bool> forward = forward_launches(program);
  IdVector<BufferId, bool> written(program.buffers.size(), false);
  IdVector<BufferId, bool> read(program.buffers.size(), false);
  for (size_t at = 0; at < forward.size(); ++at) {
    for_each_value(program, program.launches[at], [&](BufferId buffer, SlotDir dir) {
      if (forward[at] && dir != SlotDir::In) written[buffer] = true;
      if (!forward[at] && dir != SlotDir::Out) read[buffer] = true;
    });
  }
  std::vector<BufferId> kept;
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const BufferId buffer(i);
    const bool in_arena = program.buffers[buffer].kind == BufferKind::Arena;
    if (in_arena && written[buffer] && read[buffer]) kept.push_back(buffer);
  }
  return kept;
}

}  // namespace gradus::plan
