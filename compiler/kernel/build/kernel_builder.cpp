// Statements find their own depth: this is where loop-invariant code is hoisted, so no later pass
// moves anything.
//
//   blocks_[0]        the kernel's body
//   blocks_[1..p]     par loops                hoist_limit() = p: nothing goes above it, as code
//   blocks_[p+1..]    seq, lanes, tile bodies  before the items would run in no item
//
// Invariant: depths_[v] is the outermost block in which v's value does not change; a statement
// stands at the maximum of its operands' depths and of the blocks whose axes its indices name. As
// blocks are open from the outside in and statements are only appended, a definition always stands
// before its uses.
//
// Values are numbered like this (local value numbering, Cocke & Schwartz): what a member is at a
// point, or what an access loads, is looked up in the open blocks first. A value found there was
// made at or above this block, so it is still the same. When a block closes, what it knew is
// forgotten, unless it is held: then a later loop over the same axis may read it.
#include "kernel/build/kernel_builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/op.h"
#include "kernel/build/build.h"
#include "kernel/build/finish.h"
#include "kernel/scratch.h"
#include "support/check.h"

namespace gradus::kernel {

NodeId stored_in(const Clustering& clustering, NodeId value) {
  const ClusterId producer = clustering.cluster_of[value];
  if (!producer.valid()) return value;
  for (const auto& [from, leaf] : clustering.clusters[producer].updates) {
    if (from == value) return leaf;
  }
  return value;
}

std::string plain_name(const std::string& value_name) {
  std::string name;
  for (char c : value_name.substr(1)) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    name += plain ? c : '_';
  }
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) name = "v" + name;
  return name;
}

Operand operand_of_value(ValueId value, DType dtype) { return {value, 0, dtype}; }
Operand constant_operand(DType dtype, double value) { return {ValueId(), value, dtype}; }

Affine plus(Affine a, const Affine& b, int64_t factor) {
  if (factor == 0) return a;
  a.constant += factor * b.constant;
  a.per_n += factor * b.per_n;
  for (const Affine::Term& term : b.terms) {
    const auto at = std::lower_bound(
        a.terms.begin(), a.terms.end(), term,
        [](const Affine::Term& x, const Affine::Term& y) { return x.axis < y.axis; });
    if (at == a.terms.end() || at->axis != term.axis) {
      a.terms.insert(at, {term.axis, factor * term.coefficient});
    } else if ((at->coefficient += factor * term.coefficient) == 0) {
      a.terms.erase(at);
    }
  }
  return a;
}

Point point_of(const std::vector<AxisId>& axes) {
  Point point;
  for (AxisId axis : axes) {
    point.push_back({axis.valid() ? Affine::of(axis) : Affine::of(int64_t{0}), ValueId()});
  }
  return point;
}

Bound bound_of(Dim dim) { return {Affine::of(dim), 1, std::nullopt}; }

KernelBuilder::KernelBuilder(const Graph& graph, const Clustering& clustering,
                             const Cluster& cluster, ClusterSpace space)
    : graph_(&graph),
      clustering_(&clustering),
      cluster_(&cluster),
      space_(std::move(space)),
      names_(clustering.names) {
  kernel_.cls = cluster_->cls;
  kernel_.nodes = cluster_->members;
  blocks_.emplace_back();
}

bool KernelBuilder::is_member(NodeId id) const {
  const auto& members = cluster_->members;
  return std::find(members.begin(), members.end(), id) != members.end();
}

bool KernelBuilder::is_yield(NodeId id) const {
  const auto& yields = cluster_->yields;
  return std::find(yields.begin(), yields.end(), id) != yields.end();
}

std::vector<NodeId> KernelBuilder::stored() const {
  std::vector<NodeId> stored = cluster_->yields;
  for (const auto& [value, into] : cluster_->moves) {
    if (!is_yield(value)) stored.push_back(value);
  }
  return stored;
}

AxisId KernelBuilder::make_axis(std::string name) {
  return kernel_.axes.push_back({std::move(name)});
}

