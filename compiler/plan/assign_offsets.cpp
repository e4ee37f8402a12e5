// Offsets in the arena: buffers that share one place become one block with the union of their
// lives; blocks are packed greedily in several sequences, lowest gap or tightest gap, and the block
// at the top of the best packing is moved forward and tried again. All of it counted, nothing timed
// or random.
#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <queue>
#include <set>
#include <tuple>
#include <utility>

#include "kernel/scratch.h"
#include "plan/plan.h"
#include "support/check.h"

namespace gradus::plan {

namespace {

constexpr int64_t kAlignment = 64;
constexpr int64_t kImprovements = 64;
/// Neighbours looked at in one plan, roughly: large programs get fewer improvements.
constexpr int64_t kLooks = int64_t{1} << 21;

int64_t placed_bytes(const Buffer& buffer) {
  return (buffer.bytes + kernel::kSlackBytes + kAlignment - 1) / kAlignment * kAlignment;
}

/// An output that may begin where an input of the same launch ends.
struct Offer {
  BufferId output;
  BufferId input;
};

/// Buffers at one place, one after the other.
struct Block {
  std::vector<BufferId> buffers;
  LiveRange live;
  int64_t bytes = 0;
};

int slots_of(const Launch& launch, BufferId buffer) {
  return static_cast<int>(std::count(launch.buffers.begin(), launch.buffers.end(), buffer));
}

class Planner {
 public:
  explicit Planner(const Program& program) : program_(program), live_(compute_liveness(program)) {
    for (size_t i = 0; i < program.buffers.size(); ++i) {
      if (program.buffers[BufferId(i)].kind == BufferKind::Arena) arena_.push_back(BufferId(i));
    }
    find_offers();
  }

  Plan plan(int64_t most_looks);
  int64_t lower_bound() const;

 private:
  const Program& program_;
  IdVector<BufferId, LiveRange> live_;
  std::vector<BufferId> arena_;
  std::vector<Offer> offers_;
  IdVector<BufferId, std::vector<BufferId>> inputs_of_;  // that are offered to an output

