// Runs a kernel of a text both ways on the same random bytes: interpreted and compiled. Buffers lie
// behind poisoned borders, so that a write outside of one is seen.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "kernel/run.h"
#include "kernel/text.h"

namespace gradus::codegen {

inline kernel::Kernel kernel_of(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto kernels = kernel::read_kernels(sources, sources.add("t.kernel", text), diags);
  if (!kernels) throw std::runtime_error(diags.render(false));
  if (auto problem = kernel::verify_kernel(kernels->front())) throw std::runtime_error(*problem);
  return kernels->front();
}

/// A program that launches one kernel, each slot in a block of its own.
inline plan::Program program_of(const kernel::Kernel& kernel, int64_t capacity) {
  plan::Program program;
  program.name = kernel.name;
  program.capacity = capacity;
  plan::Launch launch;
  launch.kernel = program.kernels.push_back(kernel);
  launch.name = kernel.name;
  for (const kernel::Slot& slot : kernel.slots) {
    if (slot.space == kernel::SlotSpace::Worker) {
      launch.buffers.push_back({});
      continue;
    }
    plan::Buffer buffer;
    buffer.kind = plan::BufferKind::Input;
    buffer.name = slot.name;
    buffer.block = program.block_count++;
    launch.buffers.push_back(program.buffers.push_back(buffer));
  }
  program.worker_block = program.block_count++;
  program.worker_bytes = kernel.worker_bytes;
  program.launches.push_back(launch);
  return program;
}

inline size_t slot_bytes(const kernel::Slot& slot, int64_t n) {
  int64_t last = slot.offset;
  for (size_t d = 0; d < slot.extents.size(); ++d) {
    last += (slot.extents[d].at(n) - 1) * slot.strides[d];
  }
  return static_cast<size_t>((last + 1) * dtype_size(slot.dtype));
}

/// Random contents by dtype: floats around zero with some specials, small integers, booleans.
inline std::vector<uint8_t> random_bytes(const kernel::Slot& slot, int64_t n, std::mt19937& random,
                                         bool specials, int32_t limit) {
  std::vector<uint8_t> bytes(slot_bytes(slot, n));
  size_t size = static_cast<size_t>(dtype_size(slot.dtype));
  std::normal_distribution<float> normal(0, 2);
  const float special[] = {0.0F, -0.0F, INFINITY, -INFINITY, NAN, 1e-40F, -1e38F, 1.0F};
  for (size_t i = 0; i + size <= bytes.size(); i += size) {
    float f = normal(random);
    if (specials && random() % 4 == 0) f = special[random() % 8];
    auto integer = static_cast<int32_t>(random() % static_cast<uint32_t>(limit));
    if (slot.dtype == DType::F32) std::memcpy(&bytes[i], &f, 4);
    if (slot.dtype == DType::F64) {
      double d = f;
      std::memcpy(&bytes[i], &d, 8);
    }
    if (slot.dtype == DType::I32) std::memcpy(&bytes[i], &integer, 4);
    if (slot.dtype == DType::I64) {
      int64_t wide = integer;
      std::memcpy(&bytes[i], &wide, 8);
    }
    if (slot.dtype == DType::Bool) bytes[i] = random() % 2;
  }
  return bytes;
}

/// Equal bits; any NaN equals any other.
inline std::string first_difference(const kernel::Slot& slot, const uint8_t* a, const uint8_t* b,
                                    size_t bytes) {
  size_t size = static_cast<size_t>(dtype_size(slot.dtype));
  for (size_t i = 0; i < bytes; i += size) {
    if (std::memcmp(a + i, b + i, size) == 0) continue;
    if (slot.dtype == DType::F32) {
      float x, y;
      std::memcpy(&x, a + i, 4);
      std::memcpy(&y, b + i, 4);
      if (std::isnan(x) && std::isnan(y)) continue;
      return slot.name + "[" + std::to_string(i / size) + "]: " + std::to_string(x) +
             " interpreted, " + std::to_string(y) + " compiled";
    }
    return slot.name + "[" + std::to_string(i / size) + "]";
  }
  return "";
}

struct CheckOptions {
  int64_t n = 1, capacity = 0;
  uint32_t seed = 1;
  bool specials = false;
  int32_t limit = 4;  // random integers are below
};

/// Compiled code for one kernel, run on blocks with borders.
class CompiledKernel {
 public:
  CompiledKernel(const kernel::Kernel& kernel, const Target& target, int64_t capacity)
      : kernel_(kernel), program_(program_of(kernel, capacity)) {
    jit_ = compile_jit({{&program_, &plan_, "step"}}, target);
    step_ = jit_->find("step");
  }

