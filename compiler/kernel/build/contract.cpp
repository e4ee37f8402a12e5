// The loop tree of a product:
//
//   par batch..., par i0, par j0
//     seq k0                                 // where K does not fit one block
//       pack right, pack left
//       tile i, j
//         micro %a = sum k ... carry         // partial tiles wait in scratch
//         at last: epilogue                  // in registers; or: store %a to the block's scratch
//     seq i, lanes j: epilogue               // block epilogue: over the finished block
//
// With roles swapped i runs over columns of the result: a block epilogue then transposes, seq j,
// lanes i.
//
// Loops, from outside in, are those of BLIS but for their order: rows and columns are cut first, as
// blocks of C are the items, and K inside of them. So no two items add to one element, sums need no
// atomics, and a thread's scratch holds one block:
//
//     part   [mc, nc]            C of the block: partial sums, or the product before its epilogue
//     total  [mc, nc]            sums of earlier chunks, where K is longer than one
//     right  [nc / nr][kc][nr]   panels of B
//
// Where the epilogue stands: in the tile it costs no loads, but its values compete with the
// accumulators for registers, and it is written out mr * nv times; after the block it is one lanes
// loop, and the block is still in L2.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "graph/sum_order.h"
#include "kernel/build/classes.h"
#include "kernel/build/kernel_builder.h"
#include "kernel/schedule/choose.h"
#include "kernel/schedule/contract_shape.h"
#include "kernel/walk.h"
#include "support/round.h"

namespace gradus::kernel {

namespace {

/// One of the loops over rows, columns or the inner dimension, cut in blocks: `block` runs over
/// starts, or is invalid where one block is all.
struct BlockedAxis {
  AxisId axis;
  AxisId block;
  Dim extent;
  int64_t size = 0;  // of a block, at capacity

  Affine from() const { return block.valid() ? Affine::of(block) : Affine::of(int64_t{0}); }
  Bound to() const {
    if (!block.valid()) return {Affine::of(extent), 1, std::nullopt};
    return {plus(from(), Affine::of(size)), 1, Affine::of(extent)};
  }
  /// The axis within its block.
  Index local() const { return {plus(Affine::of(axis), from(), -1), ValueId()}; }
  Index global() const { return {Affine::of(axis), ValueId()}; }
};

/// The space of the cluster, and which dimension of the product each of its dimensions is.
struct ProductSpace {
  ClusterSpace space;
  std::vector<size_t> dims;
};

/// A product whose batch is not its first dimension lies with the batch outermost all the same;
/// alone in its cluster it is walked in that order.
ProductSpace product_space(const Graph& graph, const Cluster& cluster) {
  const Shape& shape = graph.type(cluster.anchor).shape;
  ProductSpace result;
  result.dims.resize(shape.size());
  std::iota(result.dims.begin(), result.dims.end(), size_t{0});
  if (std::optional<ClusterSpace> space = find_space(graph, cluster)) {
    result.space = std::move(*space);
    return result;
  }
  GRADUS_CHECK(cluster.members.size() == 1, "the cluster of a product has a space");
  const auto batch = std::find_if(shape.begin(), shape.end(), [](Dim dim) { return dim.batch; });
  GRADUS_CHECK(batch != shape.end(), "a product without batch has a space");
  const auto outermost = result.dims.begin() + (batch - shape.begin());
  std::rotate(result.dims.begin(), outermost, outermost + 1);
  for (size_t dim : result.dims) result.space.extents.push_back(shape[dim]);
  result.space.folded.assign(shape.size(), false);
  return result;
}

class ContractBuilder {
 public:
  ContractBuilder(const BuildInput& input, ProductSpace space)
      : builder_(input.graph, input.clustering, input.cluster, std::move(space.space)),
        space_dims_(std::move(space.dims)),
        shape_(contract_shape(input.graph, input.cluster, input.schedule.swapped)),
        schedule_(input.schedule),
        transposed_(input.schedule.swapped && stores_along_columns(input.graph, input.cluster)),
        width_(input.schedule.nv * input.target.lanes),
        capacity_(input.capacity) {}

  Kernel build();

 private:
  KernelBuilder builder_;
  std::vector<size_t> space_dims_;
  ContractShape shape_;
  Schedule schedule_;
  bool transposed_;  // the result is stored along the rows of the tiles
  int64_t width_;  // columns of a tile
  int64_t capacity_;
  std::vector<AxisId> batch_axes_;
  BlockedAxis i_, j_, k_;
  std::optional<SlotId> partial_;  // tiles that wait for the next block of K or for the epilogue
  std::optional<SlotId> totals_;
  int open_par_ = 0;

