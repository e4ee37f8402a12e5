// Text of programs and plans out.
#include <fmt/format.h>

#include "kernel/text.h"
#include "plan/text.h"

namespace gradus::plan {

namespace {

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Whether `name` stands without quotes: `%` and a word with single dots inside.
bool is_value_name(const std::string& name) {
  if (name.size() < 2 || name[0] != '%') return false;
  for (size_t i = 1; i < name.size(); ++i) {
    bool inner_dot = name[i] == '.' && i + 1 < name.size() && is_word_char(name[i + 1]);
    if (!is_word_char(name[i]) && !inner_dot) return false;
  }
  return true;
}

std::string name_text(const std::string& name) {
  if (is_value_name(name)) return name;
  std::string out = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c == '\n' ? "\\n" : std::string(1, c);
  }
  return out + "\"";
}

std::string slot_text(const kernel::Kernel& kernel, const std::vector<std::string>& names,
                      kernel::SlotId id) {
  static constexpr const char* kDirs[] = {"in", "out", "inout"};
  const kernel::Slot& slot = kernel.slots[id];
  bool worker = slot.space == kernel::SlotSpace::Worker;
  std::string out = fmt::format("{}: {}", names[id.index()],
                                worker ? "worker" : kDirs[static_cast<size_t>(slot.dir)]);
  const char* separator = " may share ";
  for (kernel::SlotId other : slot.may_share) {
    out += separator + names[other.index()];
    separator = " or ";
  }
  return out;
}

std::string kernel_text(const kernel::Kernel& kernel) {
  const std::vector<std::string> names = kernel::slot_names(kernel);
  std::vector<std::string> slots;
  for (size_t i = 0; i < kernel.slots.size(); ++i) {
    slots.push_back(slot_text(kernel, names, kernel::SlotId(i)));
  }
  std::string out = fmt::format("@{} {} ({})", kernel::word_text(kernel.name),
                                cluster_class_name(kernel.cls), fmt::join(slots, ", "));
  return kernel.worker_bytes == 0 ? out : fmt::format("{} scratch {}", out, kernel.worker_bytes);
}

std::string launch_text(const Program& program, const Launch& launch) {
  const std::vector<std::string> names = kernel::slot_names(program.kernels[launch.kernel]);
  std::vector<std::string> buffers;
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    if (!launch.buffers[i].valid()) continue;
    buffers.push_back(fmt::format("{}=#{}", names[i], launch.buffers[i].index()));
  }
  return fmt::format("@{} kernel {} ({})", kernel::word_text(launch.name), launch.kernel.index(),
                     fmt::join(buffers, ", "));
}

}  // namespace

std::string print_program(const Program& program) {
  std::string out = fmt::format("program @{} {{capacity={}}}:\n", kernel::word_text(program.name),
                                program.capacity);
  for (size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[BufferId(i)];
    out += fmt::format("  #{} {} {} : {} {} bytes block {}\n", i, buffer_kind_name(buffer.kind),
                       name_text(buffer.name), to_string(buffer.type), buffer.bytes, buffer.block);
  }
  for (size_t i = 0; i < program.kernels.size(); ++i) {
    out += fmt::format("  kernel {} {}\n", i, kernel_text(program.kernels[KernelId(i)]));
  }
  for (const IndexCheck& check : program.checks) {
    out += fmt::format("  check #{} in [0, {})\n", check.input.index(), check.limit);
  }
  for (const ComputedCheck& check : program.computed_checks) {
    out += fmt::format("  check #{} has no row, else answer {}\n", check.first.index(), check.number);
  }
  for (size_t i = 0; i < program.launches.size(); ++i) {
    out += fmt::format("  launch {} {}\n", i, launch_text(program, program.launches[i]));
  }
  return out + fmt::format("  {} kernels, {} launches, {} blocks, {} bytes of scratch a worker\n",
                           program.kernels.size(), program.launches.size(), program.block_count,
                           program.worker_bytes);
}

std::string print_plan(const Program& program, const Plan& plan) {
  std::string out = "plan:\n";
  for (const Placement& place : plan.placements) {
    out += fmt::format("  #{} {} live [{}, {}) arena [{}, {}) align 64\n", place.buffer.index(),
                       name_text(program.buffers[place.buffer].name), place.live.begin,
                       place.live.end, place.offset, place.offset + place.bytes);
  }
  return out +
         fmt::format("  peak {} bytes ({}), {} without sharing; scratch {} bytes a worker\n",
                     plan.arena_bytes,
                     plan.optimal() ? "optimal" : fmt::format("at least {}", plan.lower_bound),
                     plan.unshared_bytes, plan.worker_bytes);
}

std::string print_planned(const PlannedProgram& planned) {
  std::string out = print_program(planned.program);
  return planned.plan ? out + print_plan(planned.program, *planned.plan) : out;
}

}  // namespace gradus::plan
