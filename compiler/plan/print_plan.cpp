// Text of programs and plans.
#include <fmt/format.h>

#include "kernel/text.h"
#include "plan/plan.h"

namespace gradus::plan {

namespace {

const char* kind_text(BufferKind kind) {
  switch (kind) {
    case BufferKind::Input:
      return "input";
    case BufferKind::Param:
      return "param";
    case BufferKind::State:
      return "state";
    case BufferKind::Output:
      return "output";
    case BufferKind::Constant:
      return "constant";
    case BufferKind::Arena:
      return "arena";
  }
  return "";
}

std::string launch_text(const Program& program, const Launch& launch) {
  const kernel::Kernel& kernel = program.kernels[launch.kernel];
  std::vector<std::string> buffers;
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    if (!launch.buffers[i].valid()) continue;
    buffers.push_back(
        fmt::format("{}=#{}", kernel.slots[kernel::SlotId(i)].name, launch.buffers[i].index()));
  }
  return fmt::format("@{} {}: kernel {} ({})", launch.name, cluster_class_name(kernel.cls),
                     launch.kernel.index(), fmt::join(buffers, ", "));
}

}  // namespace

std::string print_program(const Program& program) {
  std::string out = fmt::format("program @{} {{capacity={}}}:\n", program.name, program.capacity);
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[BufferId(i)];
    out += fmt::format("  #{} {} {} : {} {} bytes block {}\n", i, kind_text(buffer.kind),
                       buffer.name, to_string(buffer.type), buffer.bytes, buffer.block);
  }
  for (const IndexCheck& check : program.checks) {
    out += fmt::format("  check #{} in [0, {})\n", check.input.index(), check.limit);
  }
  for (size_t i = 0; i < program.launches.size(); ++i) {
    out += fmt::format("  {}: {}\n", i, launch_text(program, program.launches[i]));
  }
  return out + fmt::format("  {} kernels, {} launches, {} blocks, {} bytes of scratch a worker\n",
                           program.kernels.size(), program.launches.size(), program.block_count,
                           program.worker_bytes);
}

std::string print_plan(const Program& program, const Plan& plan) {
  std::string out;
  for (const Placement& place : plan.placements) {
    out += fmt::format("#{} {} live [{}, {}) arena [{}, {}) align 64\n", place.buffer.index(),
                       program.buffers[place.buffer].name, place.live.begin, place.live.end,
                       place.offset, place.offset + place.bytes);
  }
  return out +
         fmt::format("peak {} bytes ({}), {} without sharing; scratch {} bytes a worker\n",
                     plan.arena_bytes,
                     plan.optimal() ? "optimal" : fmt::format("at least {}", plan.lower_bound),
                     plan.unshared_bytes, plan.worker_bytes);
}

}  // namespace gradus::plan
