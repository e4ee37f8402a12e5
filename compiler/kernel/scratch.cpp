// Offsets of worker slots: one after the other. Slots of one kernel all live until its item ends,
// so there is nothing to share but between the parts of a strip (kernel/build/strip.cpp). Each
// begins on a cache line, and the slack lets a vector load run over its end.
#include "kernel/scratch.h"

#include <algorithm>

namespace gradus::kernel {

namespace {

int64_t dense_bytes(const Slot& slot) {
  int64_t bytes = dtype_size(slot.dtype);
  for (Dim extent : slot.extents) bytes *= extent.value;
  return bytes;
}

int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

std::vector<int64_t> dense_slot_strides(const std::vector<Dim>& extents) {
  std::vector<int64_t> strides(extents.size(), 1);
  for (size_t i = extents.size(); i-- > 1;) strides[i - 1] = strides[i] * extents[i].value;
  return strides;
}

Slot make_worker_slot(std::string name, std::vector<int64_t> extents, DType dtype) {
  Slot slot;
  slot.name = std::move(name);
  slot.dir = SlotDir::InOut;
  slot.space = SlotSpace::Worker;
  slot.dtype = dtype;
  for (int64_t extent : extents) slot.extents.push_back(Dim::fixed(extent));
  slot.strides = dense_slot_strides(slot.extents);
  return slot;
}

void place_worker_slots(Kernel& kernel) {
  int64_t end = 0;
  for (Slot& slot : kernel.slots) {
    if (slot.space != SlotSpace::Worker) continue;
    slot.worker_offset = end;
    end += aligned(dense_bytes(slot) + kSlackBytes);
  }
  kernel.worker_bytes = end;
}

int64_t scratch_end(const Kernel& kernel) {
  int64_t end = 0;
  for (const Slot& slot : kernel.slots) {
    if (slot.space != SlotSpace::Worker) continue;
    end = std::max(end, slot.worker_offset + aligned(dense_bytes(slot) + kSlackBytes));
  }
  return end;
}

}  // namespace gradus::kernel