  /// `buffers` per slot, changed in place; the answer names a broken border.
  std::string run(std::vector<std::vector<uint8_t>>& buffers, gradus_frame frame) {
    constexpr size_t kBorder = 256;
    std::vector<std::vector<uint8_t>> memory;
    std::vector<void*> blocks;
    auto place = [&](size_t bytes) {
      memory.emplace_back(bytes + 2 * kBorder + 64, uint8_t{0xa5});
      auto start = reinterpret_cast<uintptr_t>(memory.back().data()) + kBorder;
      blocks.push_back(reinterpret_cast<void*>((start + 63) / 64 * 64));
    };
    for (size_t s = 0; s < buffers.size(); ++s) {
      if (kernel_.slots[kernel::SlotId(s)].space == kernel::SlotSpace::Worker) continue;
      place(buffers[s].size());
      std::memcpy(blocks.back(), buffers[s].data(), buffers[s].size());
    }
    auto workers = static_cast<size_t>(std::max(frame.workers, 1));
    place(static_cast<size_t>(program_.worker_bytes) * workers);
    frame.blocks = blocks.data();
    status = step_(&frame);
    std::string problem;
    size_t block = 0;
    for (size_t s = 0; s < buffers.size(); ++s) {
      if (kernel_.slots[kernel::SlotId(s)].space == kernel::SlotSpace::Worker) continue;
      auto* start = static_cast<uint8_t*>(blocks[block++]);
      auto* end = start + buffers[s].size();
      bool intact = std::all_of(start - kBorder / 2, start, [](uint8_t b) { return b == 0xa5; }) &&
                    std::all_of(end, end + kBorder / 2, [](uint8_t b) { return b == 0xa5; });
      if (!intact) problem += "border of " + kernel_.slots[kernel::SlotId(s)].name + "; ";
      std::copy(start, end, buffers[s].begin());
    }
    return problem;
  }
  int32_t status = 0;

 private:
  kernel::Kernel kernel_;
  plan::Program program_;
  plan::Plan plan_;
  std::unique_ptr<Jit> jit_;
  StepFunction step_ = nullptr;
};

/// The first difference between interpreter and compiled code on random data; empty where none.
inline std::string compare(const kernel::Kernel& kernel, const Target& target,
                           const CheckOptions& options) {
  std::mt19937 random(options.seed);
  std::vector<std::vector<uint8_t>> interpreted;
  for (const kernel::Slot& slot : kernel.slots) {
    bool worker = slot.space == kernel::SlotSpace::Worker;
    interpreted.push_back(
        worker ? std::vector<uint8_t>()
               : random_bytes(slot, options.n, random, options.specials, options.limit));
  }
  auto compiled = interpreted;
  std::vector<kernel::BufferView> views;
  for (auto& bytes : interpreted) views.push_back({bytes.data(), bytes.size()});
  kernel::RunContext context;
  context.n = options.n;
  context.step = 7, context.steps = 100, context.epoch = 3, context.seed = 0xdeadbeef;
  context.fused_multiply_add = target.fma;
  context.lanes = target.lanes;
  kernel::run_kernel(kernel, views, context);
  CompiledKernel code(kernel, target, std::max(options.capacity, options.n));
  gradus_frame frame = {};
  frame.rows = options.n;
  frame.step = 7, frame.steps = 100, frame.epoch = 3, frame.seed = 0xdeadbeef;
  frame.workers = 1;
  std::string problem = code.run(compiled, frame);
  if (code.status != 0) problem += "status " + std::to_string(code.status);
  for (size_t s = 0; s < compiled.size(); ++s) {
    problem += first_difference(kernel.slots[kernel::SlotId(s)], interpreted[s].data(),
                                compiled[s].data(), compiled[s].size());
  }
  return problem;
}

/// This host, and older vector extensions that it has too.
inline std::vector<Target> test_targets() {
  std::vector<Target> targets = {detect_host()};
  for (const char* name : {"x86-64-v3", "x86-64-v2"}) {
    Target target = *named_target(name);
    if (target.lanes <= targets[0].lanes) targets.push_back(target);
  }
  return targets;
}

/// Interpreter and compiled code agree for every target.
inline void expect_equal(const std::string& text, const CheckOptions& options) {
  kernel::Kernel kernel = kernel_of(text);
  for (const Target& target : test_targets()) {
    EXPECT_EQ(compare(kernel, target, options), "")
        << "on " << target.cpu << " with n " << options.n << "\n"
        << text;
  }
}

}  // namespace gradus::codegen
