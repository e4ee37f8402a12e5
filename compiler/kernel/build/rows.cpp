// Rows clusters: an item is some rows, a row is a few loops over its columns. Each loop computes
// the members of its stage, folds what is folded there and stores what is yielded there. Members
// that a later loop reads are held in registers, computed again from loads, or (dear ones) stashed
// in a row of scratch.
#include <algorithm>

#include "graph/op.h"
#include "kernel/build/classes.h"
#include "kernel/build/kernel_builder.h"
#include "kernel/schedule/stages.h"
#include "support/check.h"

namespace gradus::kernel {

namespace {

bool is_dear(OpKind op) {
  // The math functions, and division as dear as some of them.
  switch (op) {
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
    case OpKind::Div:
    case OpKind::Sqrt:
      return true;
    default:
      return false;
  }
}

class RowsBuilder {
 public:
  explicit RowsBuilder(const BuildInput& input)
      : input_(input),
        graph_(input.graph),
        builder_(input.graph, input.clustering, input.cluster, space_of(input)),
        stages_(find_stages(graph_, input.cluster, builder_.space())) {}

  Kernel build() {
    const auto& folded = builder_.space().folded;
    row_dims_ = static_cast<size_t>(std::find(folded.begin(), folded.end(), true) - folded.begin());
    open_rows();
    column_ = builder_.make_axis("c");
    if (row_dims_ + 1 < folded.size()) {
      gather_row();
    } else {
      for (int stage = 0; stage < stages_.count; ++stage) {
        if (stage + 1 == stages_.count) prepare_row_yields();
        build_loop(stage);
      }
    }
    std::vector<NodeId> row_yields;
    for (NodeId yield : builder_.cluster().yields) {
      if (!is_full(yield)) row_yields.push_back(yield);
    }
    builder_.store_yields(row_yields, row_point());
    for (; opened_ > 0; --opened_) builder_.close_loop();
    return builder_.finish(input_.schedule, input_.capacity);
  }

 private:
  static ClusterSpace space_of(const BuildInput& input) {
    const auto space = find_space(input.graph, input.cluster);
    GRADUS_CHECK(space.has_value(), "a rows cluster has a space");
    return *space;
  }
  bool is_fold(NodeId id) const { return op_def(graph_[id].op).cls == OpClass::Reduce; }
  bool is_full(NodeId id) const {
    return !is_fold(id) && level_of(graph_, builder_.space(), id) == Level::Full;
  }

  /// par over the row dimensions; the innermost in blocks of `rows`.
  void open_rows() {
    const std::vector<Dim>& extents = builder_.space().extents;
    for (size_t j = 0; j < row_dims_; ++j) {
      const bool blocked = j + 1 == row_dims_ && input_.schedule.rows > 1;
      const std::string name(1, static_cast<char>('r' + j));
      if (blocked) {
        const AxisId block = builder_.make_axis(name + "0");
        builder_.open_loop(LoopKind::Par, block, Affine::of(int64_t{0}), bound_of(extents[j]),
                           input_.schedule.rows);
        rows_.push_back(builder_.make_axis(name));
        const Bound end{plus(Affine::of(block), Affine::of(input_.schedule.rows)), 1,
                        Affine::of(extents[j])};
        builder_.open_loop(LoopKind::Seq, rows_.back(), Affine::of(block), end);
        opened_ += 2;
      } else {
        rows_.push_back(builder_.make_axis(name));
        builder_.open_loop(LoopKind::Par, rows_.back(), Affine::of(int64_t{0}),
                           bound_of(extents[j]));
        ++opened_;
      }
    }
  }
  Point row_point() const {
    std::vector<AxisId> axes = rows_;
    axes.resize(builder_.space().extents.size());
    return point_of(axes);
  }
  Point point() const {
    std::vector<AxisId> axes = rows_;
    axes.push_back(column_);
    return point_of(axes);
  }

  /// Values of the row that are known before the last loop read their inputs there: an output of
  /// that loop may then take an input's buffer.
  void prepare_row_yields() {
    const Cluster& cluster = builder_.cluster();
    for (size_t i = 0; i < cluster.members.size(); ++i) {
      const NodeId member = cluster.members[i];
      const bool known = !is_full(member) && stages_.of[i] < stages_.count;
      if (known && builder_.is_yield(member)) builder_.value_of(member, row_point());
    }
  }

  void build_loop(int stage) {
    Loop& loop = builder_.open_loop(LoopKind::Lanes, column_, Affine::of(int64_t{0}),
                                    bound_of(builder_.space().extents.back()));
    loop.held = input_.schedule.held;
    reload_stashes(stage);
    std::vector<std::pair<NodeId, ValueId>> folds;
    std::vector<NodeId> yields;
    const Cluster& cluster = builder_.cluster();
    for (size_t i = 0; i < cluster.members.size(); ++i) {
      const NodeId member = cluster.members[i];
      const Node& node = graph_[member];
      if (is_fold(member) && stages_.of[i] == stage + 1) {
        const Operand value = builder_.operand_of(member, 0, point());
        folds.emplace_back(member, builder_.fold(node.op, value, node.type.dtype));
      } else if (is_full(member) && stages_.of[i] == stage) {
        stash(member, stage);
        if (builder_.is_yield(member)) yields.push_back(member);
      }
    }
    builder_.store_yields(yields, point());
    builder_.close_loop();
    for (const auto& [member, value] : folds) builder_.bind(member, row_point(), value);
  }