  NodeId anchor() const { return builder_.cluster().anchor; }
  BlockedAxis axis(const char* name, Dim extent, int64_t block, bool always);
  void open_items();
  void make_scratch();
  std::vector<Index> operand_indices(const MatrixOperand& operand, const Index& outer) const;
  Access operand_access(const MatrixOperand& operand, const Index& outer);
  Access pack(const MatrixOperand& operand, const char* name, const BlockedAxis& columns,
              int64_t width);
  Access partial_access(SlotId slot) const { return {slot, {i_.local(), j_.local()}}; }
  Point point() const;
  Micro micro(Access left, Access right);
  void product();
  void emit_block_epilogue();
};

BlockedAxis ContractBuilder::axis(const char* name, Dim extent, int64_t block, bool always) {
  BlockedAxis result;
  result.extent = extent;
  result.axis = builder_.make_axis(name);
  int64_t whole = extent.at(capacity_);
  result.size = std::min(block, whole);
  if (always || block < whole) {
    result.block = builder_.make_axis(fmt::format("{}0", name));
    result.size = block;
  }
  return result;
}

void ContractBuilder::open_items() {
  for (size_t d = 0; d < shape_.batch.size(); ++d) {
    Dim extent = shape_.batch[d];
    batch_axes_.push_back(AxisId());
    if (extent.is_one()) continue;
    batch_axes_.back() = builder_.make_axis(fmt::format("b{}", d));
    builder_.open_loop(LoopKind::Par, batch_axes_.back(), Affine::of(int64_t{0}), bound_of(extent));
    ++open_par_;
  }
  i_ = axis("i", shape_.rows, schedule_.mc, true);
  j_ = axis("j", shape_.columns, schedule_.nc, false);
  k_ = axis("k", shape_.inner, schedule_.kc, false);
  for (const BlockedAxis* blocked : {&i_, &j_}) {
    if (!blocked->block.valid()) continue;
    builder_.open_loop(LoopKind::Par, blocked->block, Affine::of(int64_t{0}),
                       bound_of(blocked->extent), blocked->size);
    ++open_par_;
  }
}

void ContractBuilder::make_scratch() {
  int64_t columns = round_up(j_.size, width_);
  bool blocked = k_.block.valid();
  if (blocked || schedule_.block_epilogue) {
    partial_ = builder_.worker_slot("part", DType::F32, {i_.size, columns});
  }
  if (blocked && shape_.inner.at(capacity_) > kProductChunk) {
    totals_ = builder_.worker_slot("total", DType::F32, {i_.size, columns});
  }
}

/// One index per dimension of the operand's view; leading ones are the products'.
std::vector<Index> ContractBuilder::operand_indices(const MatrixOperand& operand,
                                                    const Index& outer) const {
  size_t rank = operand.view.extents.size();
  std::vector<Index> indices(rank, Index{Affine::of(int64_t{0}), ValueId()});
  for (size_t d = 0; d + 2 < rank; ++d) {
    AxisId batch = batch_axes_[d + 2 + batch_axes_.size() - rank];
    if (batch.valid() && !operand.view.extents[d].is_one()) indices[d].affine = Affine::of(batch);
  }
  indices[operand.outer] = outer;
  indices[operand.inner] = k_.global();
  return indices;
}

Access ContractBuilder::operand_access(const MatrixOperand& operand, const Index& outer) {
  return builder_.access(operand.view, SlotDir::In, operand_indices(operand, outer));
}

/// Copies the block at hand into panels, before the tiles; answers how the tiles read it.
Access ContractBuilder::pack(const MatrixOperand& operand, const char* name,
                             const BlockedAxis& columns, int64_t width) {
  int64_t panels = ceil_div(columns.size, width);
  Pack pack;
  pack.to = builder_.worker_slot(name, DType::F32, {panels, k_.size, width});
  pack.from = operand_access(operand, columns.global());
  pack.row_axis = k_.axis;
  pack.row_from = k_.from();
  pack.row_to = k_.to();
  pack.column_axis = columns.axis;
  pack.column_from = columns.from();
  pack.column_to = columns.to();
  pack.width = width;
  Access access{pack.to, {k_.local(), columns.local()}};
  builder_.append({std::move(pack)});
  return access;
}

/// The element of the result that the tile or the block epilogue stands at.
Point ContractBuilder::point() const {
  std::vector<AxisId> axes = batch_axes_;
  axes.resize(shape_.batch.size() + 2);
  axes[shape_.row_dim] = i_.axis;
  axes[shape_.column_dim] = j_.axis;
  std::vector<AxisId> ordered;
  for (size_t dim : space_dims_) ordered.push_back(axes[dim]);
  return point_of(ordered);
}

Micro ContractBuilder::micro(Access left, Access right) {
  Micro micro;
  micro.k = k_.axis;
  micro.k_from = k_.from();
  micro.k_to = k_.to();
  micro.left = std::move(left);
  micro.right = std::move(right);
  micro.k_extent = Affine::of(shape_.inner);
  micro.chunk = kProductChunk;
  if (!k_.block.valid()) return micro;
  micro.k0 = k_.block;
  micro.carry = partial_access(*partial_);
  if (totals_) micro.totals = partial_access(*totals_);
  return micro;
}

void ContractBuilder::product() {
  Access right = schedule_.pack_right ? pack(shape_.right, "right", j_, width_)
                                      : operand_access(shape_.right, j_.global());
  Access left = schedule_.pack_left ? pack(shape_.left, "left", i_, schedule_.mr)
                                    : operand_access(shape_.left, i_.global());
  Tile tile;
  tile.i = i_.axis;
  tile.i_from = i_.from();
  tile.i_to = i_.to();
  tile.i_step = schedule_.mr;
  tile.j = j_.axis;
  tile.j_from = j_.from();
  tile.j_to = j_.to();
  tile.j_step = width_;
  tile.micro = micro(std::move(left), std::move(right));
  builder_.open_body({i_.axis, j_.axis});
  tile.micro.result = builder_.make_value(DType::F32);
  if (schedule_.block_epilogue) {
    builder_.append(
        {Store{partial_access(*partial_), operand_of_value(tile.micro.result, DType::F32)}});
  } else {
    builder_.bind(anchor(), point(), tile.micro.result);
    builder_.store_yields(builder_.stored(), point());
  }
  tile.epilogue = builder_.close_body();
  builder_.append({std::move(tile)});
}

/// Stores run along the lanes: over a product that lies transposed round, lanes are its rows.
void ContractBuilder::emit_block_epilogue() {
  const BlockedAxis& outer = transposed_ ? j_ : i_;
  const BlockedAxis& lanes = transposed_ ? i_ : j_;
  builder_.open_loop(LoopKind::Seq, outer.axis, outer.from(), outer.to());
  builder_.open_loop(LoopKind::Lanes, lanes.axis, lanes.from(), lanes.to());
  Operand product = builder_.load_here(partial_access(*partial_));
  builder_.bind(anchor(), point(), product.value);
  builder_.store_yields(builder_.stored(), point());
  builder_.close_loop();
  builder_.close_loop();
}

/// Accesses to one slot get one more index over a single element: stores follow `axis`, loads may
/// stand outside its loop and read element 0.
void add_unit_dimension(Kernel& kernel, SlotId slot, AxisId axis) {
  kernel.slots[slot].extents.push_back(Dim::fixed(1));
  kernel.slots[slot].strides.push_back(1);
  const auto extend = [&](Access& access, const Affine& index) {
    if (access.slot == slot) access.indices.push_back({index, ValueId()});
  };
  walk(kernel.body, [&](Stmt& stmt) {
    if (auto* load = std::get_if<Load>(&stmt.body)) extend(load->from, Affine::of(int64_t{0}));
    if (auto* store = std::get_if<Store>(&stmt.body)) extend(store->to, Affine::of(axis));
  });
}

/// Products of one column: dimensions of one element have no index, but stores follow the lanes.
void follow_single_column(Kernel& kernel, AxisId columns) {
  std::vector<SlotId> stored;
  walk(kernel.body, [&](Stmt& stmt) {
    const auto* store = std::get_if<Store>(&stmt.body);
    if (!store || kernel.slots[store->to.slot].space == SlotSpace::Worker) return;
    stored.push_back(store->to.slot);
  });
  for (SlotId slot : stored) add_unit_dimension(kernel, slot, columns);
}

Kernel ContractBuilder::build() {
  open_items();
  make_scratch();
  if (k_.block.valid()) {
    builder_.open_loop(LoopKind::Seq, k_.block, Affine::of(int64_t{0}), bound_of(k_.extent),
                       k_.size);
    product();
    builder_.close_loop();
  } else {
    product();
  }
  if (schedule_.block_epilogue) emit_block_epilogue();
  for (; open_par_ > 0; --open_par_) builder_.close_loop();
  Kernel kernel = builder_.finish(schedule_, capacity_);
  if (shape_.columns.is_one()) follow_single_column(kernel, j_.axis);
  return kernel;
}

}  // namespace

Kernel build_contract(const BuildInput& input) {
  std::optional<std::string> problem =
      check_schedule(input.graph, input.cluster, input.schedule, input.target);
  GRADUS_CHECK(!problem, problem.value_or(""));
  return ContractBuilder(input, product_space(input.graph, input.cluster)).build();
}

}  // namespace gradus::kernel
