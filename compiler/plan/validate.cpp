// Checks a plan from the launches alone, buffer by buffer and in the order in which they live:
//   every arena buffer has one place, aligned, inside the arena, large enough with its slack;
//   its live range holds every launch that touches it, the first of which writes it whole, and the
//   last of all where it is checked after that;
//   two that live at once do not overlap, but for an output that lies exactly on an input of the
//   launch that is the input's last and the output's first, where the kernel offers it.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "plan/plan.h"

namespace gradus::plan {

namespace {

using kernel::SlotDir;
using kernel::SlotId;

std::string text_of(const Program& program, BufferId id) {
  return fmt::format("#{} {}", id.index(), program.buffers[id].name);
}

/// Launches that touch each buffer, ascending.
using Touching = IdVector<BufferId, std::vector<size_t>>;
Touching find_touching(const Program& program) {
  Touching result(program.buffers.size());
  for (size_t at = 0; at < program.launches.size(); ++at) {
    for (BufferId buffer : program.launches[at].buffers) {
      if (!buffer.valid()) continue;
      std::vector<size_t>& touching = result[buffer];
      if (touching.empty() || touching.back() != at) touching.push_back(at);
    }
  }
  return result;
}

std::vector<size_t> slots_with(const Launch& launch, BufferId id) {
  std::vector<size_t> result;
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    if (launch.buffers[i] == id) result.push_back(i);
  }
  return result;
}

/// What is wrong with a place, to be read after its buffer's name.
std::optional<std::string> check_place(const Program& program, const Plan& plan,
                                       const Touching& touching, const Placement& place) {
  const Buffer& buffer = program.buffers[place.buffer];
  if (buffer.kind != BufferKind::Arena) return " has a place but is no arena buffer";
  if (place.offset < 0 || place.offset % 64 != 0) return " is not aligned to 64 bytes";
  if (place.bytes < buffer.bytes + 64) return " is smaller than its values and 64 bytes of slack";
  if (place.offset + place.bytes > plan.arena_bytes) return " reaches beyond the arena";
  const std::vector<size_t>& at = touching[place.buffer];
  if (at.empty()) return " is touched by no launch";
  if (place.live.begin > static_cast<int64_t>(at.front()) ||
      place.live.end <= static_cast<int64_t>(at.back())) {
    return " is used outside its live range";
  }
  for (const ComputedCheck& check : program.computed_checks) {
    const auto count = static_cast<int64_t>(program.launches.size());
    if (check.first == place.buffer && place.live.end < count) return " is checked after its live range";
  }
  const Launch& first = program.launches[at.front()];
  // A strip reads back what an earlier part of it has stored: its slots stand in the order of
  // parts.
  std::vector<size_t> slots = slots_with(first, place.buffer);
  if (program.kernels[first.kernel].cls == ClusterClass::Strip) slots.resize(1);
  for (size_t slot : slots) {
    if (program.kernels[first.kernel].slots[SlotId(slot)].dir != SlotDir::Out) {
      return " is read before it is written";
    }
  }
  return std::nullopt;
}

/// Whether `later` may lie on `earlier`: the launch between them offers it, and nothing else there
/// uses either.
bool is_offered(const Program& program, const Placement& earlier, const Placement& later) {
  if (earlier.offset != later.offset || earlier.live.end != later.live.begin + 1) return false;
  const Launch& launch = program.launches[static_cast<size_t>(later.live.begin)];
  const std::vector<size_t> in = slots_with(launch, earlier.buffer);
  const std::vector<size_t> out = slots_with(launch, later.buffer);
  if (in.size() != 1 || out.size() != 1) return false;
  if (program.buffers[earlier.buffer].bytes != program.buffers[later.buffer].bytes) return false;
  // A place that reaches further would hide behind the other from what comes next.
  if (earlier.bytes != later.bytes) return false;
  for (SlotId offered : program.kernels[launch.kernel].slots[SlotId(out[0])].may_share) {
    if (offered.index() == in[0]) return true;
  }
  return false;
}

/// Places in the order in which their lives begin, each beside those that live then. These lie
/// apart, but for one on another that is offered, so those that a next one overlaps are neighbours.
std::optional<PlanBreach> find_overlap(const Program& program, const Plan& plan) {
  std::vector<const Placement*> places;
  for (const Placement& place : plan.placements) places.push_back(&place);
  std::ranges::stable_sort(places, {}, [](const Placement* place) { return place->live.begin; });
  std::multimap<int64_t, const Placement*> living;  // by offset
  std::multimap<int64_t, decltype(living)::iterator> ends;
  for (const Placement* place : places) {
    for (; !ends.empty() && ends.begin()->first <= place->live.begin; ends.erase(ends.begin())) {
      living.erase(ends.begin()->second);
    }
    auto behind = living.lower_bound(place->offset + place->bytes);
    while (behind != living.begin()) {
      const Placement* other = (--behind)->second;
      if (other->offset + other->bytes <= place->offset) break;
      if (is_offered(program, *other, *place)) continue;
      const auto [a, b] = std::minmax(other, place);
      return PlanBreach{fmt::format("{} and {} overlap while both live", text_of(program, a->buffer),
                                    text_of(program, b->buffer)),
                        b->buffer, a->buffer};
    }
    ends.emplace(place->live.end, living.emplace(place->offset, place));
  }
  return std::nullopt;
}

}  // namespace

std::optional<PlanBreach> find_breach(const Program& program, const Plan& plan) {
  size_t expected = 0;
  for (const Buffer& buffer : program.buffers) expected += buffer.kind == BufferKind::Arena;
  if (plan.placements.size() != expected) {
    return PlanBreach{
        fmt::format("{} places for {} arena buffers", plan.placements.size(), expected), {}, {}};
  }
  const Touching touching = find_touching(program);
  std::vector<bool> placed(program.buffers.size(), false);
  for (const Placement& place : plan.placements) {
    if (auto breach = check_place(program, plan, touching, place)) {
      return PlanBreach{text_of(program, place.buffer) + *breach, place.buffer, {}};
    }
    const size_t number = place.buffer.index();
    if (placed[number]) {
      return PlanBreach{text_of(program, place.buffer) + " has two places", place.buffer,
                        place.buffer};
    }
    placed[number] = true;
  }
  if (auto breach = find_overlap(program, plan)) return breach;
  for (const kernel::Kernel& kernel : program.kernels) {
    if (kernel.worker_bytes <= plan.worker_bytes) continue;
    return PlanBreach{
        fmt::format("kernel @{} needs {} bytes of scratch", kernel.name, kernel.worker_bytes),
        {},
        {}};
  }
  return std::nullopt;
}

std::optional<std::string> validate_plan(const Program& program, const Plan& plan) {
  std::optional<PlanBreach> breach = find_breach(program, plan);
  return breach ? std::optional(std::move(breach->message)) : std::nullopt;
}

}  // namespace gradus::plan
