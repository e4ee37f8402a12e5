// What the builders of all classes share: a kernel under construction, with slots made from views,
// blocks that open and close, and member nodes emitted once each where their operands stand.
//
// A statement goes into the innermost open block whose axes or values it depends on (but never outside
// the par loops), so that what does not change along a loop is computed before it. Every block
// remembers which member has which value at which point.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/cluster_space.h"
#include "kernel/kernel.h"

namespace gradus::kernel {

/// Where in the cluster's space the loops stand: one index per dimension.
using Point = std::vector<Index>;

class KernelBuilder {
 public:
  KernelBuilder(const Graph& graph, const Clustering& clustering, ClusterId cluster,
                const ClusterSpace& space);

  const Graph& graph() const { return *graph_; }
  const Cluster& cluster() const { return *cluster_; }
  const ClusterSpace& space() const { return space_; }
  Kernel& kernel() { return kernel_; }
  bool is_member(NodeId id) const;
  bool is_yield(NodeId id) const;

  AxisId make_axis(std::string name);
  ValueId make_value(DType dtype);

  // Blocks. close_loop appends the loop to the block around it; close_body hands the statements over
  // (a tile's epilogue, the body of an If), `axes` are those that run inside it.
  Loop& open_loop(LoopKind kind, AxisId axis, Affine from, Bound to, int64_t step = 1);
  void close_loop();
  void open_body(std::vector<AxisId> axes);
  std::vector<Stmt> close_body();
  void append(Stmt statement);  // to the innermost block

  // Slots: equal requests give one slot. Names are the values' text names, made unique.
  SlotId buffer_slot(NodeId value, SlotDir dir, std::vector<Dim> extents,
                     std::vector<int64_t> strides, int64_t offset = 0);
  SlotId worker_slot(const std::string& name, DType dtype, std::vector<Dim> extents);
  /// The element of `value`'s buffer at `place`: a slot with one dimension per dimension of the space
  /// that the place depends on.
  Access access(NodeId value, SlotDir dir, const Place& place, const Point& point);
  /// Which buffer a member is stored to: its own, or the leaf it updates, or a copied result's.
  NodeId buffer_of(NodeId member) const;

  // Values.
  /// The value of a member at a point, emitted now if no open block has it.
  Operand value_of(NodeId member, const Point& point);
  /// What `member` reads as operand `k` at its point.
  Operand operand_of(NodeId member, size_t k, const Point& point);
  /// From now on `value` is the member at this point, while the innermost block is open: the result of
  /// a fold or of a micro.
  void bind(NodeId member, const Point& point, ValueId value);
  /// Stores the member at this point if it is a yield (an update: into its leaf).
  void store_yield(NodeId member, const Point& point);
  Operand let(OpKind op, std::vector<Operand> operands, DType dtype);
  Operand load(Access from, std::optional<ValueId> where = {}, double otherwise = 0);
  Operand index_of(const Index& index);

  /// Par, seq or lanes loops over one dimension of the space; the point's entry becomes the axis.
  /// Offers to share buffers, costs and names are added here.
  Kernel finish(const Schedule& schedule, int64_t capacity);

 private:
  struct Memo {
    NodeId member;
    std::vector<Index> at;  // the entries of the point that the member depends on
    Operand value;
  };
  struct Block {
    std::vector<AxisId> axes;
    Loop loop;
    std::vector<Stmt>* body = nullptr;
    std::vector<Memo> memos;
  };

  const Graph* graph_;
  const Clustering* clustering_;
  const Cluster* cluster_;
  ClusterSpace space_;
  Kernel kernel_;
};

Operand operand_of_value(ValueId value);
Operand constant_operand(DType dtype, double value);
/// The point whose entries are these axes; an invalid axis stands for index 0.
Point point_of(const std::vector<AxisId>& axes);

}  // namespace gradus::kernel
