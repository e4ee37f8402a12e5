// Strips: the kernels of the parts, built one by one, become one. The loops over items are shared;
// the other item loops of a part run inside. What passes between parts lies in scratch, for one
// item.
//
//   par b0 0..n, b1 0..4
//     pack ...; seq i0 ...; tile ...        // scores of one head
//     seq r0 ...; lanes ...                 // their softmax
//     seq i0 ...; tile ...                  // its product with the values
//
// Why: n scores of n rows are the largest tensor of attention, and each is used twice. For one head
// at a time they fit a cache, so they never go to memory (as in FlashAttention, Dao et al. 2022,
// but with whole rows: softmax is that of the graph, not rescaled block by block, hence the same
// bits).
//
// Invariant: items are independent. A part reads of a value between parts only its own item's
// elements; fusion has checked that (fuse/fuse_strips.h). So an access to such a value loses its
// item indices, and the value's buffer becomes a slot of scratch for one item:
//
//     buffer  [n, heads, L, L] at (b0, b1, i, j)      ->      item [L, L] at (i, j)
//
// Scratch of one worker, values between parts first:
//
//     | region 0        | region 1  |   scratch of a part's own     |
//     | scores, weights | dweights  | packs, partial tiles, spills  |
//
// Under a causal mask (kernel/schedule/triangle.h) rows are cut in bands as high as a register
// tile. Of a band, columns beyond its last row are neither computed nor read:
//
//   scores, and their cotangents   j < i + rows        shares @ values       k < i + rows
//   rows of softmax                c < r0 + rows       transposed shares     k >= i
#include <algorithm>
#include <iterator>

#include "graph/sum_order.h"
#include "kernel/build/build.h"
#include "kernel/build/classes.h"
#include "kernel/build/finish.h"
#include "kernel/build/renumber.h"
#include "kernel/schedule/choose.h"
#include "kernel/schedule/contract_shape.h"
#include "kernel/schedule/strip_bands.h"
#include "kernel/scratch.h"
#include "kernel/walk.h"
#include "support/check.h"
#include "support/round.h"

namespace gradus::kernel {

namespace {

/// A value that passes between parts, in scratch of one item. Values share a region where one is
/// done with before the other begins, or where the part that reads the one last offers its place.
struct Intermediate {
  NodeId value;
  SlotId slot;
  size_t first = 0, last = 0;  // parts that store and read it
  size_t region = 0;
};

class StripBuilder {
 public:
  explicit StripBuilder(const BuildInput& input)
      : input_(input),
        graph_(input.graph),
        strip_(input.cluster),
        bands_(find_bands(graph_, strip_)) {}

  Kernel build();

 private:
  const BuildInput& input_;
  const Graph& graph_;
  const Cluster& strip_;
  std::optional<Bands> bands_;
  Kernel kernel_;
  std::vector<AxisId> item_axes_;
  std::vector<Loop> item_loops_;
  std::vector<Stmt> body_;
  std::vector<Intermediate> intermediates_;        // values that pass between parts
  std::vector<SlotId> private_;                    // scratch of single parts
  std::vector<std::pair<SlotId, SlotId>> offers_;  // of one intermediate's place to another
  std::vector<AxisId> part_items_;                 // the part's own axes of items
  size_t part_ = 0;                                // its number
  bool padded_vectors_ = false;                    // bands are computed in whole vectors

