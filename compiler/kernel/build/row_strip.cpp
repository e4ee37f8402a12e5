// Strips by rows: the kernel of a product or of rows goes over blocks of rows; behind each block,
// the kernel that sums columns goes over the chunks of rows of that block.
//
//   par ib 0..ceil(2048 / 576)
//     par j0 0..512 step 64
//       pack ...; tile i ib*576..ib*576+576 max n*64 ...     // stores y[i,j]
//       seq q ib*9..ib*9+9 max 32                            // a chunk is 64 rows
//         seq f q*64..q*64+64 max n*64
//           lanes c j0..j0+64 max 512                        // sums y[f,c]
//
// Blocks are counted at capacity: sums of chunks that a smaller batch leaves empty are stored too.
//
// Why: a bias gradient is a column sum over what a product has just written. Alone it would read
// all of it again from memory; behind each block it finds the block in the L2 cache.
//
// Invariant: a block is a whole number of chunks, and each chunk is summed by one item in ascending
// rows. So the additions and their order are those of the two kernels one after the other. The two
// kernels' axes become one: where the product has its row axis i0 in steps of mc, and the sums have
// a chunk q, the strip has ib, with i0 = ib * mc and q from ib * mc / chunk.
#include <algorithm>

#include "graph/op.h"
#include "kernel/build/build.h"
#include "kernel/build/classes.h"
#include "kernel/build/finish.h"
#include "kernel/build/kernel_builder.h"
#include "kernel/build/renumber.h"
#include "kernel/schedule/row_parts.h"
#include "kernel/scratch.h"
#include "support/check.h"
#include "support/round.h"

namespace gradus::kernel {

namespace {

class RowStripBuilder {
 public:
  explicit RowStripBuilder(const BuildInput& input)
      : input_(input),
        parts_(input.graph, input.cluster),
        size_(parts_.rows->cls == ClusterClass::Contract ? input.schedule.mc
                                                         : input.schedule.rows) {}

  Kernel build() {
    Kernel rows = build_part(*parts_.rows, input_.schedule);
    kernel_.name = rows.name;
    kernel_.named_after = rows.named_after;
    block_ = kernel_.axes.push_back({"ib"});
    take_rows(rows);
    for (const Cluster* sums : parts_.sums) take_sums(*sums);
    return finish();
  }

 private:
  const BuildInput& input_;
  RowParts parts_;
  int64_t size_;  // rows of a block
  Kernel kernel_;
  AxisId block_;
  AxisId columns_;  // blocks of columns; invalid: one block is all
  Bound columns_end_;
  int64_t columns_step_ = 1;
  std::vector<Stmt> body_;

  Kernel build_part(const Cluster& part, const Schedule& schedule) const {
    return build_cluster(
        {input_.graph, input_.clustering, part, schedule, input_.target, input_.capacity});
  }
  static Loop& outer_loop(std::vector<Stmt>& body) {
    Loop* loop = body.size() == 1 ? std::get_if<Loop>(&body.front().body) : nullptr;
    GRADUS_CHECK(loop && loop->kind == LoopKind::Par, "a part of a strip begins with its items");
    return *loop;
  }
  static Loop take_outer(std::vector<Stmt>& body) {
    Loop loop = std::move(outer_loop(body));
    std::vector<Stmt> inside;
    inside.swap(loop.body);
    body.swap(inside);
    return loop;
  }
  static bool begins_with_par(const std::vector<Stmt>& body) {
    const Loop* loop = body.size() == 1 ? std::get_if<Loop>(&body.front().body) : nullptr;
    return loop && loop->kind == LoopKind::Par;
  }

  /// New numbers for all but the axes that are given.
  Renumbering numbers_for(const Kernel& part, const std::vector<std::pair<AxisId, AxisId>>& known) {
    Renumbering to;
    to.axes.resize(part.axes.size());
    for (size_t i = 0; i < part.axes.size(); ++i) {
      const auto same = std::ranges::find(known, AxisId(i), &std::pair<AxisId, AxisId>::first);
      to.axes[AxisId(i)] =
          same != known.end() ? same->second : kernel_.axes.push_back(part.axes[AxisId(i)]);
    }
    for (DType dtype : part.values) to.values.push_back(kernel_.values.push_back(dtype));
    const size_t first = kernel_.slots.size();
    to.slot = [first](SlotId slot) { return SlotId(first + slot.index()); };
    to.access = [first](Access& access) { access.slot = SlotId(first + access.slot.index()); };
    for (const Slot& slot : part.slots) {
      kernel_.slots.push_back(slot);
      for (SlotId& other :
           kernel_.slots[to.slot(SlotId(kernel_.slots.size() - 1 - first))].may_share) {
        other = to.slot(other);
      }
    }
    return to;
  }

