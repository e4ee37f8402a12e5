// Small programs by hand: arena buffers with sizes, launches with what they read, write and may
// share.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plan/plan.h"

namespace gradus::plan {

struct Step {
  std::vector<int> reads;
  std::vector<int> writes;
  bool in_place = false;  // the first output may take the first input's buffer
};

/// `bytes[i]` are the sizes of arena buffers; negative: a parameter, held by the caller.
inline Program make_program(const std::vector<int64_t>& bytes, const std::vector<Step>& steps) {
  Program program;
  for (size_t i = 0; i < bytes.size(); ++i) {
    Buffer buffer;
    buffer.kind = bytes[i] < 0 ? BufferKind::Param : BufferKind::Arena;
    buffer.name = "%" + std::to_string(i);
    buffer.bytes = bytes[i] < 0 ? -bytes[i] : bytes[i];
    buffer.type = {DType::F32, {Dim::fixed(buffer.bytes / 4)}};
    program.buffers.push_back(buffer);
  }
  for (const Step& step : steps) {
    kernel::Kernel kernel;
    kernel.name = "k" + std::to_string(program.kernels.size());
    Launch launch;
    launch.name = kernel.name;
    auto add = [&](int id, kernel::SlotDir dir) {
      kernel::Slot slot;
      slot.name = "s" + std::to_string(kernel.slots.size());
      slot.dir = dir;
      if (dir == kernel::SlotDir::Out && step.in_place &&
          launch.buffers.size() == step.reads.size()) {
        slot.may_share = {kernel::SlotId(0)};
      }
      kernel.slots.push_back(slot);
      launch.buffers.push_back(BufferId(static_cast<size_t>(id)));
    };
    for (int id : step.reads) add(id, kernel::SlotDir::In);
    for (int id : step.writes) add(id, kernel::SlotDir::Out);
    launch.kernel = program.kernels.push_back(kernel);
    program.launches.push_back(launch);
  }
  number_blocks(program);
  return program;
}

}  // namespace gradus::plan