ValueId KernelBuilder::make_value(DType dtype) { return define(dtype, blocks_.size() - 1); }

ValueId KernelBuilder::define(DType dtype, size_t depth) {
  depths_.push_back(depth);
  return kernel_.values.push_back(dtype);
}

// Blocks.

Loop& KernelBuilder::open_loop(LoopKind kind, AxisId axis, Affine from, Bound to, int64_t step) {
  Block block;
  block.axes = {axis};
  block.loop.kind = kind;
  block.loop.axis = axis;
  block.loop.from = std::move(from);
  block.loop.to = std::move(to);
  block.loop.step = step;
  blocks_.push_back(std::move(block));
  return blocks_.back().loop;
}

void KernelBuilder::close_loop() {
  Block block = std::move(blocks_.back());
  blocks_.pop_back();
  Loop loop = std::move(block.loop);
  for (const FoldResult& fold : loop.folds) depths_[fold.result] = blocks_.size() - 1;
  // What a held loop computed stays known to the block around: the next loops of its range use it.
  const bool held = loop.held;
  append({std::move(loop)});
  if (held) blocks_.back().held.push_back(std::move(block));
}

void KernelBuilder::open_body(std::vector<AxisId> axes) {
  blocks_.emplace_back();
  blocks_.back().axes = std::move(axes);
}

std::vector<Stmt> KernelBuilder::close_body() {
  std::vector<Stmt> body = std::move(blocks_.back().loop.body);
  blocks_.pop_back();
  return body;
}

void KernelBuilder::append(Stmt statement) { append_at(blocks_.size() - 1, std::move(statement)); }

void KernelBuilder::append_at(size_t depth, Stmt statement) {
  blocks_[depth].loop.body.push_back(std::move(statement));
}

ValueId KernelBuilder::fold(OpKind op, Operand value, DType result) {
  const ValueId into = define(result, blocks_.size() - 1);
  blocks_.back().loop.folds.push_back({into, op});
  append({Fold{into, value}});
  return into;
}

/// The innermost par loop. Code above it would stand outside of the items: only items are run.
size_t KernelBuilder::hoist_limit() const {
  size_t depth = 0;
  for (size_t i = 1; i < blocks_.size(); ++i) {
    if (blocks_[i].loop.axis.valid() && blocks_[i].loop.kind == LoopKind::Par) depth = i;
  }
  return depth;
}

size_t KernelBuilder::depth_of(const Affine& affine) const {
  size_t depth = 0;
  for (size_t i = 1; i < blocks_.size(); ++i) {
    for (AxisId axis : blocks_[i].axes) {
      for (const Affine::Term& term : affine.terms) {
        if (term.axis == axis) depth = i;
      }
    }
  }
  return depth;
}

size_t KernelBuilder::depth_of(const Operand& operand) const {
  return operand.value.valid() ? depths_[operand.value] : 0;
}

size_t KernelBuilder::depth_of(const Index& index) const {
  const size_t depth = depth_of(index.affine);
  return index.loaded.valid() ? std::max(depth, depths_[index.loaded]) : depth;
}

// Slots.

std::string KernelBuilder::slot_name(NodeId value) const {
  const std::string name = plain_name(names_[value]);
  const auto taken = [&](const std::string& candidate) {
    return std::any_of(kernel_.slots.begin(), kernel_.slots.end(),
                       [&](const Slot& slot) { return slot.name == candidate; });
  };
  std::string unique = name;
  for (int i = 2; taken(unique); ++i) unique = fmt::format("{}_{}", name, i);
  return unique;
}

NodeId KernelBuilder::buffer_of(NodeId value) const {
  return stored_in(*clustering_, value);
}

