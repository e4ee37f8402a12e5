// What the builders of all classes share: a kernel under construction, with slots made from views,
// blocks that open and close, and member nodes emitted once each where their operands stand.
//
// A statement goes into the innermost open block whose axes or values it depends on (but never
// outside the par loops), so that what does not change along a loop is computed before it. Every
// block remembers which member has which value at which point. Buffers that the kernel writes are
// loaded only at the element that is stored later, so no load may be reordered into being wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cluster/cluster_space.h"
#include "kernel/kernel.h"

namespace gradus::kernel {

/// Where in the cluster's space the loops stand: one index per dimension.
using Point = std::vector<Index>;

class KernelBuilder {
 public:
  KernelBuilder(const Graph& graph, const Clustering& clustering, const Cluster& cluster,
                ClusterSpace space);

  const Graph& graph() const { return *graph_; }
  const Cluster& cluster() const { return *cluster_; }
  const ClusterSpace& space() const { return space_; }
  Kernel& kernel() { return kernel_; }
  bool is_member(NodeId id) const;
  bool is_yield(NodeId id) const;
  /// Yields, and values that are stored at a moved place.
  std::vector<NodeId> stored() const;

  AxisId make_axis(std::string name);
  ValueId make_value(DType dtype);

  // Blocks. close_loop appends the loop to the block around it; close_body hands the statements
  // over (a tile's epilogue, the body of an If), `axes` are those that run inside it.
  Loop& open_loop(LoopKind kind, AxisId axis, Affine from, Bound to, int64_t step = 1);
  void close_loop();
  void open_body(std::vector<AxisId> axes);
  std::vector<Stmt> close_body();
  void append(Stmt statement);  // to the innermost block
  /// Adds a fold to the innermost loop, of `value`; answers its result, visible when the loop is
  /// closed.
  ValueId fold(OpKind op, Operand value, DType result);

  // Slots: equal requests give one slot. Names are the values' text names, made unique.
  SlotId buffer_slot(NodeId value, SlotDir dir, std::vector<Dim> extents,
                     std::vector<int64_t> strides, int64_t offset = 0);
  SlotId worker_slot(const std::string& name, DType dtype, std::vector<int64_t> extents);
  /// The element of `value`'s buffer at `map`: a slot with one dimension per dimension of the
  /// space that the map depends on.
  Access access(NodeId value, SlotDir dir, const AccessMap& map, const Point& point);
  /// The element of a view at these indices, one per dimension of the view.
  Access access(const View& view, SlotDir dir, const std::vector<Index>& indices);
  /// Which buffer a value is read from or stored to: its own, or the leaf that it updates.
  NodeId buffer_of(NodeId value) const;

  // Values.
  /// The value of a member at a point, emitted now if no open block has it.
  Operand value_of(NodeId member, const Point& point);
  /// What `member` reads as operand `k` at its point.
  Operand operand_of(NodeId member, size_t k, const Point& point);
  /// What stands at `map` of `source`: a constant, an iota, a draw, or a load.
  Operand read(NodeId source, const AccessMap& map, const Point& point);
  /// The element of a view at these indices, one per dimension; whatever its source is.
  Operand read(const View& view, const std::vector<Index>& indices);
  /// From now on `value` is the member at this point, while the innermost block is open: the result
  /// of a fold or of a micro.
  void bind(NodeId member, const Point& point, ValueId value);
  bool is_bound(NodeId member, const Point& point) const;
  /// Stores these members at this point: yields in their buffers (an update in its leaf), moved
  /// ones where they go. All values stand before the first store: a leaf that one of them
  /// overwrites is read by others.
  void store_yields(const std::vector<NodeId>& yields, const Point& point);
  /// Stores into the buffer of `value`; `map` as in access.
  void store(NodeId value, const AccessMap& map, const Point& point, Operand what);
  Operand let(OpKind op, std::vector<Operand> operands, DType dtype, int64_t stream = 0);
  /// A load that may move out of loops it does not depend on; equal ones are made once.
  Operand load(Access from, std::optional<ValueId> where = {}, double default_value = 0);
  /// A load that stays here: of a slot that this kernel also writes elsewhere.
  Operand load_here(Access from);
  Operand index_of(const Index& index);
  /// A linear form at a point; loaded entries are multiplied and added up.
  Index at(const AccessMap& map, const Point& point);

  /// Offers to share buffers, worker slots' places, names and costs are added; the kernel is done.
  Kernel finish(const Schedule& schedule, int64_t capacity);

 private:
  struct Memo {
    NodeId member;
    std::vector<Index> at;  // the entries of the point that the member depends on
    Operand value;
  };
  struct KnownLoad {
    Access from;
    Operand value;
  };
  struct Block {
    std::vector<AxisId> axes;
    Loop loop;
    std::vector<Memo> memos;
    std::vector<KnownLoad> loads;
    std::vector<Block> held;  // what closed held loops inside this block left behind
  };

  void store_moved(NodeId value, const Point& point, Operand what);
  size_t hoist_limit() const;
  size_t depth_of(const Affine& affine) const;
  size_t depth_of(const Operand& operand) const;
  size_t depth_of(const Index& index) const;
  void append_at(size_t depth, Stmt statement);
  ValueId define(DType dtype, size_t depth);
  std::vector<Index> key_of(NodeId member, const Point& point) const;
  std::optional<Operand> remembered(NodeId member, const std::vector<Index>& at) const;
  Operand emit(NodeId member, const Point& point);
  Operand emit_crossing(NodeId member, const Point& point);
  Operand emit_pad(NodeId member, const Point& point);
  Operand emit_concat(NodeId member, const Point& point);
  Operand emit_gather(NodeId member, const Point& point);
  Operand emit_take_along(NodeId member, const Point& point);
  Operand emit_put_along(NodeId member, const Point& point);
  std::vector<Index> coordinates(NodeId member, const Point& point);
  Operand guarded(const View& view, const std::vector<Index>& indices, const Operand& inside,
                  DType dtype, double default_value);
  static Index loaded_index(const Operand& index);
  Operand between(const Index& index, int64_t low, int64_t high);
  std::string slot_name(NodeId value) const;

  const Graph* graph_;
  const Clustering* clustering_;
  const Cluster* cluster_;
  ClusterSpace space_;
  Kernel kernel_;
  const IdVector<NodeId, std::string>& names_;
  std::vector<Block> blocks_;
  IdVector<ValueId, size_t> depths_;
};

/// The variable in whose buffer this value is stored; the value itself where it has its own.
NodeId stored_in(const Clustering& clustering, NodeId value);
Operand operand_of_value(ValueId value, DType dtype);
Operand constant_operand(DType dtype, double value);
/// The point whose entries are these axes; an invalid axis stands for index 0.
Point point_of(const std::vector<AxisId>& axes);
Bound bound_of(Dim dim);
Affine plus(Affine a, const Affine& b, int64_t factor = 1);

}  // namespace gradus::kernel
