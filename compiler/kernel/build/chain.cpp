// Chains: sums over leading dimensions, ascending, one accumulator for each column. An item is a
// block of columns (of one chunk of rows); its accumulators are a row of scratch. Columns that are
// no more than a block have no loop of blocks.
//
//   par j0 0..512 step 64                            par q 0..8; par j0 ...        (partial sums)
//     lanes j j0..j0+64 max 512: store acc[j-j0], -0.0
//     seq f 0..n                                     seq f q*16..q*16+16 max n
//       lanes j ...: acc[j-j0] += x[f,j]
//     lanes j ...: what follows the sums, stores
//
// Invariant: an accumulator meets its column's elements in ascending order, one after the other, so
// the sum is the same for every block size (order `chain` of graph/sum_order.h). Vectors hold
// neighbouring columns, never parts of one sum:
//
//        j ->                 each row adds to all accumulators; rows are read as they lie
//     f  x x x x | x x x x
//     |  x x x x | x x x x    long columns are cut in chunks (split-reductions, opt/): then an
//     v  x x x x | x x x x    item is a chunk of rows, and another cluster adds the chunks' sums
//        -------   -------
//        a a a a   a a a a    accumulators: scratch in L1, or registers (codegen/register_slots.h)
#include <algorithm>
#include <limits>

#include "graph/op.h"
#include "kernel/build/classes.h"
#include "kernel/build/kernel_builder.h"
#include "support/check.h"

namespace gradus::kernel {

namespace {

class ChainBuilder {
 public:
  explicit ChainBuilder(const BuildInput& input)
      : input_(input),
        graph_(input.graph),
        builder_(input.graph, input.clustering, input.cluster,
                 space_of(input.graph, input.cluster)),
        point_(builder_.space().extents.size()) {
    for (NodeId member : input.cluster.members) {
      if (op_def(graph_[member].op).cls == OpClass::Reduce) folds_.push_back({member, {}, {}});
    }
  }

  Kernel build() {
    find_dims();
    open_items();
    make_accumulators();
    start();
    accumulate();
    finish_columns();
    for (; opened_ > 0; --opened_) builder_.close_loop();
    return builder_.finish(input_.schedule, input_.capacity);
  }

 private:
  struct Running {
    NodeId node;
    SlotId best, index;
  };
  bool is_partial() const { return graph_[builder_.cluster().anchor].op == OpKind::PartialSum; }

  void find_dims() {
    for (size_t j = 0; j < builder_.space().extents.size(); ++j) {
      (builder_.space().folded[j] ? folded_ : kept_).push_back(j);
    }
    GRADUS_CHECK(!is_partial() || folded_.size() == 1, "a chunked chain runs over one dimension");
  }
  void open_par(AxisId axis, Dim extent, int64_t step = 1) {
    builder_.open_loop(LoopKind::Par, axis, Affine::of(int64_t{0}), bound_of(extent), step);
    ++opened_;
  }
  void set(size_t dim, AxisId axis) { point_[dim] = {Affine::of(axis), ValueId()}; }

  void open_items() {
    if (is_partial()) {
      chunk_ = builder_.make_axis("q");
      open_par(chunk_, graph_.type(builder_.cluster().anchor).shape[0]);
    }
    if (kept_.empty()) return;
    for (size_t k = 0; k + 1 < kept_.size(); ++k) {
      const AxisId axis = builder_.make_axis(std::string(1, static_cast<char>('i' + k)));
      set(kept_[k], axis);
      open_par(axis, builder_.space().extents[kept_[k]]);
    }
    columns_ = builder_.space().extents[kept_.back()];
    if (columns_.batch || columns_.value > input_.schedule.block) {
      block_ = builder_.make_axis("j0");
      open_par(block_, columns_, input_.schedule.block);
    }
    column_ = builder_.make_axis("c");
    set(kept_.back(), column_);
  }
  /// Where the block of columns begins.
  Affine first_column() const { return block_.valid() ? Affine::of(block_) : Affine(); }
  void make_accumulators() {
    const int64_t length = kept_.empty() ? 1 : input_.schedule.block;
    for (size_t i = 0; i < folds_.size(); ++i) {
      const Node& node = graph_[folds_[i].node];
      const DType dtype = graph_.type(node.operands[0]).dtype;
      folds_[i].best = builder_.worker_slot("acc" + std::to_string(i), dtype, {length});
      if (node.op != OpKind::Argmax) continue;
      folds_[i].index = builder_.worker_slot("at" + std::to_string(i), DType::I32, {length});
    }
  }
  Access accumulator(SlotId slot) const {
    Index index{Affine::of(int64_t{0}), ValueId()};
    if (column_.valid()) index.affine = plus(Affine::of(column_), first_column(), -1);
    return {slot, {index}};
  }
  void open_columns() {
    if (!column_.valid()) return;
    Bound end{Affine::of(columns_), 1, {}};
    if (block_.valid()) {
      end = {plus(Affine::of(block_), Affine::of(input_.schedule.block)), 1, Affine::of(columns_)};
    }
    builder_.open_loop(LoopKind::Lanes, column_, first_column(), end);
  }
  void close_columns() {
    if (column_.valid()) builder_.close_loop();
  }