  void take_rows(Kernel& rows) {
    const Loop blocks = take_outer(rows.body);
    GRADUS_CHECK(blocks.step == size_, "rows of a strip go in blocks");
    std::vector<std::pair<AxisId, AxisId>> known{{blocks.axis, block_}};
    if (begins_with_par(rows.body)) {
      const Loop columns = take_outer(rows.body);
      columns_ = kernel_.axes.push_back({"j0"});
      columns_end_ = columns.to;
      columns_step_ = columns.step;
      known.emplace_back(columns.axis, columns_);
    }
    Renumbering to = numbers_for(rows, known);
    to.scaled = block_;
    to.scale = size_;
    GRADUS_CHECK(!begins_with_par(rows.body), "rows of a strip have no further items");
    renumber(rows.body, to);
    body_ = std::move(rows.body);
  }

  /// Blocks of columns are those of the rows; where there are none, the sums have their own. One
  /// block has no loop.
  void take_sums(const Cluster& part) {
    constexpr int64_t kColumns = 1024;
    const int64_t columns = input_.graph.type(part.anchor).shape.back().value;
    Schedule schedule;
    schedule.block = columns_.valid() ? columns_step_ : std::min(columns, kColumns);
    Kernel sums = build_part(part, schedule);
    drop_lost_offers(sums);
    const Loop chunks = take_outer(sums.body);
    const AxisId chunk = kernel_.axes.push_back({"q"});
    std::vector<std::pair<AxisId, AxisId>> known{{chunks.axis, chunk}};
    if (begins_with_par(sums.body)) {
      if (columns_.valid()) {
        known.emplace_back(take_outer(sums.body).axis, columns_);
      } else {
        outer_loop(sums.body).kind = LoopKind::Seq;
      }
    }
    renumber(sums.body, numbers_for(sums, known));
    const int64_t each = size_ / parts_.chunk;
    Loop loop;
    loop.kind = LoopKind::Seq;
    loop.axis = chunk;
    loop.from = plus({}, Affine::of(block_), each);
    loop.to = {plus(loop.from, Affine::of(each)), 1, chunks.to.value};
    loop.body = std::move(sums.body);
    body_.push_back({std::move(loop)});
  }
  /// What the sums read must not be overwritten while they wait.
  void drop_lost_offers(const Kernel& sums) {
    const auto is_read = [&](const Slot& slot) {
      return std::ranges::any_of(sums.slots, [&](const Slot& read) {
        return read.space == SlotSpace::Buffer && read.value == slot.value;
      });
    };
    for (Slot& slot : kernel_.slots) {
      std::erase_if(slot.may_share, [&](SlotId in) { return is_read(kernel_.slots[in]); });
    }
  }

  void put_in_loop(AxisId axis, Bound to, int64_t step) {
    Loop loop;
    loop.kind = LoopKind::Par;
    loop.axis = axis;
    loop.to = std::move(to);
    loop.step = step;
    loop.body = std::move(body_);
    body_.clear();
    body_.push_back({std::move(loop)});
  }
  Kernel finish() {
    const int64_t rows = parts_.height.at(input_.capacity);
    if (columns_.valid()) put_in_loop(columns_, columns_end_, columns_step_);
    put_in_loop(block_, {Affine::of(ceil_div(rows, size_)), 1, std::nullopt}, 1);
    kernel_.body = std::move(body_);
    kernel_.cls = ClusterClass::Strip;
    kernel_.schedule = input_.schedule;
    kernel_.nodes = input_.cluster.members;
    kernel_.worker_bytes = scratch_end(kernel_);
    kernel_.cost = count_cost(kernel_, input_.capacity);
    return std::move(kernel_);
  }
};

}  // namespace

Kernel build_row_strip(const BuildInput& input) { return RowStripBuilder(input).build(); }

}  // namespace gradus::kernel
