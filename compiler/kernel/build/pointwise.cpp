// Pointwise clusters and copies: one loop nest over the space, each member once per point.
//
//   all accesses linear over one dimension        par r 0..total step block; lanes i r..r+block
//   short inner dimension                         par r 0..rows step s; seq ...; lanes c 0..columns
//   long inner dimension                          par rows; par c0 step block; lanes c c0..c0+block
//
// The space has merged what is contiguous already (cluster/space_line.h), so lanes run as long as
// any order allows. An item is about `block` elements in all three: whole short rows, or a piece of
// a long one. Outer dimensions are par loops of one row each; the item number runs over all of
// them.
#include <algorithm>

#include "kernel/build/classes.h"
#include "kernel/build/kernel_builder.h"
#include "support/check.h"

namespace gradus::kernel {

namespace {

/// Opens the loops of an item over `space`; closes them all at the end.
class ItemLoops {
 public:
  ItemLoops(KernelBuilder& builder, int64_t block) : builder_(builder), block_(block) {}

  Point open() {
    const std::vector<Dim>& extents = builder_.space().extents;
    if (extents.empty()) return {};
    const Dim inner = extents.back();
    for (size_t j = 0; j + 2 < extents.size(); ++j) open_par(extents[j]);
    const bool whole_rows = extents.size() > 1 && !inner.batch && inner.value * 2 <= block_;
    if (whole_rows) {
      open_blocked(extents[extents.size() - 2], LoopKind::Seq, block_ / inner.value);
      open_lanes_whole(inner);
    } else {
      if (extents.size() > 1) open_par(extents[extents.size() - 2]);
      open_blocked(inner, LoopKind::Lanes, block_);
    }
    return point_of(axes_);
  }
  void close() {
    for (; opened_ > 0; --opened_) builder_.close_loop();
  }

 private:
  void open_par(Dim extent) {
    axes_.push_back(builder_.make_axis(name()));
    builder_.open_loop(LoopKind::Par, axes_.back(), Affine::of(int64_t{0}), bound_of(extent));
    ++opened_;
  }
  void open_lanes_whole(Dim extent) {
    axes_.push_back(builder_.make_axis(name()));
    builder_.open_loop(LoopKind::Lanes, axes_.back(), Affine::of(int64_t{0}), bound_of(extent));
    ++opened_;
  }
  /// par block 0..extent step; kind axis block..block+step max extent
  void open_blocked(Dim extent, LoopKind kind, int64_t step) {
    const AxisId block = builder_.make_axis(name() + "0");
    axes_.push_back(builder_.make_axis(name()));
    builder_.open_loop(LoopKind::Par, block, Affine::of(int64_t{0}), bound_of(extent), step);
    const Bound end{plus(Affine::of(block), Affine::of(step)), 1, Affine::of(extent)};
    builder_.open_loop(kind, axes_.back(), Affine::of(block), end);
    opened_ += 2;
  }
  std::string name() const { return std::string(1, static_cast<char>('i' + axes_.size())); }

  KernelBuilder& builder_;
  int64_t block_;
  std::vector<AxisId> axes_;
  int opened_ = 0;
};

}  // namespace

Kernel build_pointwise(const BuildInput& input) {
  KernelBuilder builder(input.graph, input.clustering, input.cluster,
                        space_of(input.graph, input.cluster));
  ItemLoops loops(builder, input.schedule.block);
  const Point point = loops.open();
  builder.store_yields(builder.cluster().yields, point);
  loops.close();
  return builder.finish(input.schedule, input.capacity);
}

namespace {

/// The buffer that a copy fills: a parameter or state, or a result of its own.
SlotId copy_target(KernelBuilder& builder, const AccessMap& dense) {
  const Graph& graph = builder.graph();
  const Result& result = graph.results[static_cast<size_t>(builder.cluster().copy_result)];
  Slot slot;
  for (size_t j = 0; j < dense.strides.size(); ++j) {
    if (dense.strides[j] == 0) continue;
    slot.extents.push_back(builder.space().extents[j]);
    slot.strides.push_back(dense.strides[j]);
  }
  if (result.kind == ResultKind::Update) {
    for (size_t i = 0; i < graph.size(); ++i) {
      const Node& node = graph[NodeId(i)];
      const bool stored = node.op == OpKind::Param || node.op == OpKind::State;
      if (!stored || leaf_name(node) != result.name) continue;
      return builder.buffer_slot(NodeId(i), SlotDir::Out, slot.extents, slot.strides);
    }
    GRADUS_CHECK(false, "an update names a parameter or state");
  }
  slot.name = "result";
  slot.dir = SlotDir::Out;
  slot.dtype = graph.type(result.value).dtype;
  slot.value = result.value;
  slot.result = builder.cluster().copy_result;
  return builder.kernel().slots.push_back(std::move(slot));
}

}  // namespace

Kernel build_copy(const BuildInput& input) {
  KernelBuilder builder(input.graph, input.clustering, input.cluster,
                        space_of(input.graph, input.cluster));
  const NodeId copied = builder.cluster().anchor;
  ItemLoops loops(builder, input.schedule.block);
  const Point point = loops.open();
  const auto map = copied_map(input.graph, builder.space(), copied);
  GRADUS_CHECK(map.has_value(), "a copy reads a view");
  const Operand value = builder.read(resolve_view(input.graph, copied).source, *map, point);
  const AccessMap dense = own_map(input.graph, builder.space(), copied);
  Access to{copy_target(builder, dense), {}};
  for (size_t j = 0; j < point.size(); ++j) {
    if (dense.strides[j] != 0) to.indices.push_back(point[j]);
  }
  builder.append({Store{std::move(to), value}});
  loops.close();
  return builder.finish(input.schedule, input.capacity);
}

Kernel build_scalar(const BuildInput& input) {
  KernelBuilder builder(input.graph, input.clustering, input.cluster, ClusterSpace{});
  builder.store_yields(builder.cluster().yields, {});
  return builder.finish(input.schedule, input.capacity);
}

}  // namespace gradus::kernel
