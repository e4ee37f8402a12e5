// Where worker slots lie in a worker's scratch, and how many bytes slots take.
#pragma once

#include "kernel/kernel.h"

namespace gradus::kernel {

/// Vector loads may run this far beyond the end of a buffer or worker slot.
inline constexpr int64_t kSlackBytes = 64;

/// Strides in elements of a dense slot: batch counts as one row of what lies inside it.
std::vector<int64_t> dense_slot_strides(const std::vector<Dim>& extents);
/// A dense slot of worker scratch.
Slot make_worker_slot(std::string name, std::vector<int64_t> extents, DType dtype = DType::F32);
/// Gives each worker slot its place, 64-aligned with slack behind, and the kernel its worker_bytes.
void place_worker_slots(Kernel& kernel);
/// The bytes of scratch that the worker slots reach, slack included.
int64_t scratch_end(const Kernel& kernel);

}  // namespace gradus::kernel
