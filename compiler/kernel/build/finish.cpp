#include "kernel/build/finish.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "kernel/walk.h"

namespace gradus::kernel {

namespace {

struct Enclosing {
  const Loop* loop = nullptr;
  int64_t position = 0;  // of the loop itself
};

/// One load or store of a buffer slot and where it stands in the text.
struct Touch {
  const Access* access = nullptr;
  bool store = false;
  bool opaque = false;  // read by a tile or a pack: no index says when
  int64_t position = 0;
  std::vector<Enclosing> loops;
};

class Touches {
 public:
  explicit Touches(const Kernel& kernel) { collect(kernel.body); }
  std::vector<Touch> all;

 private:
  void add(const Access& access, bool store, bool opaque = false) {
    all.push_back({&access, store, opaque, position_, loops_});
  }
  void collect(const std::vector<Stmt>& body) {
    for (const Stmt& stmt : body) {
      ++position_;
      if (const auto* load = std::get_if<Load>(&stmt.body)) add(load->from, false);
      if (const auto* store = std::get_if<Store>(&stmt.body)) add(store->to, true);
      if (const auto* pack = std::get_if<Pack>(&stmt.body)) add(pack->from, false, true);
      if (const auto* branch = std::get_if<If>(&stmt.body)) collect(branch->body);
      if (const auto* tile = std::get_if<Tile>(&stmt.body)) collect_tile(*tile);
      if (const auto* loop = std::get_if<Loop>(&stmt.body)) {
        loops_.push_back({loop, position_});
        collect(loop->body);
        loops_.pop_back();
      }
    }
  }
  void collect_tile(const Tile& tile) {
    add(tile.micro.left, false, true);
    add(tile.micro.right, false, true);
    collect(tile.epilogue);
  }

  int64_t position_ = 0;
  std::vector<Enclosing> loops_;
};

bool depends_on(const Affine& affine, AxisId axis) {
  return std::any_of(affine.terms.begin(), affine.terms.end(),
                     [axis](const Affine::Term& term) { return term.axis == axis; });
}

/// Whether another iteration of `axis` touches other elements: an index depends on it, or an inner
/// loop that an index depends on starts from it.
bool separates(const Touch& touch, AxisId axis) {
  const auto in_indices = [&](AxisId wanted) {
    return std::any_of(touch.access->indices.begin(), touch.access->indices.end(),
                       [wanted](const Index& index) { return depends_on(index.affine, wanted); });
  };
  if (in_indices(axis)) return true;
  return std::any_of(touch.loops.begin(), touch.loops.end(), [&](const Enclosing& inner) {
    return depends_on(inner.loop->from, axis) && in_indices(inner.loop->axis);
  });
}

/// The load reads the element that is stored, or (before the store's lanes loop) its row.
bool precedes(const Touch& load, const Touch& store) {
  if (load.opaque || load.position >= store.position) return false;
  const Enclosing* lanes = store.loops.empty() ? nullptr : &store.loops.back();
  if (lanes && lanes->loop->kind != LoopKind::Lanes) lanes = nullptr;
  const bool before_loop = lanes && load.position < lanes->position;
  for (size_t d = 0; d < store.access->indices.size(); ++d) {
    const Index& stored = store.access->indices[d];
    if (stored.loaded.valid()) return false;
    if (load.access->indices[d] == stored) continue;
    if (!before_loop || !depends_on(stored.affine, lanes->loop->axis)) return false;
  }
  return std::all_of(store.loops.begin(), store.loops.end(),
                     [&](const Enclosing& around) { return separates(store, around.loop->axis); });
}

bool same_form(const Slot& a, const Slot& b) {
  return a.extents == b.extents && a.strides == b.strides && a.offset == 0 && b.offset == 0 &&
         dtype_size(a.dtype) == dtype_size(b.dtype);
}

bool may_share(const Kernel& kernel, const std::vector<Touch>& touches, SlotId in, SlotId out) {
  const Touch* store = nullptr;
  for (const Touch& touch : touches) {
    if (touch.access->slot != out) continue;
    if (!touch.store || store) return false;
    store = &touch;
  }
  if (!store) return false;
  for (const Touch& touch : touches) {
    const Slot& slot = kernel.slots[touch.access->slot];
    if (slot.space != SlotSpace::Buffer || slot.value != kernel.slots[in].value) continue;
    if (touch.access->slot != in || !precedes(touch, *store)) return false;
  }
  return true;
}

void count_operation(OpKind op, Cost& cost, double times) {
  switch (op) {
    case OpKind::Div:
    case OpKind::IntDiv:
    case OpKind::Mod:
    case OpKind::Sqrt:
      cost.divide += times;
      return;
    case OpKind::Exp:
    case OpKind::Expm1:
    case OpKind::Log:
    case OpKind::Log1p:
    case OpKind::Sin:
    case OpKind::Cos:
    case OpKind::Tanh:
    case OpKind::Sigmoid:
    case OpKind::Erf:
    case OpKind::NormalCdf:
    case OpKind::NormalDensity:
    case OpKind::Pow:
    case OpKind::RandomBits:
      cost.transcendental += times;
      return;
    default:
      cost.simple += times;
      return;
  }
}

/// Work of a kernel's text at `rows` rows. A block that an outer axis begins and its whole range
/// caps is on average as long as the range over the number of blocks.
class Work {
 public:
  explicit Work(int64_t rows) : rows_(static_cast<double>(rows)) {}

