// Scatter-add: an item owns a block of table rows, zeroes it, and walks all source rows in
// ascending order, adding those that fall into its block. Cumulative sums: one running chain per
// column.
//
//     par v0 0..rows step 8                   par j0 ...
//       seq v, lanes: table[v,..] = 0           lanes j: total[j] = 0
//       seq s                                   seq k
//         if v0 <= index[s] < v0 + 8              lanes j: total[j] += x[k,j]; y[k,j] = total[j]
//           lanes d: table[index[s],d] += x[s,d]
//
// Invariant: a table row is written by one item alone, and its additions come in the order of the
// source rows. So there are no atomics and no races, and repeated indices add up in one order
// however many threads run.
#include <algorithm>

#include "kernel/build/classes.h"
#include "kernel/build/kernel_builder.h"

namespace gradus::kernel {

namespace {

Bound block_end(AxisId block, int64_t step, Dim extent) {
  return {plus(Affine::of(block), Affine::of(step)), 1, Affine::of(extent)};
}

/// Loops over dimensions of a view, opened and closed together; gathers their indices.
class DimLoops {
 public:
  explicit DimLoops(KernelBuilder& builder) : builder_(builder) {}

  Index open(LoopKind kind, Dim extent, const std::string& name) {
    if (extent.is_one()) return {Affine::of(int64_t{0}), ValueId()};
    const AxisId axis = builder_.make_axis(name);
    builder_.open_loop(kind, axis, Affine::of(int64_t{0}), bound_of(extent));
    ++opened_;
    return {Affine::of(axis), ValueId()};
  }
  /// Seq over all but the last dimension, which runs along lanes.
  std::vector<Index> open_row(std::span<const Dim> extents, const std::string& name) {
    std::vector<Index> indices;
    for (size_t i = 0; i < extents.size(); ++i) {
      const LoopKind kind = i + 1 == extents.size() ? LoopKind::Lanes : LoopKind::Seq;
      indices.push_back(open(kind, extents[i], name + std::to_string(i)));
    }
    return indices;
  }
  void close() {
    for (; opened_ > 0; --opened_) builder_.close_loop();
  }

