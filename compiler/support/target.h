// The machine that code is generated for, as plain numbers. Thread count is not among them: kernels
// offer items, results do not depend on who takes them.
#pragma once

#include <cstdint>
#include <string>

namespace gradus {

constexpr int64_t kCacheLine = 64;  // bytes, on every target

struct Target {
  std::string cpu;                 // LLVM's name: "znver4", "x86-64-v2"
  std::string features;            // LLVM feature string of a detected host; empty for named CPUs
  std::string triple;              // empty: the host's
  int lanes = 8;                   // f32 in a vector
  int registers = 16;              // vector registers
  bool fma = true;
  bool cheap_masks = false;        // masked stores cost about as much as plain ones (AVX-512)
  int64_t l1_bytes = 32 << 10;
  int l1_ways = 8;
  int64_t l2_bytes = 512 << 10;
  // Estimates for the cost model, per core.
  double gigahertz = 3.5;
  double fma_per_cycle = 2;        // vector FMA issued per cycle
};

/// Frozen tables that tests name: "test-avx2", "test-avx512". Nothing where `name` is another.
bool frozen_target(const std::string& name, Target& target);

}  // namespace gradus