/// One slot for each (buffer, view). Two views of one buffer are two slots: an index has a meaning
/// only together with its slot's extents and strides.
SlotId KernelBuilder::buffer_slot(NodeId value, SlotDir dir, std::vector<Dim> extents,
                                  std::vector<int64_t> strides, int64_t offset) {
  const NodeId buffer = buffer_of(value);
  for (size_t i = 0; i < kernel_.slots.size(); ++i) {
    Slot& slot = kernel_.slots[SlotId(i)];
    if (slot.space != SlotSpace::Buffer || slot.value != buffer || slot.result >= 0 ||
        slot.extents != extents || slot.strides != strides || slot.offset != offset) {
      continue;
    }
    if (slot.dir != dir) slot.dir = SlotDir::InOut;
    return SlotId(i);
  }
  Slot slot;
  slot.name = slot_name(buffer);
  slot.dir = dir;
  slot.dtype = graph_->type(value).dtype;
  slot.extents = std::move(extents);
  slot.strides = std::move(strides);
  slot.offset = offset;
  slot.value = buffer;
  return kernel_.slots.push_back(std::move(slot));
}

SlotId KernelBuilder::worker_slot(const std::string& name, DType dtype,
                                  std::vector<int64_t> extents) {
  return kernel_.slots.push_back(make_worker_slot(name, std::move(extents), dtype));
}

/// Dimensions in which the map does not step are left out: a broadcast operand has fewer extents
/// than the space, and its load is hoisted out of the loops that it does not depend on.
Access KernelBuilder::access(NodeId value, SlotDir dir, const AccessMap& map, const Point& point) {
  std::vector<Dim> extents;
  std::vector<int64_t> strides;
  std::vector<Index> indices;
  for (size_t j = 0; j < map.strides.size(); ++j) {
    if (map.strides[j] == 0) continue;
    extents.push_back(space_.extents[j]);
    strides.push_back(map.strides[j]);
    indices.push_back(point[j]);
  }
  return {buffer_slot(value, dir, std::move(extents), std::move(strides), map.offset),
          std::move(indices)};
}

Access KernelBuilder::access(const View& view, SlotDir dir, const std::vector<Index>& indices) {
  std::vector<Dim> extents;
  std::vector<int64_t> strides;
  std::vector<Index> used;
  for (size_t d = 0; d < view.extents.size(); ++d) {
    if (view.extents[d].is_one()) continue;
    extents.push_back(view.extents[d]);
    strides.push_back(view.strides[d]);
    used.push_back(indices[d]);
  }
  return {buffer_slot(view.source, dir, std::move(extents), std::move(strides), view.offset),
          std::move(used)};
}

// Statements.

/// Every operation is pure, so it may stand as far out as its operands allow.
Operand KernelBuilder::let(OpKind op, std::vector<Operand> operands, DType dtype, int64_t stream) {
  size_t depth = hoist_limit();
  for (const Operand& operand : operands) depth = std::max(depth, depth_of(operand));
  const ValueId result = define(dtype, depth);
  append_at(depth, {Let{result, op, std::move(operands), stream}});
  return operand_of_value(result, dtype);
}

Operand KernelBuilder::index_of(const Index& index) {
  Operand loaded;
  if (index.loaded.valid()) {
    loaded = operand_of_value(index.loaded, kernel_.values[index.loaded]);
    if (loaded.dtype != DType::I32) loaded = let(OpKind::Convert, {loaded}, DType::I32);
  }
  if (index.affine.terms.empty() && index.affine.per_n == 0) {
    const Operand constant =
        constant_operand(DType::I32, static_cast<double>(index.affine.constant));
    if (!index.loaded.valid()) return constant;
    if (index.affine.constant == 0) return loaded;
    return let(OpKind::Add, {loaded, constant}, DType::I32);
  }
  const size_t depth = std::max(hoist_limit(), depth_of(index.affine));
  const ValueId result = define(DType::I32, depth);
  append_at(depth, {IndexOf{result, index.affine}});
  const Operand value = operand_of_value(result, DType::I32);
  return index.loaded.valid() ? let(OpKind::Add, {value, loaded}, DType::I32) : value;
}