  int64_t bytes(BufferId id) const { return placed_bytes(program_.buffers[id]); }
  void find_offers();
  bool fits(const Launch& launch, int64_t at, const Offer& offer) const;
  std::vector<Block> blocks(bool share) const;
  void keep_better(Plan& best, const std::vector<Block>& blocks, int64_t most_looks) const;
  Plan with_places(const std::vector<Block>& blocks, const std::vector<int64_t>& offsets,
                   int64_t peak) const;
};

bool Planner::fits(const Launch& launch, int64_t at, const Offer& offer) const {
  for (BufferId id : {offer.output, offer.input}) {
    if (!id.valid() || program_.buffers[id].kind != BufferKind::Arena) return false;
    if (slots_of(launch, id) != 1) return false;
  }
  return offer.output != offer.input && live_[offer.output].begin == at &&
         live_[offer.input].end == at + 1 && live_[offer.input].begin < at &&
         program_.buffers[offer.output].bytes == program_.buffers[offer.input].bytes;
}

void Planner::find_offers() {
  inputs_of_ = IdVector<BufferId, std::vector<BufferId>>(program_.buffers.size());
  for (size_t at = 0; at < program_.launches.size(); ++at) {
    const Launch& launch = program_.launches[at];
    const kernel::Kernel& kernel = program_.kernels[launch.kernel];
    for (size_t i = 0; i < kernel.slots.size(); ++i) {
      for (kernel::SlotId input : kernel.slots[kernel::SlotId(i)].may_share) {
        Offer offer{launch.buffers[i], launch.buffers[input.index()]};
        if (!fits(launch, static_cast<int64_t>(at), offer)) continue;
        offers_.push_back(offer);
        inputs_of_[offer.output].push_back(offer.input);
      }
    }
  }
}

/// The most bytes live at one launch, less what its offers could save at best.
int64_t Planner::lower_bound() const {
  std::vector<int64_t> live(program_.launches.size() + 1, 0);
  for (BufferId id : arena_) {
    if (live_[id].begin >= live_[id].end) continue;
    live[static_cast<size_t>(live_[id].begin)] += bytes(id);
    live[static_cast<size_t>(live_[id].end)] -= bytes(id);
  }
  std::partial_sum(live.begin(), live.end(), live.begin());
  std::set<BufferId> saved;
  for (const Offer& offer : offers_) {
    if (!saved.insert(offer.output).second) continue;
    live[static_cast<size_t>(live_[offer.output].begin)] -= bytes(offer.output);
  }
  int64_t most = 0;
  for (int64_t total : live) most = std::max(most, total);
  return most;
}

std::vector<Block> Planner::blocks(bool share) const {
  std::vector<Block> result;
  IdVector<BufferId, size_t> block_of(program_.buffers.size(), SIZE_MAX);
  std::vector<BufferId> order = arena_;
  std::sort(order.begin(), order.end(), [&](BufferId a, BufferId b) {
    return std::pair(live_[a].begin, a) < std::pair(live_[b].begin, b);
  });
  std::set<BufferId> taken;
  for (BufferId id : order) {
    size_t block = SIZE_MAX;
    for (BufferId input : inputs_of_[id]) {
      if (!share || !taken.insert(input).second) continue;
      block = block_of[input];
      break;
    }
    if (block == SIZE_MAX) {
      block = result.size();
      result.push_back({{}, live_[id], bytes(id)});
    }
    block_of[id] = block;
    result[block].buffers.push_back(id);
    result[block].live.end = std::max(result[block].live.end, live_[id].end);
  }
  return result;
}

bool meet(const LiveRange& a, const LiveRange& b) { return a.begin < b.end && b.begin < a.end; }

struct Packing {
  std::vector<int64_t> offsets;
  int64_t peak = 0;
};

/// How many blocks live with another, summed over all blocks: of all that begin before it ends,
/// those that have not ended before it begins.
int64_t count_neighbours(const std::vector<Block>& blocks) {
  std::vector<int64_t> begins, ends;
  for (const Block& block : blocks) {
    if (block.live.begin >= block.live.end) continue;
    begins.push_back(block.live.begin);
    ends.push_back(block.live.end);
  }
  std::ranges::sort(begins);
  std::ranges::sort(ends);
  int64_t result = 0;
  for (int64_t end : ends) {
    result += std::ranges::lower_bound(begins, end) - begins.begin();
  }
  for (int64_t begin : begins) {
    result -= std::ranges::upper_bound(ends, begin) - ends.begin();
  }
  return result - static_cast<int64_t>(begins.size());
}

/// A block that has its place.
struct Placed {
  int64_t begin = 0, end = 0;
  LiveRange live;
};

/// The place for a block among those that live with it: the lowest gap that holds it, or the
/// tightest. `placed` is sorted by its beginnings.
int64_t find_gap(const std::vector<Placed>& placed, const Block& block, bool tightest) {
  int64_t end = 0;
  int64_t best = -1;
  int64_t best_size = 0;
  for (const Placed& other : placed) {
    if (!meet(other.live, block.live)) continue;
    int64_t gap = other.begin - end;
    if (gap >= block.bytes && (best < 0 || gap < best_size)) {
      if (!tightest) return end;
      best = end;
      best_size = gap;
    }
    end = std::max(end, other.end);
  }
  return best >= 0 ? best : end;
}

Packing pack(const std::vector<Block>& blocks, const std::vector<size_t>& sequence, bool tightest) {
  Packing packing{std::vector<int64_t>(blocks.size(), -1), 0};
  std::vector<Placed> placed;
  placed.reserve(blocks.size());
  for (size_t id : sequence) {
    int64_t begin = find_gap(placed, blocks[id], tightest);
    Placed here{begin, begin + blocks[id].bytes, blocks[id].live};
    auto behind =
        std::upper_bound(placed.begin(), placed.end(), here,
                         [](const Placed& x, const Placed& y) { return x.begin < y.begin; });
    placed.insert(behind, here);
    packing.offsets[id] = begin;
    packing.peak = std::max(packing.peak, here.end);
  }
  return packing;
}

/// The free bytes below the last block that lives, and how far up that reaches.
class Gaps {
 public:
  /// The begin of the tightest gap that holds so many, the lowest of equal ones.
  int64_t take(int64_t bytes) {
    const auto tightest = by_size_.lower_bound({bytes, 0});
    if (tightest == by_size_.end()) return std::exchange(top_, top_ + bytes);
    const auto [size, begin] = *tightest;
    remove(begin, begin + size);
    if (size > bytes) add(begin + bytes, begin + size);
    return begin;
  }
  void free(int64_t begin, int64_t end) {
    if (const auto above = gaps_.find(end); above != gaps_.end()) {
      const int64_t high = above->second;
      remove(end, high);
      end = high;
    }
    const auto behind = gaps_.lower_bound(begin);
    if (behind != gaps_.begin() && std::prev(behind)->second == begin) {
      const int64_t low = std::prev(behind)->first;
      remove(low, begin);
      begin = low;
    }
    if (end == top_) {
      top_ = begin;
    } else {
      add(begin, end);
    }
  }