  /// What the fold of no elements is. Of a float sum it is -0: x + -0 is x for every x, while -0 +
  /// +0 is +0. Integers have no infinity.
  Operand start_of(const Node& node, DType dtype) const {
    if (node.op == OpKind::Sum || node.op == OpKind::PartialSum) {
      return constant_operand(dtype, is_float(dtype) ? -0.0 : 0.0);
    }
    const double sign = node.op == OpKind::Min ? 1 : -1;
    if (is_float(dtype)) {
      return constant_operand(dtype, sign * std::numeric_limits<double>::infinity());
    }
    const double largest = dtype == DType::I32 ? 0x1p31 : 0x1p63;
    return constant_operand(dtype, sign < 0 ? -largest : largest - 1);
  }
  void start() {
    open_columns();
    for (const Running& fold : folds_) {
      const DType dtype = builder_.kernel().slots[fold.best].dtype;
      builder_.append({Store{accumulator(fold.best), start_of(graph_[fold.node], dtype)}});
      if (!fold.index.valid()) continue;
      builder_.append({Store{accumulator(fold.index), constant_operand(DType::I32, 0)}});
    }
    close_columns();
  }
  void accumulate() {
    for (size_t k = 0; k < folded_.size(); ++k) open_fold(k);
    open_columns();
    for (const Running& fold : folds_) {
      const Operand value = builder_.operand_of(fold.node, 0, point_);
      const Operand so_far = builder_.load_here(accumulator(fold.best));
      const DType dtype = so_far.dtype;
      if (fold.index.valid()) {
        choose(fold, so_far, value);
        continue;
      }
      // Of equal operands the second stays, as in the fold.
      const bool extremum = step_of(graph_[fold.node].op) != OpKind::Add;
      std::vector<Operand> operands{so_far, value};
      if (extremum) operands = {value, so_far};
      const Operand next = builder_.let(step_of(graph_[fold.node].op), operands, dtype);
      builder_.append({Store{accumulator(fold.best), next}});
    }
    close_columns();
    for (size_t k = 0; k < folded_.size(); ++k) builder_.close_loop();
  }
  static OpKind step_of(OpKind fold) {
    if (fold == OpKind::Max) return OpKind::Maximum;
    return fold == OpKind::Min ? OpKind::Minimum : OpKind::Add;
  }
  /// One step of an argmax: the first of equals stays, NaN is largest.
  void choose(const Running& fold, const Operand& best, const Operand& value) {
    const DType dtype = best.dtype;
    Operand better = builder_.let(OpKind::Less, {best, value}, DType::Bool);
    if (is_float(dtype)) {
      const Operand is_nan = builder_.let(OpKind::NotEqual, {value, value}, DType::Bool);
      const Operand was_number = builder_.let(OpKind::Equal, {best, best}, DType::Bool);
      better = builder_.let(OpKind::Or, {better, is_nan}, DType::Bool);
      better = builder_.let(OpKind::And, {better, was_number}, DType::Bool);
    }
    const Operand next = builder_.let(OpKind::Select, {better, value, best}, dtype);
    const Operand before = builder_.load_here(accumulator(fold.index));
    const Operand here = builder_.index_of({folded_index(), ValueId()});
    const Operand at = builder_.let(OpKind::Select, {better, here, before}, DType::I32);
    builder_.append({Store{accumulator(fold.best), next}});
    builder_.append({Store{accumulator(fold.index), at}});
  }
  /// Where the open loops stand in the folded dimensions.
  Affine folded_index() const {
    Affine index;
    int64_t stride = 1;
    for (size_t k = folded_.size(); k-- > 0;) {
      index = plus(index, point_[folded_[k]].affine, stride);
      stride *= builder_.space().extents[folded_[k]].value;
    }
    return index;
  }
  void open_fold(size_t k) {
    const Dim extent = builder_.space().extents[folded_[k]];
    const AxisId axis = builder_.make_axis(k == 0 ? "f" : "f" + std::to_string(k));
    set(folded_[k], axis);
    if (!is_partial()) {
      builder_.open_loop(LoopKind::Seq, axis, Affine::of(int64_t{0}), bound_of(extent));
      return;
    }
    const int64_t rows = graph_[builder_.cluster().anchor].attrs.integer(AttrName::Chunk);
    const Affine from = plus({}, Affine::of(chunk_), rows);
    builder_.open_loop(LoopKind::Seq, axis, from,
                       Bound{plus(from, Affine::of(rows)), 1, Affine::of(extent)});
  }

  void finish_columns() {
    open_columns();
    for (const Running& fold : folds_) {
      const SlotId result = fold.index.valid() ? fold.index : fold.best;
      const Operand total = builder_.load_here(accumulator(result));
      if (is_partial()) {
        store_partial(fold.node, total);
      } else {
        builder_.bind(fold.node, point_, total.value);
      }
    }
    if (!is_partial()) builder_.store_yields(builder_.cluster().yields, point_);
    close_columns();
  }
  /// Partial sums lie as [chunks, kept...]: the cluster that adds them goes over leading dimensions
  /// again.
  void store_partial(NodeId sum, Operand total) {
    std::vector<Dim> extents{graph_.type(sum).shape[0]};
    std::vector<int64_t> strides{1};
    std::vector<Index> indices{{Affine::of(chunk_), ValueId()}};
    int64_t stride = 1;
    for (size_t k = kept_.size(); k-- > 0;) {
      extents.insert(extents.begin() + 1, builder_.space().extents[kept_[k]]);
      strides.insert(strides.begin() + 1, stride);
      indices.insert(indices.begin() + 1, point_[kept_[k]]);
      stride *= builder_.space().extents[kept_[k]].value;
    }
    strides[0] = stride;
    const SlotId slot = builder_.buffer_slot(sum, SlotDir::Out, extents, strides);
    builder_.append({Store{{slot, std::move(indices)}, total}});
  }

  const BuildInput& input_;
  const Graph& graph_;
  KernelBuilder builder_;
  Point point_;  // entries of dimensions whose loop is open
  std::vector<Running> folds_;
  std::vector<size_t> folded_, kept_;
  Dim columns_;
  AxisId chunk_, block_, column_;
  int opened_ = 0;
};

}  // namespace

Kernel build_chain(const BuildInput& input) { return ChainBuilder(input).build(); }

}  // namespace gradus::kernel
