// List scheduling with a few priority functions, each judged by the planner itself.
#include "plan/order.h"

#include <algorithm>
#include <limits>
#include <numeric>
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
  int64_t taken = 0;  // bytes of arena buffers that begin with it
  int64_t freed = 0;  // bytes of those that end with it
  int64_t depth = 0;  // launches on the longest way behind it
};
/// The candidate of the smallest rank comes next; of equal ones the first.
using Rank = std::pair<int64_t, int64_t>;
using Priority = Rank (*)(const Candidate&);

class ListScheduler {
 public:
  explicit ListScheduler(const Program& program)
      : program_(program), before_(launch_dependences(program)), touching_(program.buffers.size()) {
    size_t count = program.launches.size();
    for (size_t i = 0; i < count; ++i) {
      touches_.push_back(arena_touches(program.launches[i]));
      for (BufferId buffer : touches_[i]) touching_[buffer].push_back(i);
    }
    after_.resize(count);
    for (size_t i = 0; i < count; ++i) {
      for (size_t earlier : before_[i]) after_[earlier].push_back(i);
    }
    depth_.assign(count, 0);
    for (size_t i = count; i-- > 0;) {
      for (size_t later : after_[i]) depth_[i] = std::max(depth_[i], depth_[later] + 1);
    }
  }

  std::vector<size_t> order(Priority priority);

 private:
  const Program& program_;
  std::vector<std::vector<BufferId>> touches_;  // arena buffers of each launch
  std::vector<std::vector<size_t>> before_, after_;
  IdVector<BufferId, std::vector<size_t>> touching_;  // launches of each arena buffer
  std::vector<int64_t> depth_;

  // Of the order that is being made.
  Priority priority_ = nullptr;
  std::set<std::pair<Rank, size_t>> ready_;
  std::vector<Rank> ranks_;        // of launches that are ready
  std::vector<size_t> waiting_;    // how many launches each still waits for
  IdVector<BufferId, int> users_;  // launches to come
  IdVector<BufferId, bool> started_;

  std::vector<BufferId> arena_touches(const Launch& launch) const;
  Candidate candidate(size_t launch) const;
  void begin(Priority priority);
  void add_ready(size_t launch);
  void rank_again(BufferId touched);
  void run(size_t launch);
};

std::vector<BufferId> ListScheduler::arena_touches(const Launch& launch) const {
  std::vector<BufferId> result;
  for (auto [buffer, writes] : touches(program_, launch)) {
    if (program_.buffers[buffer].kind == BufferKind::Arena) result.push_back(buffer);
  }
  return result;
}

Candidate ListScheduler::candidate(size_t launch) const {
  Candidate result{0, 0, depth_[launch]};
  for (BufferId buffer : touches_[launch]) {
    const int64_t bytes = program_.buffers[buffer].bytes;
    if (!started_[buffer]) result.taken += bytes;
    if (users_[buffer] == 1) result.freed += bytes;
  }
  return result;
}

void ListScheduler::begin(Priority priority) {
  priority_ = priority;
  users_ = IdVector<BufferId, int>(program_.buffers.size(), 0);
  started_ = IdVector<BufferId, bool>(program_.buffers.size(), false);
  for (const std::vector<BufferId>& touched : touches_) {
    for (BufferId buffer : touched) ++users_[buffer];
  }
  ranks_.resize(touches_.size());
  waiting_.clear();
  for (const std::vector<size_t>& earlier : before_) waiting_.push_back(earlier.size());
  for (size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i] == 0) add_ready(i);
  }
}

void ListScheduler::add_ready(size_t launch) {
  ranks_[launch] = priority_(candidate(launch));
  ready_.insert({ranks_[launch], launch});
}

/// What launches take and free changes with the buffers that they share with one that has run.
void ListScheduler::rank_again(BufferId touched) {
  for (size_t launch : touching_[touched]) {
    if (ready_.erase({ranks_[launch], launch}) > 0) add_ready(launch);
  }
}

void ListScheduler::run(size_t launch) {
  for (BufferId buffer : touches_[launch]) {
    const bool begins = !started_[buffer];
    started_[buffer] = true;
    --users_[buffer];
    if (begins || users_[buffer] == 1) rank_again(buffer);
  }
  for (size_t later : after_[launch]) {
    if (--waiting_[later] == 0) add_ready(later);
  }
}

std::vector<size_t> ListScheduler::order(Priority priority) {
  begin(priority);
  std::vector<size_t> result;
  while (!ready_.empty()) {
    result.push_back(ready_.begin()->second);
    ready_.erase(ready_.begin());
    run(result.back());
  }
  return result;
}

constexpr Priority kPriorities[] = {
    // Least growth now.
    [](const Candidate& c) { return Rank(c.taken - c.freed, 0); },
    // Frees first, then what takes least.
    [](const Candidate& c) { return Rank(-c.freed, c.taken); },
    // Least growth among those with the longest way still to go.
    [](const Candidate& c) { return Rank(-c.depth, c.taken - c.freed); },
    // What nothing waits for (updates, outputs) as soon as it can.
    [](const Candidate& c) { return Rank(c.depth, c.taken - c.freed); },
};

/// Puts the launches of a program in one order after another.
class Arrangement {
 public:
  explicit Arrangement(Program& program)
      : program_(program), own_(program.launches.size()), order_(own_.size()) {
    std::iota(order_.begin(), order_.end(), size_t{0});
  }
  void arrange(const std::vector<size_t>& order) {
    for (size_t i = 0; i < order_.size(); ++i) own_[order_[i]] = std::move(program_.launches[i]);
    for (size_t i = 0; i < order.size(); ++i) program_.launches[i] = std::move(own_[order[i]]);
    order_ = order;
  }

 private:
  Program& program_;
  std::vector<Launch> own_;    // places of their own, empty between two arrangements
  std::vector<size_t> order_;  // in which they stand in the program
};

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

/// In the plan of one order: of all that are tried, only the best is planned with care.
constexpr int64_t kLooksOfOrder = int64_t{1} << 25;

/// The first of the orders with the smallest arena. Planning is most of the work, so orders are
/// planned from the lowest bound upwards, until no bound is below what is reached.
void choose_order(Program& program) {
  const bool has_arena = std::ranges::any_of(
      program.buffers, [](const Buffer& b) { return b.kind == BufferKind::Arena; });
  if (!has_arena) return;
  std::vector<std::vector<size_t>> orders{std::vector<size_t>(program.launches.size())};
  std::iota(orders[0].begin(), orders[0].end(), size_t{0});
  ListScheduler scheduler(program);
  for (Priority priority : kPriorities) orders.push_back(scheduler.order(priority));
  Arrangement launches(program);
  std::vector<std::pair<int64_t, size_t>> bounds;
  for (size_t i = 0; i < orders.size(); ++i) {
    launches.arrange(orders[i]);
    bounds.emplace_back(arena_lower_bound(program), i);
  }
  std::sort(bounds.begin(), bounds.end());
  std::pair<int64_t, size_t> best{std::numeric_limits<int64_t>::max(), 0};
  for (const auto& bound : bounds) {
    if (bound >= best) continue;
    launches.arrange(orders[bound.second]);
    best = std::min(best, {plan_memory(program, kLooksOfOrder).arena_bytes, bound.second});
  }
  launches.arrange(orders[best.second]);
}

}  // namespace gradus::plan
