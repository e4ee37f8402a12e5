// What launches of one function may differ in. A function reads these from its launch's arguments
// instead of having them in its code, so that initialisers of all sizes are one function, and
// dropout of each layer too; and so are the rounds of an unrolled recurrence, each of which reads a
// slice of the same buffer: where a slot begins comes with its buffer's offset.
//
//     kernel text    random_bits %i {stream=7}      lanes i i0..i0+1024 max 50176
//     argument                          7                               50176
//
// Only what costs nothing is sent so: a stream is one operand of a call, and a fill runs once.
// Sizes of other kernels stay constants in the code, as remainders, masks and unrolling depend on
// them.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "kernel/kernel.h"
#include "kernel/walk.h"

namespace gradus::codegen {

/// The loop over items of a kernel that reads nothing and fills one or more rows of elements; null
/// for all others. It runs once: constants need not stand in its code.
template <typename AnyKernel>
auto fill_loop(AnyKernel& kernel) -> decltype(std::get_if<kernel::Loop>(&kernel.body[0].body)) {
  for (const kernel::Slot& slot : kernel.slots) {
    if (slot.dir != kernel::SlotDir::Out || slot.extents.size() != 1) return nullptr;
    if (slot.space != kernel::SlotSpace::Buffer || slot.extents[0].batch) return nullptr;
  }
  if (kernel.body.size() != 1) return nullptr;
  auto* items = std::get_if<kernel::Loop>(&kernel.body[0].body);
  if (!items || items->kind != kernel::LoopKind::Par || items->to.value.per_n != 0) return nullptr;
  if (items->body.size() != 1) return nullptr;
  auto* lanes = std::get_if<kernel::Loop>(&items->body[0].body);
  if (!lanes || lanes->kind != kernel::LoopKind::Lanes || !lanes->to.cap) return nullptr;
  return lanes->to.cap->terms.empty() && lanes->to.cap->per_n == 0 ? items : nullptr;
}

/// Calls `visit` with each such constant of a kernel: int64_t& or double& (of an f32 constant).
template <typename AnyKernel, typename Visit>
void for_arguments(AnyKernel& kernel, Visit visit) {
  bool fills = fill_loop(kernel) != nullptr;
  auto on_operand = [&](auto& operand) {
    if (!operand.value.valid() && operand.dtype == DType::F32) visit(operand.constant);
  };
  kernel::walk(kernel.body, [&](auto& stmt) {
    auto* let = std::get_if<kernel::Let>(&stmt.body);
    if (let && let->op == OpKind::RandomBits) visit(let->stream);
    if (!fills) return;
    if (let) {
      for (auto& operand : let->operands) on_operand(operand);
    } else if (auto* store = std::get_if<kernel::Store>(&stmt.body)) {
      on_operand(store->value);
    } else if (auto* loop = std::get_if<kernel::Loop>(&stmt.body)) {
      if (loop->kind == kernel::LoopKind::Lanes) visit(loop->to.cap->constant);
    }
  });
}

inline int64_t launch_argument(int64_t value) { return value; }
inline int64_t launch_argument(double value) {
  return std::bit_cast<int32_t>(static_cast<float>(value));
}

/// The arguments of a launch of `kernel`, in the order of for_arguments.
std::vector<int64_t> launch_arguments(const kernel::Kernel& kernel);
/// Kernels of equal key are one function.
std::string function_key(const kernel::Kernel& kernel);

}  // namespace gradus::codegen