  /// A lone fold over dimensions that no single stride says: its row is laid out in scratch first.
  void gather_row() {
    const Cluster& cluster = builder_.cluster();
    const std::vector<Dim>& extents = builder_.space().extents;
    GRADUS_CHECK(cluster.members.size() == 1, "a fold over several dimensions stands alone");
    const NodeId fold = cluster.anchor;
    std::vector<AxisId> axes = rows_;
    Affine linear;
    int64_t length = 1;
    for (size_t j = row_dims_; j < extents.size(); ++j) {
      const LoopKind kind = j + 1 == extents.size() ? LoopKind::Lanes : LoopKind::Seq;
      axes.push_back(builder_.make_axis("g" + std::to_string(j)));
      builder_.open_loop(kind, axes.back(), Affine::of(int64_t{0}), bound_of(extents[j]));
      linear = plus(plus({}, linear, extents[j].value), Affine::of(axes.back()));
      length *= extents[j].value;
    }
    const Operand element = builder_.operand_of(fold, 0, point_of(axes));
    const SlotId row = builder_.worker_slot("row", element.dtype, {length});
    builder_.append({Store{{row, {Index{linear, ValueId()}}}, element}});
    for (size_t j = row_dims_; j < extents.size(); ++j) builder_.close_loop();
    builder_.open_loop(LoopKind::Lanes, column_, Affine::of(int64_t{0}),
                       bound_of(Dim::fixed(length)));
    const Operand value = builder_.load_here({row, {Index{Affine::of(column_), ValueId()}}});
    const ValueId result = builder_.fold(graph_[fold].op, value, graph_.type(fold).dtype);
    builder_.close_loop();
    builder_.bind(fold, row_point(), result);
  }

  struct Stash {
    NodeId member;
    SlotId slot;
    int stage;
  };
  /// Keeps a dear member for the loops that follow.
  void stash(NodeId member, int stage) {
    if (input_.schedule.held || !is_dear_to_repeat(member, stage)) return;
    const Operand value = builder_.value_of(member, point());
    if (!value.value.valid()) return;
    const int64_t length = builder_.space().extents.back().value;
    const SlotId slot =
        builder_.worker_slot("s" + std::to_string(stashes_.size()), value.dtype, {length});
    builder_.append({Store{{slot, {Index{Affine::of(column_), ValueId()}}}, value}});
    stashes_.push_back({member, slot, stage});
  }
  void reload_stashes(int stage) {
    for (const Stash& stash : stashes_) {
      if (!is_read_in(stash.member, stage)) continue;
      const Operand value =
          builder_.load_here({stash.slot, {Index{Affine::of(column_), ValueId()}}});
      builder_.bind(stash.member, point(), value.value);
    }
  }
  bool is_dear_to_repeat(NodeId member, int stage) const {
    if (!is_dear(graph_[member].op)) return false;
    for (int later = stage + 1; later < stages_.count; ++later) {
      if (is_read_in(member, later)) return true;
    }
    return false;
  }
  /// Whether a member of this loop reads it, directly or through what is computed again.
  bool is_read_in(NodeId member, int stage) const {
    const Cluster& cluster = builder_.cluster();
    std::vector<bool> needed(cluster.members.size(), false);
    for (size_t i = cluster.members.size(); i-- > 0;) {
      const NodeId reader = cluster.members[i];
      const bool here =
          is_fold(reader) ? stages_.of[i] == stage + 1 : is_full(reader) && stages_.of[i] == stage;
      if (!here && !needed[i]) continue;
      if (reader == member) return true;
      if (!here && is_dear(graph_[reader].op)) continue;  // it comes from a stash of its own
      for (NodeId operand : graph_[reader].operands) {
        const NodeId source = resolve_view(graph_, operand).source;
        const auto at = std::find(cluster.members.begin(), cluster.members.end(), source);
        if (at == cluster.members.end() || is_fold(source)) continue;
        needed[static_cast<size_t>(at - cluster.members.begin())] = true;
      }
    }
    return false;
  }

  const BuildInput& input_;
  const Graph& graph_;
  KernelBuilder builder_;
  Stages stages_;
  size_t row_dims_ = 0;
  std::vector<AxisId> rows_;
  AxisId column_;
  std::vector<Stash> stashes_;
  int opened_ = 0;
};

}  // namespace

Kernel build_rows(const BuildInput& input) { return RowsBuilder(input).build(); }

}  // namespace gradus::kernel
