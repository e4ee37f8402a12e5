// Prefetches, where the hardware prefetchers foresee nothing. They follow streams within a page;
// kernels that jump from row to row over many pages give them no stream.
//
// A strip asks for the next item's rows while it computes this one's: its matrices are parts of
// rows that lie pages apart. The work between is long enough for them to come into the L2 cache.
//
//     time ->   | item 0: scores | softmax | product | item 1: scores | ...
//                 prefetch rows of item 1 -------------^ used here
//
// A product asks in its loop over k for what it will read of its operands: rows of the left one
// that the next row of tiles takes, or the next steps where it goes down columns.
//
//     left operand, rows along k                    down columns, step k reads one line
//       tile row 0  [=========>      ]  k             k      x  used now
//       tile row 1  [................]                k+16   x  into L1: the way from L2
//       each of the t tiles of row 0 asks for         k+64   x  into L2: the way from memory
//       1/t of the rows of row 1
//
// Distances are steps of k. A step of a full tile takes some 8 cycles: 16 steps cover the latency
// of the L2 cache several times, 64 steps that of memory once. Nearer ones come too late; farther
// ones are evicted again before their use (Mowry, Lam & Gupta, ASPLOS 1992).
//
// Prefetches never fault, so none is guarded: beyond the last row or step they ask for lines that
// nobody reads. They change no value, and are left out where the data are cache-resident.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "codegen/emit.h"
#include "support/round.h"

