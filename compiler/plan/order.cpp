// List scheduling with a few notions of "next", each judged by the planner itself.
#include "plan/order.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <set>
#include <utility>

#include "plan/plan.h"

namespace gradus::plan {

namespace {

/// Buffers that a launch touches: each once, with whether it is written.
std::vector<std::pair<BufferId, bool>> touches(const Program& program, const Launch& launch) {
  const kernel::Kernel& kernel = program.kernels[launch.kernel];
  std::vector<std::pair<BufferId, bool>> result;
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    BufferId buffer = launch.buffers[i];
    if (!buffer.valid()) continue;
    bool writes = kernel.slots[kernel::SlotId(i)].dir != kernel::SlotDir::In;
    auto known = std::find_if(result.begin(), result.end(),
                              [&](const auto& item) { return item.first == buffer; });
    if (known == result.end()) {
      result.push_back({buffer, writes});
    } else {
      known->second = known->second || writes;
    }
  }
  return result;
}

/// What the list scheduler knows of a launch that could come next.
struct Candidate {
  size_t launch = 0;
  int64_t taken = 0;  // bytes of arena buffers that begin with it
  int64_t freed = 0;  // bytes of those that end with it
  int64_t depth = 0;  // launches on the longest way behind it
};
using Better = std::function<bool(const Candidate&, const Candidate&)>;

class ListScheduler {
 public:
  explicit ListScheduler(const Program& program)
      : program_(program), before_(launch_dependences(program)) {
    size_t count = program.launches.size();
    for (const Launch& launch : program.launches) touches_.push_back(touches(program, launch));
    after_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      for (size_t earlier : before_[i]) after_[earlier].push_back(i);
    }
    depth_.assign(count, 0);
    for (size_t i = count; i-- > 0;) {
      for (size_t later : after_[i]) depth_[i] = std::max(depth_[i], depth_[later] + 1);
    }
  }

  std::vector<size_t> order(const Better& better);

 private:
  const Program& program_;
  std::vector<std::vector<std::pair<BufferId, bool>>> touches_;
  std::vector<std::vector<size_t>> before_, after_;
  std::vector<int64_t> depth_;

  Candidate candidate(size_t launch, const IdVector<BufferId, int>& users,
                      const IdVector<BufferId, bool>& begun) const;
};

Candidate ListScheduler::candidate(size_t launch, const IdVector<BufferId, int>& users,
                                   const IdVector<BufferId, bool>& begun) const {
  Candidate result{launch, 0, 0, depth_[launch]};
  for (auto [buffer, writes] : touches_[launch]) {
    const Buffer& of = program_.buffers[buffer];
    if (of.kind != BufferKind::Arena) continue;
    if (!begun[buffer]) result.taken += of.bytes;
    if (users[buffer] == 1) result.freed += of.bytes;
  }
  return result;
}

std::vector<size_t> ListScheduler::order(const Better& better) {
  size_t count = program_.launches.size();
  IdVector<BufferId, int> users(program_.buffers.size(), 0);
  IdVector<BufferId, bool> begun(program_.buffers.size(), false);
  for (const auto& touched : touches_) {
    for (auto [buffer, writes] : touched) ++users[buffer];
  }
  std::vector<size_t> waiting(count);
  std::set<size_t> ready;
  for (size_t i = 0; i < count; ++i) {
    waiting[i] = before_[i].size();
    if (waiting[i] == 0) ready.insert(i);
  }
  std::vector<size_t> result;
  while (!ready.empty()) {
    Candidate best = candidate(*ready.begin(), users, begun);
    for (size_t launch : ready) {
      Candidate other = candidate(launch, users, begun);
      if (better(other, best)) best = other;
    }
    ready.erase(best.launch);
    result.push_back(best.launch);
    for (auto [buffer, writes] : touches_[best.launch]) {
      --users[buffer];
      begun[buffer] = true;
    }
    for (size_t later : after_[best.launch]) {
      if (--waiting[later] == 0) ready.insert(later);
    }
  }
  return result;
}

std::vector<Better> notions() {
  return {
      // Least growth now.
      [](const Candidate& a, const Candidate& b) { return a.taken - a.freed < b.taken - b.freed; },
      // Frees first, then what takes least.
      [](const Candidate& a, const Candidate& b) {
        return std::pair(-a.freed, a.taken) < std::pair(-b.freed, b.taken);
      },
      // Least growth among those with the longest way still to go.
      [](const Candidate& a, const Candidate& b) {
        return std::pair(-a.depth, a.taken - a.freed) < std::pair(-b.depth, b.taken - b.freed);
      },
      // What nothing waits for (updates, outputs) as soon as it can.
      [](const Candidate& a, const Candidate& b) {
        return std::pair(a.depth, a.taken - a.freed) < std::pair(b.depth, b.taken - b.freed);
      },
  };
}

}  // namespace

std::vector<std::vector<size_t>> launch_dependences(const Program& program) {
  constexpr size_t kNone = std::numeric_limits<size_t>::max();
  IdVector<BufferId, size_t> writer(program.buffers.size(), kNone);
  IdVector<BufferId, std::vector<size_t>> readers(program.buffers.size());
  std::vector<std::vector<size_t>> result(program.launches.size());
  for (size_t i = 0; i < program.launches.size(); ++i) {
    std::set<size_t> before;
    for (auto [buffer, writes] : touches(program, program.launches[i])) {
      if (writer[buffer] != kNone) before.insert(writer[buffer]);
      if (!writes) {
        readers[buffer].push_back(i);
        continue;
      }
      before.insert(readers[buffer].begin(), readers[buffer].end());
      readers[buffer].clear();
      writer[buffer] = i;
    }
    result[i].assign(before.begin(), before.end());
  }
  return result;
}

/// The first of the orders with the smallest arena. Planning is most of the work, so orders are
/// planned from the lowest bound upwards, until no bound is below what is reached.
void choose_order(Program& program) {
  ListScheduler scheduler(program);
  std::vector<std::vector<Launch>> orders{program.launches};
  for (const Better& better : notions()) {
    std::vector<Launch> launches;
    for (size_t launch : scheduler.order(better)) launches.push_back(program.launches[launch]);
    orders.push_back(std::move(launches));
  }
  std::vector<std::pair<int64_t, size_t>> bounds;
  for (size_t i = 0; i < orders.size(); ++i) {
    program.launches = orders[i];
    bounds.emplace_back(arena_lower_bound(program), i);
  }
  std::sort(bounds.begin(), bounds.end());
  std::pair<int64_t, size_t> best{std::numeric_limits<int64_t>::max(), 0};
  for (const auto& bound : bounds) {
    if (bound >= best) continue;
    program.launches = orders[bound.second];
    best = std::min(best, {plan_memory(program).arena_bytes, bound.second});
  }
  program.launches = std::move(orders[best.second]);
}

}  // namespace gradus::plan