Operand KernelBuilder::load(Access from, std::optional<ValueId> where, double default_value) {
  size_t depth = hoist_limit();
  for (const Index& index : from.indices) depth = std::max(depth, depth_of(index));
  if (where) depth = std::max(depth, depths_[*where]);
  const auto same = [&](const KnownLoad& known) {
    return known.from.slot == from.slot && known.from.indices == from.indices;
  };
  // Loads under a guard are not looked up: another guard may fail where this one holds.
  if (!where) {
    for (const Block& block : blocks_) {
      for (const KnownLoad& known : block.loads) {
        if (same(known)) return known.value;
      }
    }
    for (const Block& block : blocks_[blocks_.size() < 2 ? 0 : blocks_.size() - 2].held) {
      if (blocks_.back().axes != block.axes) continue;
      for (const KnownLoad& known : block.loads) {
        if (same(known)) return known.value;
      }
    }
  }
  const DType dtype = kernel_.slots[from.slot].dtype;
  const Operand value = operand_of_value(define(dtype, depth), dtype);
  append_at(depth, {Load{value.value, from, where.value_or(ValueId()), default_value}});
  if (!where) blocks_[depth].loads.push_back({std::move(from), value});
  return value;
}

/// Neither hoisted nor reused: the slot is written in the same loop (accumulators, spills).
Operand KernelBuilder::load_here(Access from) {
  const DType dtype = kernel_.slots[from.slot].dtype;
  const ValueId result = make_value(dtype);
  append({Load{result, std::move(from), ValueId(), 0}});
  return operand_of_value(result, dtype);
}

Index KernelBuilder::at(const AccessMap& map, const Point& point) {
  Index index{Affine::of(map.offset), ValueId()};
  for (size_t j = 0; j < map.strides.size(); ++j) {
    const int64_t stride = map.strides[j];
    if (stride == 0) continue;
    index.affine = plus(index.affine, point[j].affine, stride);
    if (!point[j].loaded.valid()) continue;
    Operand loaded = operand_of_value(point[j].loaded, DType::I32);
    if (stride != 1) {
      const Operand factor = constant_operand(DType::I32, static_cast<double>(stride));
      loaded = let(OpKind::Mul, {loaded, factor}, DType::I32);
    }
    if (index.loaded.valid()) {
      loaded = let(OpKind::Add, {operand_of_value(index.loaded, DType::I32), loaded}, DType::I32);
    }
    index.loaded = loaded.value;
  }
  return index;
}

// Members.

/// A member that is folded along a dimension does not depend on where the loops stand in it: its
/// key leaves that entry out, so that all columns of a row find the one value.
std::vector<Index> KernelBuilder::key_of(NodeId member, const Point& point) const {
  const bool all = level_of(*graph_, space_, member) == Level::Full;
  std::vector<Index> key;
  for (size_t j = 0; j < point.size(); ++j) {
    if (all || !space_.folded[j]) key.push_back(point[j]);
  }
  return key;
}

/// In the open blocks, then in the held loops that closed beside this one and have its axis.
std::optional<Operand> KernelBuilder::remembered(NodeId member,
                                                 const std::vector<Index>& at) const {
  const auto find = [&](const Block& block) -> std::optional<Operand> {
    for (const Memo& memo : block.memos) {
      if (memo.member == member && memo.at == at) return memo.value;
    }
    return std::nullopt;
  };
  for (const Block& block : blocks_) {
    if (const auto value = find(block)) return value;
  }
  if (blocks_.size() < 2) return std::nullopt;
  for (const Block& block : blocks_[blocks_.size() - 2].held) {
    if (block.axes != blocks_.back().axes) continue;
    if (const auto value = find(block)) return value;
  }
  return std::nullopt;
}

void KernelBuilder::bind(NodeId member, const Point& point, ValueId value) {
  blocks_.back().memos.push_back(
      {member, key_of(member, point), operand_of_value(value, graph_->type(member).dtype)});
}

bool KernelBuilder::is_bound(NodeId member, const Point& point) const {
  return remembered(member, key_of(member, point)).has_value();
}