 private:
  KernelBuilder& builder_;
  int opened_ = 0;
};

std::vector<Index> joined(std::vector<Index> first, const std::vector<Index>& rest) {
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

class ScatterBuilder {
 public:
  explicit ScatterBuilder(const BuildInput& input)
      : input_(input),
        builder_(input.graph, input.clustering, input.cluster, ClusterSpace{}),
        node_(input.graph[input.cluster.anchor]),
        table_(resolve_view(input.graph, input.cluster.anchor)),
        index_(resolve_view(input.graph, node_.operands[0])),
        source_(resolve_view(input.graph, node_.operands[1])),
        row_(table_.extents.begin() + 1, table_.extents.end()) {}

  Kernel build() {
    block_ = builder_.make_axis("v0");
    builder_.open_loop(LoopKind::Par, block_, Affine::of(int64_t{0}), bound_of(table_.extents[0]),
                       input_.schedule.rows);
    zero_block();
    add_rows();
    builder_.close_loop();
    return builder_.finish(input_.schedule, input_.capacity);
  }

 private:
  void zero_block() {
    const AxisId row = builder_.make_axis("v");
    builder_.open_loop(LoopKind::Seq, row, Affine::of(block_),
                       block_end(block_, input_.schedule.rows, table_.extents[0]));
    DimLoops loops(builder_);
    const auto indices = joined({{Affine::of(row), ValueId()}}, loops.open_row(row_, "z"));
    const Operand zero = constant_operand(node_.type.dtype, 0);
    builder_.append({Store{builder_.access(table_, SlotDir::Out, indices), zero}});
    loops.close();
    builder_.close_loop();
  }
  void add_rows() {
    DimLoops loops(builder_);
    std::vector<Index> at;
    for (size_t i = 0; i < index_.extents.size(); ++i) {
      at.push_back(loops.open(LoopKind::Seq, index_.extents[i], "s" + std::to_string(i)));
    }
    const Operand row = builder_.read(index_, at);
    const Operand inside = in_block(row);
    builder_.open_body({});
    add_row(at, row);
    std::vector<Stmt> body = builder_.close_body();
    builder_.append({If{inside.value, std::move(body)}});
    loops.close();
  }
  Operand in_block(const Operand& row) {
    const Index begin{Affine::of(block_), ValueId()};
    const Index end{plus(Affine::of(block_), Affine::of(input_.schedule.rows)), ValueId()};
    const auto as_row = [&](const Index& index) {
      const Operand value = builder_.index_of(index);
      return row.dtype == DType::I32 ? value : builder_.let(OpKind::Convert, {value}, row.dtype);
    };
    const Operand above = builder_.let(OpKind::LessEqual, {as_row(begin), row}, DType::Bool);
    const Operand below = builder_.let(OpKind::Less, {row, as_row(end)}, DType::Bool);
    return builder_.let(OpKind::And, {above, below}, DType::Bool);
  }
  void add_row(const std::vector<Index>& at, const Operand& row) {
    DimLoops loops(builder_);
    const std::vector<Index> inside = loops.open_row(row_, "d");
    const Index picked = row.value.valid()
                             ? Index{Affine::of(int64_t{0}), row.value}
                             : Index{Affine::of(static_cast<int64_t>(row.constant)), ValueId()};
    const auto to = joined({picked}, inside);
    const Access target = builder_.access(table_, SlotDir::Out, to);
    const Operand more = builder_.read(source_, joined(at, inside));
    const Operand total = builder_.load_here(target);
    const Operand sum = builder_.let(OpKind::Add, {total, more}, node_.type.dtype);
    builder_.append({Store{target, sum}});
    loops.close();
  }

  const BuildInput& input_;
  KernelBuilder builder_;
  const Node& node_;
  View table_, index_, source_;
  std::vector<Dim> row_;
  AxisId block_;
};

class CumulativeBuilder {
 public:
  explicit CumulativeBuilder(const BuildInput& input)
      : input_(input),
        builder_(input.graph, input.clustering, input.cluster, ClusterSpace{}),
        node_(input.graph[input.cluster.anchor]),
        result_(resolve_view(input.graph, input.cluster.anchor)),
        operand_(resolve_view(input.graph, node_.operands[0])),
        axis_(static_cast<size_t>(node_.attrs.integer(AttrName::Axis))) {}

  Kernel build() {
    const Shape& shape = node_.type.shape;
    const bool along_lanes = axis_ + 1 < shape.size() && !shape.back().is_one();
    indices_.resize(shape.size());
    DimLoops loops(builder_);
    for (size_t d = 0; d < shape.size(); ++d) {
      if (d == axis_ || (along_lanes && d + 1 == shape.size())) continue;
      indices_[d] = loops.open(LoopKind::Par, shape[d], "i" + std::to_string(d));
    }
    if (along_lanes) open_block(shape.back());
    run(along_lanes, shape);
    if (along_lanes) builder_.close_loop();
    loops.close();
    return builder_.finish(input_.schedule, input_.capacity);
  }

 private:
  void open_block(Dim columns) {
    columns_ = columns;
    block_ = builder_.make_axis("j0");
    column_ = builder_.make_axis("j");
    builder_.open_loop(LoopKind::Par, block_, Affine::of(int64_t{0}), bound_of(columns),
                       input_.schedule.block);
    indices_.back() = {Affine::of(column_), ValueId()};
  }
  void open_columns() {
    builder_.open_loop(LoopKind::Lanes, column_, Affine::of(block_),
                       block_end(block_, input_.schedule.block, columns_));
  }
  void run(bool along_lanes, const Shape& shape) {
    const DType dtype = node_.type.dtype;
    const SlotId slot =
        builder_.worker_slot("total", dtype, {along_lanes ? input_.schedule.block : 1});
    Index at{Affine::of(int64_t{0}), ValueId()};
    if (along_lanes) at.affine = plus(Affine::of(column_), Affine::of(block_), -1);
    const Access total{slot, {at}};
    if (along_lanes) open_columns();
    builder_.append({Store{total, constant_operand(dtype, 0)}});
    if (along_lanes) builder_.close_loop();
    DimLoops loops(builder_);
    indices_[axis_] = loops.open(LoopKind::Seq, shape[axis_], "k");
    if (along_lanes) open_columns();
    add(total);
    if (along_lanes) builder_.close_loop();
    loops.close();
  }
  void add(const Access& total) {
    const Operand before = builder_.load_here(total);
    const Operand more = builder_.read(operand_, indices_);
    const Operand after = builder_.let(OpKind::Add, {before, more}, node_.type.dtype);
    const Operand seen = node_.attrs.flag(AttrName::Exclusive) ? before : after;
    builder_.append({Store{builder_.access(result_, SlotDir::Out, indices_), seen}});
    builder_.append({Store{total, after}});
  }

  const BuildInput& input_;
  KernelBuilder builder_;
  const Node& node_;
  View result_, operand_;
  size_t axis_;
  std::vector<Index> indices_;
  Dim columns_;
  AxisId block_, column_;
};

}  // namespace

Kernel build_scatter(const BuildInput& input) { return ScatterBuilder(input).build(); }
Kernel build_cumulative(const BuildInput& input) { return CumulativeBuilder(input).build(); }

}  // namespace gradus::kernel
