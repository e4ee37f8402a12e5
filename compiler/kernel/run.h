// Interprets a kernel without LLVM: the same bits as the generated code, by the same scalar rules.
#pragma once

#include <vector>

#include "kernel/kernel.h"

namespace gradus::kernel {

/// Raw storage of one buffer at run time: bytes in the buffer's dtype (bool one byte).
struct BufferView {
  void* data = nullptr;
  size_t bytes = 0;
};

struct RunContext {
  int64_t n = 1;
  int64_t step = 1, steps = 1, epoch = 1;
  uint32_t seed = 0;
  bool fused_multiply_add = true;
  int lanes = 8;
};

/// `buffers[i]` backs slot i of space Buffer (entries of worker slots are ignored). Items run in
/// ascending order. Every access is checked against its buffer: a breach throws InternalError.
void run_kernel(const Kernel& kernel, const std::vector<BufferView>& buffers,
                const RunContext& context);

}  // namespace gradus::kernel