  bool is_intermediate(NodeId value) const;
  Schedule part_schedule(const Cluster& part) const;
  Schedule contract_schedule(const Cluster& part) const;
  Kernel part_kernel(const Cluster& part) const;
  bool bands_are_padded() const;
  void add_part(Kernel part);
  void remove_item_loops(Kernel& part);
  IdVector<SlotId, SlotId> place_slots(const Kernel& part);
  void note_offers(const Kernel& part, const IdVector<SlotId, SlotId>& places);
  bool may_follow(const Intermediate& later, const Intermediate& earlier) const;
  void share_regions();
  void place_scratch();
  void cut_rows(Kernel& kernel) const;
  void cut_tiles(const Cluster& part, Kernel& kernel) const;
  SlotId intermediate_slot(NodeId value);
  SlotId shared_slot(const Slot& slot);
  void enter_item(const Slot& from, Access& access) const;
  Kernel finish();
};

bool StripBuilder::is_intermediate(NodeId value) const {
  const auto holds = [value](const std::vector<NodeId>& nodes) {
    return std::binary_search(nodes.begin(), nodes.end(), value);
  };
  if (!holds(strip_.members) && !holds(strip_.repeats)) return false;
  return std::ranges::find(strip_.yields, value) == strip_.yields.end();
}

/// Register tiles of equal height in all parts, as bands ask for; each product in one block.
Schedule StripBuilder::contract_schedule(const Cluster& part) const {
  Schedule s = choose_schedule(graph_, part, input_.target, input_.capacity);
  const ContractShape shape = contract_shape(graph_, part, s.swapped);
  const int64_t lanes = input_.target.lanes;
  s.mr = input_.schedule.rows;
  s.nv = shape.columns.value <= lanes ? 1 : 2;
  s.mc = round_up(shape.rows.value, s.mr);
  s.nc = round_up(shape.columns.value, s.nv * lanes);
  s.kc = shape.inner.value <= kProductChunk ? shape.inner.value : kProductChunk / 2;
  return s;
}

Schedule StripBuilder::part_schedule(const Cluster& part) const {
  if (part.cls == ClusterClass::Contract) return contract_schedule(part);
  Schedule s = choose_schedule(graph_, part, input_.target, input_.capacity);
  s.rows = bands_ ? input_.schedule.rows : 1;
  if (bands_) s.held = false;
  return s;
}

Kernel StripBuilder::part_kernel(const Cluster& part) const {
  const Schedule schedule = part_schedule(part);
  return build_cluster({graph_, input_.clustering, part, schedule, input_.target, input_.capacity});
}

/// Whether what a band's last vector holds beyond the band has been computed: tiles over packed
/// columns are whole, and so are rows of whole vectors.
bool StripBuilder::bands_are_padded() const {
  if (!bands_ || bands_->columns % input_.target.lanes != 0) return false;
  return std::ranges::all_of(strip_.parts, [&](const Cluster& part) {
    return part.cls != ClusterClass::Contract || !Bands::has(bands_->trims_columns, part.anchor) ||
           contract_schedule(part).pack_right;
  });
}

Kernel StripBuilder::build() {
  for (Dim item : strip_.items) {
    if (item.is_one()) continue;
    const AxisId axis = kernel_.axes.push_back({"b" + std::to_string(item_axes_.size())});
    item_axes_.push_back(axis);
    Loop loop;
    loop.kind = LoopKind::Par;
    loop.axis = axis;
    loop.to = {Affine::of(item), 1, std::nullopt};
    item_loops_.push_back(std::move(loop));
  }
  padded_vectors_ = bands_are_padded();
  for (const Cluster& part : strip_.parts) {
    Kernel kernel = part_kernel(part);
    remove_item_loops(kernel);
    if (bands_ && part.cls == ClusterClass::Contract) cut_tiles(part, kernel);
    if (bands_ && part.cls == ClusterClass::Rows) cut_rows(kernel);
    if (part.anchor == strip_.anchor) {
      kernel_.name = kernel.name;
      kernel_.named_after = kernel.named_after;
    }
    add_part(std::move(kernel));
    ++part_;
  }
  return finish();
}

/// Tiles of the part: the columns that a band needs, the terms that are not 0.
void StripBuilder::cut_tiles(const Cluster& part, Kernel& kernel) const {
  const int64_t rows = input_.schedule.rows;
  walk(kernel.body, [&](Stmt& stmt) {
    Tile* tile = std::get_if<Tile>(&stmt.body);
    if (!tile) return;
    const Affine end{rows, 0, {{tile->i, 1}}};
    if (Bands::has(bands_->trims_columns, part.anchor)) {
      tile->j_to = {end, 1, Affine::of(bands_->columns)};
      tile->padded = padded_vectors_;
    }
    if (Bands::has(bands_->k_ends_at_diagonal, part.anchor)) {
      tile->micro.k_to = {end, 1, Affine::of(bands_->columns)};
    }
    if (Bands::has(bands_->k_starts_at_diagonal, part.anchor))
      tile->micro.k_from = Affine::of(tile->i);
  });
}

/// Lanes loops of a band's rows end with the band. What they leave out is the identity of each
/// fold.
void StripBuilder::cut_rows(Kernel& kernel) const {
  const int64_t rows = input_.schedule.rows;
  const Loop* bands = std::get_if<Loop>(&kernel.body.front().body);
  GRADUS_CHECK(bands && bands->step == rows, "rows of a strip run in bands");
  const Affine end{rows, 0, {{bands->axis, 1}}};
  walk(kernel.body, [&](Stmt& stmt) {
    Loop* loop = std::get_if<Loop>(&stmt.body);
    if (!loop || loop->kind != LoopKind::Lanes) return;
    loop->to = {end, 1, Affine::of(bands_->columns)};
    loop->padded = padded_vectors_;
  });
}

/// Takes the loops over items off; the other loops over items of the part run one after the other.
void StripBuilder::remove_item_loops(Kernel& part) {
  part_items_.clear();
  for (size_t i = 0; i < item_axes_.size(); ++i) {
    Loop* loop = part.body.size() == 1 ? std::get_if<Loop>(&part.body.front().body) : nullptr;
    GRADUS_CHECK(loop && loop->kind == LoopKind::Par && loop->to == item_loops_[i].to,
                 "a part of a strip begins with the loops over its items");
    part_items_.push_back(loop->axis);
    std::vector<Stmt> inside = std::move(loop->body);
    part.body = std::move(inside);
  }
  walk(part.body, [](Stmt& stmt) {
    Loop* loop = std::get_if<Loop>(&stmt.body);
    if (loop && loop->kind == LoopKind::Par) loop->kind = LoopKind::Seq;
  });
}

/// Scratch for one item of a value. Its rows end with a whole tile.
SlotId StripBuilder::intermediate_slot(NodeId value) {
  for (Intermediate& known : intermediates_) {
    if (known.value != value) continue;
    known.last = part_;
    return known.slot;
  }
  const TensorType& type = graph_.type(value);
  std::vector<int64_t> extents;
  for (size_t d = strip_.items.size(); d < type.rank(); ++d) extents.push_back(type.shape[d].value);
  const int64_t tile = int64_t{2} * input_.target.lanes;
  if (extents.size() > 1 && extents.back() > 1) extents.back() = round_up(extents.back(), tile);
  const SlotId slot =
      kernel_.slots.push_back(make_worker_slot("item", std::move(extents), type.dtype));
  intermediates_.push_back({value, slot, part_, part_, intermediates_.size()});
  return slot;
}

/// Equal slots of several parts are one.
SlotId StripBuilder::shared_slot(const Slot& slot) {
  for (size_t i = 0; i < kernel_.slots.size(); ++i) {
    Slot& known = kernel_.slots[SlotId(i)];
    const bool same = known.space == SlotSpace::Buffer && known.value == slot.value &&
                      known.result == slot.result && known.extents == slot.extents &&
                      known.strides == slot.strides && known.offset == slot.offset;
    if (!same) continue;
    // What a part has stored is read back by later ones.
    if (known.dir == SlotDir::In && slot.dir != SlotDir::In) known.dir = SlotDir::InOut;
    return SlotId(i);
  }
  Slot added = slot;
  added.may_share.clear();
  return kernel_.slots.push_back(std::move(added));
}

/// An access to a value's buffer as one to the item in scratch: steps through the buffer are steps
/// along the value's dimensions, those along items fall away. The buffer is dense, so an offset is
/// a number in the mixed radix of the extents: its digits are the indices, found by division.
void StripBuilder::enter_item(const Slot& from, Access& access) const {
  const Shape& shape = graph_.type(from.value).shape;
  const std::vector<int64_t> dense = memory_strides(shape);
  const size_t items = strip_.items.size();
  std::vector<Index> indices(shape.size(), Index{Affine::of(int64_t{0}), ValueId()});
  int64_t offset = from.offset;
  for (size_t d = 0; d < shape.size(); ++d) {
    if (shape[d].is_one()) continue;
    indices[d].affine.constant = offset / dense[d];
    offset %= dense[d];
  }
  for (size_t s = 0; s < from.strides.size(); ++s) {
    std::optional<size_t> along;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (shape[d].is_one() || dense[d] > from.strides[s]) continue;
      if (!along || dense[d] > dense[*along]) along = d;
    }
    GRADUS_CHECK(along && from.strides[s] % dense[*along] == 0 && !access.indices[s].loaded.valid(),
                 "an access to a value of a strip steps along its dimensions");
    Affine& index = indices[*along].affine;
    for (const Affine::Term& term : access.indices[s].affine.terms) {
      index.terms.push_back({term.axis, term.coefficient * (from.strides[s] / dense[*along])});
    }
    index.constant += access.indices[s].affine.constant * (from.strides[s] / dense[*along]);
    std::ranges::sort(index.terms, {}, &Affine::Term::axis);
  }
  indices.erase(indices.begin(), indices.begin() + static_cast<std::ptrdiff_t>(items));
  access.indices = std::move(indices);
}

/// The slots of a part under their new numbers, in its order.
IdVector<SlotId, SlotId> StripBuilder::place_slots(const Kernel& part) {
  IdVector<SlotId, SlotId> places;
  for (const Slot& slot : part.slots) {
    if (slot.space == SlotSpace::Worker) {
      private_.push_back(kernel_.slots.push_back(slot));
      places.push_back(private_.back());
    } else {
      places.push_back(is_intermediate(slot.value) ? intermediate_slot(slot.value)
                                                   : shared_slot(slot));
    }
  }
  return places;
}

void StripBuilder::add_part(Kernel part) {
  Renumbering to;
  to.axes.resize(part.axes.size());
  for (size_t i = 0; i < part.axes.size(); ++i) {
    const auto item = std::ranges::find(part_items_, AxisId(i));
    to.axes[AxisId(i)] = item != part_items_.end()
                             ? item_axes_[static_cast<size_t>(item - part_items_.begin())]
                             : kernel_.axes.push_back(part.axes[AxisId(i)]);
  }
  for (DType dtype : part.values) to.values.push_back(kernel_.values.push_back(dtype));
  const IdVector<SlotId, SlotId> places = place_slots(part);
  note_offers(part, places);
  to.slot = [&](SlotId slot) { return places[slot]; };
  to.access = [&](Access& access) {
    const Slot& from = part.slots[access.slot];
    if (from.space == SlotSpace::Buffer && is_intermediate(from.value)) enter_item(from, access);
    access.slot = places[access.slot];
  };
  renumber(part.body, to);
  std::ranges::move(part.body, std::back_inserter(body_));
}

/// The part's offers of places between values of the strip.
void StripBuilder::note_offers(const Kernel& part, const IdVector<SlotId, SlotId>& places) {
  for (size_t i = 0; i < part.slots.size(); ++i) {
    const Slot& out = part.slots[SlotId(i)];
    if (out.space == SlotSpace::Worker || !is_intermediate(out.value)) continue;
    for (SlotId in : out.may_share) {
      if (is_intermediate(part.slots[in].value))
        offers_.emplace_back(places[SlotId(i)], places[in]);
    }
  }
}

bool StripBuilder::may_follow(const Intermediate& later, const Intermediate& earlier) const {
  const Slot &after = kernel_.slots[later.slot], &before = kernel_.slots[earlier.slot];
  if (after.extents != before.extents || after.dtype != before.dtype) return false;
  if (earlier.last < later.first) return true;
  const auto offer = std::pair(later.slot, earlier.slot);
  return earlier.last == later.first && std::ranges::find(offers_, offer) != offers_.end();
}

/// Linear scan over the values in the order of their first parts, as in register allocation: each
/// takes the first region whose values it may follow, else a region of its own. A region is named
/// by the first value in it, and only values of one form share it, so it needs no offsets within.
void StripBuilder::share_regions() {
  for (size_t i = 0; i < intermediates_.size(); ++i) {
    for (size_t region = 0; region < i && intermediates_[i].region == i; ++region) {
      const bool fits =
          std::all_of(intermediates_.begin(), intermediates_.begin() + static_cast<ptrdiff_t>(i),
                      [&](const Intermediate& other) {
                        return other.region != region || may_follow(intermediates_[i], other);
                      });
      if (fits && intermediates_[region].region == region) intermediates_[i].region = region;
    }
  }
}

/// Values between parts lie first, then the scratch of each part in the same place.
void StripBuilder::place_scratch() {
  share_regions();
  Kernel between;
  std::vector<SlotId> regions(intermediates_.size());
  for (const Intermediate& inner : intermediates_) {
    SlotId& region = regions[inner.region];
    if (!region.valid()) region = between.slots.push_back(kernel_.slots[inner.slot]);
  }
  place_worker_slots(between);
  for (const Intermediate& inner : intermediates_) {
    kernel_.slots[inner.slot].worker_offset = between.slots[regions[inner.region]].worker_offset;
  }
  for (SlotId slot : private_) kernel_.slots[slot].worker_offset += between.worker_bytes;
  kernel_.worker_bytes = scratch_end(kernel_);
}

Kernel StripBuilder::finish() {
  for (size_t i = item_loops_.size(); i-- > 0;) {
    Loop loop = std::move(item_loops_[i]);
    loop.body = std::move(body_);
    body_.clear();
    body_.push_back({std::move(loop)});
  }
  kernel_.body = std::move(body_);
  kernel_.cls = ClusterClass::Strip;
  kernel_.schedule = input_.schedule;
  kernel_.nodes = strip_.members;
  place_scratch();
  kernel_.cost = count_cost(kernel_, input_.capacity);
  return std::move(kernel_);
}

}  // namespace

Kernel build_strip(const BuildInput& input) { return StripBuilder(input).build(); }

}  // namespace gradus::kernel