namespace gradus::codegen {

using llvm::Value;

namespace {

/// The length of a loop over all rows of an item's matrices, which may come in bands; -1: another.
int64_t rows_of(const kernel::Loop& loop) {
  const kernel::Affine& end = loop.to.cap ? *loop.to.cap : loop.to.value;
  bool known = loop.step == 1 && loop.to.divisor == 1 && end.per_n == 0 && end.terms.empty();
  return known ? end.constant : -1;
}

}  // namespace

/// Asks for the line at `address`; locality 3 brings it into the L1 cache, 2 into the L2 cache.
void KernelEmitter::prefetch(Value* address, unsigned locality, bool write) {
  ir_.CreateIntrinsic(
      llvm::Intrinsic::prefetch, {ir_.getPtrTy()},
      {address, ir_.getInt32(write ? 1 : 0), ir_.getInt32(locality), ir_.getInt32(1)});
}

/// The item's matrices of so many rows: what a strip reads and writes under its item axes.
std::vector<KernelEmitter::Matrix> KernelEmitter::item_matrices(int64_t rows) const {
  std::vector<Matrix> found;
  std::set<std::tuple<NodeId, int32_t, int64_t>> seen;
  int64_t bytes = 0;
  for (size_t i = 0; i < kernel_.slots.size(); ++i) {
    const kernel::Slot& slot = kernel_.slots[kernel::SlotId(i)];
    size_t items = next_item_.size();
    if (slot.space == kernel::SlotSpace::Worker || slot.extents.size() != items + 2) continue;
    bool transposed = slot.strides[items] == 1;
    Dim across = slot.extents[transposed ? items : items + 1];
    Dim down = slot.extents[transposed ? items + 1 : items];
    bool sized = !across.batch && !down.batch && down.value == rows;
    if (!sized || (!transposed && slot.strides[items + 1] != 1)) continue;
    if (!seen.insert({slot.value, slot.result, slot.offset}).second) continue;
    int64_t size = dtype_size(slot.dtype);
    found.push_back({i, slot.strides[transposed ? items + 1 : items] * size, across.value * size});
    bytes += rows * across.value * size;
  }
  if (bytes > target_.l2_bytes / 2) found.clear();
  return found;
}

/// In the first loop over rows of a strip's item: the same row of the next item's matrices. After
/// the last item it looks beyond them, which is harmless.
void KernelEmitter::prefetch_next_item(const kernel::Loop& loop, Value* row,
                                       llvm::Instruction* hoist) {
  if (kernel_.cls != ClusterClass::Strip || next_item_.empty() || rows_of(loop) < 0) return;
  for (const Matrix& matrix : item_matrices(rows_of(loop))) {
    const kernel::Slot& slot = kernel_.slots[kernel::SlotId(matrix.slot)];
    Value* bytes = scaled(row, matrix.stride, hoist);
    for (size_t axis = 0; axis < next_item_.size(); ++axis) {
      int64_t stride = slot.strides[axis] * dtype_size(slot.dtype);
      bytes = ir_.CreateAdd(bytes, scaled(next_item_[axis], stride, next_item_known_));
    }
    Value* address = ir_.CreateGEP(ir_.getInt8Ty(), bases_[matrix.slot], bytes);
    for (int64_t line = 0; line < matrix.bytes; line += kCacheLine) {
      auto offset = ir_.getInt64(static_cast<uint64_t>(line));
      prefetch(ir_.CreateGEP(ir_.getInt8Ty(), address, offset), 2);
    }
  }
  next_item_.clear();
}

/// An address that may lie beyond the end of what `pointer` is in: no inbounds flag.
Value* KernelEmitter::unbounded_gep(Value* pointer, int64_t bytes) {
  return ir_.CreateGEP(ir_.getInt8Ty(), pointer, ir_.getInt64(static_cast<uint64_t>(bytes)));
}

/// Whether a kernel goes through more than the L2 cache keeps for it from the kernels before: half
/// of it, as the other half holds what is written. Else its operands are cache-resident, and a
/// prefetch only takes a load slot.
bool KernelEmitter::exceeds_l2() const {
  return kernel_.cost.bytes > static_cast<double>(target_.l2_bytes) / 2;
}

/// Rows that lie along k are read from end to end by all tiles of a row, then left for others that
/// no stream leads to. Each tile asks for its share of the next; after the last it looks beyond
/// them, which is harmless.
void KernelEmitter::find_next_rows(const MicroTile& micro, Value* first, GemmOperand& left) {
  constexpr int64_t kProductsOfPrefetch = 4;
  const kernel::Tile& tile = *micro.tile;
  const kernel::Slot& slot = kernel_.slots[tile.micro.left.slot];
  const kernel::Affine &from = tile.j_from, &to = tile.j_to.value;
  const bool known = tile.j_to.divisor == 1 && to.terms == from.terms && to.per_n == from.per_n;
  if (!known || !exceeds_l2()) return;
  if (left.step > kCacheLine || slot.space == kernel::SlotSpace::Worker) return;
  const int64_t tiles = std::max<int64_t>(1, ceil_div(to.constant - from.constant, tile.j_step));
  const int64_t products = tile.i_step * tile.j_step / target_.lanes;
  left.next_rows = std::min(ceil_div(tile.i_step, tiles), products / kProductsOfPrefetch);
  left.next_stride = linear(tile.micro.left).coefficient(tile.i) * dtype_size(slot.dtype);
  Value* columns = ir_.CreateSub(micro.j.base, affine(from));
  Value* before = ir_.CreateExactUDiv(columns, ir_.getInt64(static_cast<uint64_t>(tile.j_step)));
  auto bytes = static_cast<uint64_t>(left.next_rows * left.next_stride);
  left.next = ir_.CreateGEP(ir_.getInt8Ty(), unbounded_gep(first, tile.i_step * left.next_stride),
                            ir_.CreateMul(before, ir_.getInt64(bytes)));
}

/// A left operand read by columns takes a new line at every step of k, often of a page of its own;
/// and beside it, the hardware prefetcher loses the stream of a right operand that goes through
/// blocks of long rows. One prefetch for each line: vectors that share a line ask once.
void KernelEmitter::prefetch_columns(const GemmOperand& left, const GemmOperand& right, Value* k,
                                     int64_t steps, unsigned locality, llvm::Instruction* hoist) {
  auto prefetch_part = [&](const GemmOperand& operand, size_t part) {
    Value* now = gep(operand.roots[part], k, operand.step, hoist);
    int64_t bytes = operand.offsets[part] + steps * operand.step;
    prefetch(unbounded_gep(now, bytes), locality);
  };
  prefetch_part(left, 0);
  const bool wide = target_.registers >= 32;
  if (!wide || right.lane != 1 || right.step <= right.offsets.back() + kCacheLine) return;
  for (size_t vector = 0; vector < right.roots.size(); ++vector) {
    if (right.offsets[vector] % kCacheLine == 0) prefetch_part(right, vector);
  }
}

/// The last steps look beyond the operands, which is harmless.
void KernelEmitter::prefetch_operands(const MicroTile& micro, const GemmOperand& left,
                                      const GemmOperand& right, Value* k,
                                      llvm::Instruction* hoist) {
  // Steps that lines take to come from the L2 cache, and from further to there.
  constexpr int64_t kFromL2 = 16, kFromMemory = 64, kFromL2Narrow = 4;
  for (int64_t row = 0; row < left.next_rows; ++row) {
    Value* now = ir_.CreateGEP(ir_.getInt8Ty(), left.next, scaled(k, left.step, hoist));
    prefetch(unbounded_gep(now, row * left.next_stride), 2);
  }
  bool wide = target_.registers >= 32;
  // Lines a whole way of the cache apart fall into one set: what is prefetched would evict what is
  // in use (conflict misses), as all of it has to fit the set's few ways.
  bool conflicts = !wide && left.step % (target_.l1_bytes / target_.l1_ways) == 0;
  if (left.step <= kCacheLine || conflicts) return;
  prefetch_columns(left, right, k, wide ? kFromL2 : kFromL2Narrow, 3, hoist);
  const bool long_sum = micro.tile->micro.k0.valid();
  if (wide && long_sum && exceeds_l2()) prefetch_columns(left, right, k, kFromMemory, 2, hoist);
}

}  // namespace gradus::codegen
