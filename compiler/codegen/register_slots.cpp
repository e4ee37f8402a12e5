// A slot may live in registers if
//  - all that touches it are loads and stores in lanes loops of one constant range, whose vector v
//    of lanes is the slot's vector v; lanes beyond the range are dead: they hold anything, and
//    nobody reads them. Or none of it is in a lanes loop, and the slot is one element;
//  - what touches it first is a store, in all loops that the others run in too: no load comes
//    before it;
//  - nothing in the kernel is conditional, or a tile.
//
// It is scalar promotion of memory (as LLVM's mem2reg does it) before there is IR: there the slots
// are reached by computed addresses of scratch, which no such pass promotes.
//
//     lanes j 0..64: store acc[j], -0.0          acc is 64 floats: 4 vectors of 16 lanes
//     seq f:                                     phi a0..a3
//       lanes j 0..64: acc[j] += x[f,j]            a0 += x[f, 0..16], a1 += ...
//     lanes j 0..64: store y[j], acc[j]          store a0, ...
//
// Without it each step would load what the step before stored: store-to-load forwarding, some five
// cycles, beside each addition.
#include "codegen/register_slots.h"

#include <algorithm>
#include <optional>

#include "support/round.h"

namespace gradus::codegen {

namespace {

using kernel::Affine;
using kernel::Loop;
using kernel::LoopKind;
using kernel::Stmt;

bool is_constant(const Affine& affine) { return affine.terms.empty() && affine.per_n == 0; }

struct Range {
  int64_t from, to;
  bool lanes;  // else one element
  friend bool operator==(const Range&, const Range&) = default;
};

/// Nothing where vectors of the loop are no vectors of a slot.
std::optional<Range> constant_range(const Loop* lanes) {
  if (!lanes) return Range{0, 1, false};
  const Loop& loop = *lanes;
  const bool constant = is_constant(loop.from) && is_constant(loop.to.value);
  if (!constant || loop.to.divisor != 1 || loop.to.cap || !loop.folds.empty()) return {};
  return Range{loop.from.constant, loop.to.value.constant, true};
}

class Finder {
 public:
  Finder(const kernel::Kernel& kernel, const Target& target)
      : target_(target), found_(kernel.slots.size()) {
    for (size_t s = 0; s < found_.size(); ++s) {
      const kernel::Slot& slot = kernel.slots[kernel::SlotId(s)];
      found_[s].possible = slot.space == kernel::SlotSpace::Worker && slot.extents.size() == 1;
    }
    visit(kernel.body, nullptr);
  }

  /// A quarter of the registers is enough for a slot, half of them for all.
  std::vector<int> vectors() const {
    std::vector<int> counts(found_.size(), 0);
    int left = straight_ ? target_.registers / 2 : 0;
    for (size_t s = 0; s < found_.size(); ++s) {
      if (!found_[s].possible || !found_[s].touched) continue;
      const int64_t length = found_[s].range.to - found_[s].range.from;
      const int64_t count = ceil_div(length, target_.lanes);
      if (count < 1 || count > target_.registers / 4 || count > left) continue;
      counts[s] = static_cast<int>(count);
      left -= counts[s];
    }
    return counts;
  }

 private:
  struct Found {
    bool possible = false;
    bool touched = false;
    Range range{};
    std::vector<const Loop*> first;  // loops around what touches it first
  };

  void visit(const std::vector<Stmt>& body, const Loop* lanes) {
    for (const Stmt& stmt : body) {
      if (auto* loop = std::get_if<Loop>(&stmt.body)) {
        enter(*loop);
      } else if (auto* load = std::get_if<kernel::Load>(&stmt.body)) {
        touch(load->from, lanes, !load->where.valid(), false);
      } else if (auto* store = std::get_if<kernel::Store>(&stmt.body)) {
        touch(store->to, lanes, true, true);
      } else if (!std::holds_alternative<kernel::Let>(stmt.body) &&
                 !std::holds_alternative<kernel::IndexOf>(stmt.body) &&
                 !std::holds_alternative<kernel::Fold>(stmt.body)) {
        straight_ = false;
      }
    }
  }
  void enter(const Loop& loop) {
    if (loop.kind == LoopKind::Lanes) return visit(loop.body, &loop);
    around_.push_back(&loop);
    visit(loop.body, nullptr);
    around_.pop_back();
  }
  void touch(const kernel::Access& access, const Loop* lanes, bool always, bool stores) {
    Found& slot = found_[access.slot.index()];
    if (!slot.possible) return;
    const std::optional<Range> range = constant_range(lanes);
    slot.possible = always && range && at_its_place(access, lanes);
    if (!slot.possible) return;
    if (slot.touched) {
      slot.possible = slot.range == *range && runs_within(slot.first);
      return;
    }
    slot.touched = true;
    slot.possible = stores;
    slot.range = *range;
    slot.first = around_;
  }
  static bool at_its_place(const kernel::Access& access, const Loop* lanes) {
    const kernel::Index& index = access.indices.front();
    Affine place;
    if (lanes) place = {-lanes->from.constant, 0, {{lanes->axis, 1}}};
    return !index.loaded.valid() && index.affine == place;
  }
  bool runs_within(const std::vector<const Loop*>& outer) const {
    return outer.size() <= around_.size() &&
           std::equal(outer.begin(), outer.end(), around_.begin());
  }

  const Target& target_;
  bool straight_ = true;
  std::vector<const Loop*> around_;
  std::vector<Found> found_;
};

}  // namespace

std::vector<int> register_slots(const kernel::Kernel& kernel, const Target& target) {
  return Finder(kernel, target).vectors();
}

}  // namespace gradus::codegen
