// Asking for the next item's rows while a strip computes this one's. Its matrices are parts of rows
// that lie pages apart, where the processor foresees nothing; the work between is long enough for
// them to come into the L2 cache.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <set>
#include <tuple>

#include "codegen/emit.h"

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

/// Asks for the line at `place`; locality 3 brings it into the L1 cache, 2 into the L2 cache.
void KernelEmitter::prefetch(Value* place, unsigned locality) {
  ir_.CreateIntrinsic(llvm::Intrinsic::prefetch, {ir_.getPtrTy()},
                      {place, ir_.getInt32(0), ir_.getInt32(locality), ir_.getInt32(1)});
}

/// The item's matrices of so many rows: what a strip reads and writes under its item axes.
std::vector<KernelEmitter::Matrix> KernelEmitter::matrices_of_item(int64_t rows) const {
  std::vector<Matrix> found;
  std::set<std::tuple<NodeId, int32_t, int64_t>> seen;
  int64_t bytes = 0;
  for (size_t i = 0; i < kernel_.slots.size(); ++i) {
    const kernel::Slot& slot = kernel_.slots[kernel::SlotId(i)];
    size_t items = next_item_.size();
    if (slot.space == kernel::SlotSpace::Worker || slot.extents.size() != items + 2) continue;
    bool turned = slot.strides[items] == 1;
    Dim across = slot.extents[turned ? items : items + 1];
    Dim down = slot.extents[turned ? items + 1 : items];
    bool sized = !across.batch && !down.batch && down.value == rows;
    if (!sized || (!turned && slot.strides[items + 1] != 1)) continue;
    if (!seen.insert({slot.value, slot.result, slot.offset}).second) continue;
    int64_t size = dtype_size(slot.dtype);
    found.push_back({i, slot.strides[turned ? items + 1 : items] * size, across.value * size});
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
  for (const Matrix& matrix : matrices_of_item(rows_of(loop))) {
    const kernel::Slot& slot = kernel_.slots[kernel::SlotId(matrix.slot)];
    Value* bytes = scaled(row, matrix.stride, hoist);
    for (size_t axis = 0; axis < next_item_.size(); ++axis) {
      int64_t stride = slot.strides[axis] * dtype_size(slot.dtype);
      bytes = ir_.CreateAdd(bytes, scaled(next_item_[axis], stride, next_item_known_));
    }
    Value* place = ir_.CreateGEP(ir_.getInt8Ty(), bases_[matrix.slot], bytes);
    for (int64_t line = 0; line < matrix.bytes; line += kCacheLine) {
      auto offset = ir_.getInt64(static_cast<uint64_t>(line));
      prefetch(ir_.CreateGEP(ir_.getInt8Ty(), place, offset), 2);
    }
  }
  next_item_.clear();
}

}  // namespace gradus::codegen