  void count(const std::vector<Stmt>& body, double times);
  int64_t items(const std::vector<Stmt>& body);
  Cost cost;

 private:
  double size(const Affine& affine) const {
    return static_cast<double>(affine.constant) + static_cast<double>(affine.per_n) * rows_;
  }
  /// Its value where the loops around stand in their middles.
  double middle(const Affine& affine) const {
    double size = this->size(affine);
    for (const Affine::Term& term : affine.terms) {
      const auto found = middles_.find(term.axis);
      if (found != middles_.end()) size += static_cast<double>(term.coefficient) * found->second;
    }
    return size;
  }
  double blocks(const Affine& from) const {
    double blocks = 1;
    for (const Affine::Term& term : from.terms) {
      const auto found = turns_.find(term.axis);
      if (found != turns_.end()) blocks *= found->second;
    }
    return blocks;
  }
  double span(const Affine& from, const Bound& to) const {
    double span = (middle(to.value) - middle(from)) / static_cast<double>(to.divisor);
    if (to.cap) span = std::min(span, (size(*to.cap) - size(from)) / blocks(from));
    return std::max(span, 0.0);
  }
  /// Turns of a loop. Lanes advance by vectors, but work is counted in elements.
  double turns(const Loop& loop) {
    const double step = loop.kind == LoopKind::Lanes ? 1 : static_cast<double>(loop.step);
    const double turns = span(loop.from, loop.to) / step;
    const double whole = loop.from.terms.empty() ? std::ceil(turns) : turns;
    turns_[loop.axis] = blocks(loop.from) * whole;
    middles_[loop.axis] = middle(loop.from) + turns * step / 2;
    return whole;
  }
  void count_tile(const Tile& tile, double times) {
    const double rows = span(tile.i_from, tile.i_to);
    middles_[tile.i] = middle(tile.i_from) + rows / 2;
    const double elements = times * rows * span(tile.j_from, tile.j_to);
    cost.fma += elements * span(tile.micro.k_from, tile.micro.k_to);
    count(tile.epilogue, elements);
  }

  double rows_;
  std::map<AxisId, double> turns_;    // of each loop around, in all its blocks
  std::map<AxisId, double> middles_;  // of their ranges, for those that begin or end at an axis
};

void Work::count(const std::vector<Stmt>& body, double times) {
  for (const Stmt& stmt : body) {
    if (const auto* tile = std::get_if<Tile>(&stmt.body)) count_tile(*tile, times);
    if (const auto* let = std::get_if<Let>(&stmt.body)) count_operation(let->op, cost, times);
    if (std::get_if<Fold>(&stmt.body)) cost.simple += times;
    if (const auto* branch = std::get_if<If>(&stmt.body)) count(branch->body, times);
    if (const auto* loop = std::get_if<Loop>(&stmt.body)) count(loop->body, times * turns(*loop));
  }
}

int64_t Work::items(const std::vector<Stmt>& body) {
  double items = 1;
  const std::vector<Stmt>* inside = &body;
  while (inside->size() == 1) {
    const auto* loop = std::get_if<Loop>(&inside->front().body);
    if (!loop || loop->kind != LoopKind::Par) break;
    items *= turns(*loop);
    inside = &loop->body;
  }
  return static_cast<int64_t>(std::ceil(items));
}

}  // namespace

void offer_sharing(Kernel& kernel) {
  const Touches touches(kernel);
  for (size_t o = 0; o < kernel.slots.size(); ++o) {
    Slot& out = kernel.slots[SlotId(o)];
    if (out.space != SlotSpace::Buffer || out.dir != SlotDir::Out) continue;
    for (size_t i = 0; i < kernel.slots.size(); ++i) {
      const Slot& in = kernel.slots[SlotId(i)];
      if (in.space != SlotSpace::Buffer || in.dir != SlotDir::In || !same_form(in, out)) continue;
      if (may_share(kernel, touches.all, SlotId(i), SlotId(o))) out.may_share.push_back(SlotId(i));
    }
  }
}

Cost count_cost(const Kernel& kernel, int64_t capacity) {
  Work work(capacity);
  work.count(kernel.body, 1);
  Cost cost = work.cost;
  for (const Slot& slot : kernel.slots) {
    if (slot.space != SlotSpace::Buffer) continue;
    double bytes = static_cast<double>(dtype_size(slot.dtype));
    for (Dim extent : slot.extents) bytes *= static_cast<double>(extent.at(capacity));
    cost.bytes += slot.dir == SlotDir::InOut ? 2 * bytes : bytes;
  }
  cost.items = work.items(kernel.body);
  return cost;
}

}  // namespace gradus::kernel