 private:
  void add(int64_t begin, int64_t end) {
    gaps_.emplace(begin, end);
    by_size_.emplace(end - begin, begin);
  }
  void remove(int64_t begin, int64_t end) {
    gaps_.erase(begin);
    by_size_.erase({end - begin, begin});
  }

  std::map<int64_t, int64_t> gaps_;  // from begin to end
  std::set<std::pair<int64_t, int64_t>> by_size_;
  int64_t top_ = 0;
};

/// The same as `pack` into tightest gaps, for a sequence in which blocks begin one after the other:
/// then all that live with the next block live when it begins.
Packing pack_in_time(const std::vector<Block>& blocks, const std::vector<size_t>& sequence) {
  Packing packing{std::vector<int64_t>(blocks.size(), 0), 0};
  Gaps gaps;
  using End = std::pair<int64_t, size_t>;
  std::priority_queue<End, std::vector<End>, std::greater<End>> ends;  // of those that live
  for (size_t id : sequence) {
    const Block& block = blocks[id];
    if (block.live.begin < block.live.end) {
      for (; !ends.empty() && ends.top().first <= block.live.begin; ends.pop()) {
        const size_t ended = ends.top().second;
        gaps.free(packing.offsets[ended], packing.offsets[ended] + blocks[ended].bytes);
      }
      packing.offsets[id] = gaps.take(block.bytes);
      ends.emplace(block.live.end, id);
    }
    packing.peak = std::max(packing.peak, packing.offsets[id] + block.bytes);
  }
  return packing;
}

constexpr size_t kInTime = 3;  // the sequence in which blocks begin

std::vector<std::vector<size_t>> sequences(const std::vector<Block>& blocks) {
  auto length = [&](size_t i) { return blocks[i].live.end - blocks[i].live.begin; };
  auto area = [&](size_t i) {
    return static_cast<double>(length(i)) * static_cast<double>(blocks[i].bytes);
  };
  std::vector<size_t> plain(blocks.size());
  std::iota(plain.begin(), plain.end(), size_t{0});
  std::vector<std::vector<size_t>> result(4, plain);
  std::sort(result[0].begin(), result[0].end(), [&](size_t a, size_t b) {
    return std::tuple(-blocks[a].bytes, -length(a), a) <
           std::tuple(-blocks[b].bytes, -length(b), b);
  });
  std::sort(result[1].begin(), result[1].end(), [&](size_t a, size_t b) {
    return std::tuple(-length(a), -blocks[a].bytes, a) <
           std::tuple(-length(b), -blocks[b].bytes, b);
  });
  std::sort(result[2].begin(), result[2].end(),
            [&](size_t a, size_t b) { return std::pair(-area(a), a) < std::pair(-area(b), b); });
  std::sort(result[kInTime].begin(), result[kInTime].end(), [&](size_t a, size_t b) {
    return std::tuple(blocks[a].live.begin, -blocks[a].bytes, a) <
           std::tuple(blocks[b].live.begin, -blocks[b].bytes, b);
  });
  return result;
}

/// Moves the block that makes the peak to the front of the sequence, again and again.
Packing improve(const std::vector<Block>& blocks, int64_t neighbours, std::vector<size_t> sequence,
                bool tightest, bool in_time, int64_t bound) {
  const int64_t looks = static_cast<int64_t>(blocks.size()) + neighbours;
  const int64_t rounds = std::min(kImprovements, kLooks / 16 / std::max<int64_t>(1, looks));
  Packing current = tightest && in_time ? pack_in_time(blocks, sequence)
                                        : pack(blocks, sequence, tightest);
  Packing best = current;
  for (int64_t round = 0; round < rounds && best.peak > bound; ++round) {
    auto top = std::find_if(sequence.begin(), sequence.end(), [&](size_t id) {
      return current.offsets[id] + blocks[id].bytes == current.peak;
    });
    if (top == sequence.end() || top == sequence.begin()) break;
    std::rotate(sequence.begin(), top, top + 1);
    current = pack(blocks, sequence, tightest);
    if (current.peak < best.peak) best = current;
  }
  return best;
}

Plan Planner::with_places(const std::vector<Block>& blocks, const std::vector<int64_t>& offsets,
                          int64_t peak) const {
  IdVector<BufferId, int64_t> offset_of(program_.buffers.size(), 0);
  for (size_t i = 0; i < blocks.size(); ++i) {
    for (BufferId id : blocks[i].buffers) offset_of[id] = offsets[i];
  }
  Plan plan;
  plan.arena_bytes = peak;
  plan.worker_bytes = program_.worker_bytes;
  for (BufferId id : arena_) {
    plan.placements.push_back({id, live_[id], offset_of[id], bytes(id)});
    plan.unshared_bytes += bytes(id);
  }
  return plan;
}

/// Tries one sequence after another while first packings have looked at no more than so many, and in
/// any case the last, which takes no looks.
void Planner::keep_better(Plan& best, const std::vector<Block>& blocks, int64_t most_looks) const {
  const int64_t neighbours = count_neighbours(blocks);
  const int64_t looks = static_cast<int64_t>(blocks.size() * blocks.size()) / 2;
  int64_t looked = 0;
  const std::vector<std::vector<size_t>> all = sequences(blocks);
  for (size_t i = 0; i < all.size(); ++i) {
    for (bool tightest : {false, true}) {
      if (best.arena_bytes == best.lower_bound) return;
      const bool in_time = i == kInTime, alone = tightest && in_time;
      if (!alone && (looked += looks) > most_looks) continue;
      Packing packing = improve(blocks, neighbours, all[i], tightest, in_time, best.lower_bound);
      if (packing.peak >= best.arena_bytes) continue;
      int64_t bound = best.lower_bound;
      best = with_places(blocks, packing.offsets, packing.peak);
      best.lower_bound = bound;
    }
  }
}

Plan Planner::plan(int64_t most_looks) {
  std::vector<Block> apart = blocks(false);
  std::vector<int64_t> offsets;
  int64_t end = 0;
  for (const Block& block : apart) {
    offsets.push_back(end);
    end += block.bytes;
  }
  Plan best = with_places(apart, offsets, end);
  best.lower_bound = lower_bound();
  keep_better(best, apart, most_looks);
  if (!offers_.empty()) keep_better(best, blocks(true), most_looks);
  return best;
}

}  // namespace

int64_t Plan::offset_of(BufferId buffer) const {
  const auto found = std::ranges::lower_bound(placements, buffer, {}, &Placement::buffer);
  if (found != placements.end() && found->buffer == buffer) return found->offset;
  check_failed(__FILE__, __LINE__, "placement", "a buffer that lies in the arena");
}

int64_t arena_lower_bound(const Program& program) { return Planner(program).lower_bound(); }

Plan plan_memory(const Program& program, int64_t most_looks) {
  return Planner(program).plan(most_looks);
}

}  // namespace gradus::plan