/// Demand-driven: emitting a member emits what it reads first, at the same point. The recursion
/// ends at buffers and at values that are bound (folds, tiles); a cluster has no cycles.
Operand KernelBuilder::value_of(NodeId member, const Point& point) {
  std::vector<Index> key = key_of(member, point);
  if (const auto known = remembered(member, key)) return *known;
  const Operand value = emit(member, point);
  blocks_[std::max(hoist_limit(), depth_of(value))].memos.push_back(
      {member, std::move(key), value});
  return value;
}

Operand KernelBuilder::operand_of(NodeId member, size_t k, const Point& point) {
  const View view = operand_view(*graph_, member, k);
  if (is_member(view.source)) return value_of(view.source, point);
  const Node& source = (*graph_)[view.source];
  const auto map = source.op == OpKind::Iota ? iota_map(*graph_, space_, member, view)
                                             : operand_map(*graph_, space_, member, view);
  GRADUS_CHECK(map.has_value(),
               fmt::format("operand {} of {} has an access map", k, names_[member]));
  return read(view.source, *map, point);
}

Operand KernelBuilder::read(NodeId source, const AccessMap& map, const Point& point) {
  const Node& node = (*graph_)[source];
  const DType dtype = node.type.dtype;
  if (op_def(node.op).fact != StepFact::None) return let(node.op, {}, dtype);
  // Leaves without memory say their element by its place alone, each in its own way.
  switch (node.op) {
    case OpKind::Constant:
      if (is_buffer(node)) break;
      return constant_operand(dtype, node.attrs.get_or<double>(AttrName::Value, 0.0));
    case OpKind::Iota: {
      const Operand index = index_of(at(map, point));
      return dtype == DType::I32 ? index : let(OpKind::Convert, {index}, dtype);
    }
    case OpKind::RandomBits: {
      const Operand index = index_of(at(map, point));
      return let(OpKind::RandomBits, {index}, dtype, node.attrs.integer(AttrName::Stream));
    }
    default:
      break;
  }
  return load(access(source, SlotDir::In, map, point));
}

void KernelBuilder::store(NodeId value, const AccessMap& map, const Point& point, Operand what) {
  append({Store{access(value, SlotDir::Out, map, point), what}});
}

/// All values first, then all stores: an update overwrites a parameter that another value still
/// reads at this point.
void KernelBuilder::store_yields(const std::vector<NodeId>& yields, const Point& point) {
  std::vector<Operand> values;
  for (NodeId yield : yields) values.push_back(value_of(yield, point));
  for (size_t i = 0; i < yields.size(); ++i) {
    if (is_yield(yields[i])) {
      store(yields[i], own_map(*graph_, space_, yields[i]), point, values[i]);
    }
    store_moved(yields[i], point, values[i]);
  }
}

void KernelBuilder::store_moved(NodeId value, const Point& point, Operand what) {
  for (const auto& [from, into] : cluster_->moves) {
    if (from != value) continue;
    const std::optional<View> view = stored_view(*graph_, value, into);
    GRADUS_CHECK(view.has_value(), fmt::format("{} has a place in {}", names_[value], names_[into]));
    append({Store{access(*view, SlotDir::Out, coordinates(value, point)), what}});
  }
}

/// The kernel is named after its anchor; what the loop tree implies (in-place candidates, offsets
/// in scratch, cost) is found from the finished statements, not kept up to date while they grow.
Kernel KernelBuilder::finish(const Schedule& schedule, int64_t capacity) {
  GRADUS_CHECK(blocks_.size() == 1, "all blocks are closed");
  kernel_.body = std::move(blocks_.front().loop.body);
  kernel_.schedule = schedule;
  kernel_.named_after = cluster_->anchor;
  kernel_.name = slot_name(cluster_->anchor);
  for (const Slot& slot : kernel_.slots) {  // the anchor's own slot may have taken the name
    if (slot.value != cluster_->anchor) continue;
    kernel_.name = slot.name;
    if (slot.result >= 0) kernel_.named_after = {};
  }
  place_worker_slots(kernel_);
  offer_sharing(kernel_);
  kernel_.cost = count_cost(kernel_, capacity);
  return std::move(kernel_);
}

}  // namespace gradus::kernel
