// Ten independent accumulators of the widest vector keep both FMA units busy (4 cycles of latency, 2 a
// cycle); eight streams of loads over 64 MiB per thread show what memory gives. Functions are compiled
// per instruction set and chosen at run time.
#include "runtime/machine_peak.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <system_error>
#include <thread>
#include <vector>

namespace gradus::runtime {

namespace {

constexpr int kRepeats = 100000;
constexpr int kAccumulators = 10;

#if defined(__x86_64__)
typedef float Vector8 __attribute__((vector_size(32)));
typedef float Vector16 __attribute__((vector_size(64)));

#define GRADUS_BURST(name, Vector, isa)                                                       \
  __attribute__((noinline, target(isa))) float name(float seed) {                             \
    Vector x = Vector{} + seed, y = Vector{} + 1e-6f;                                          \
    Vector a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x;     \
    for (int i = 0; i < kRepeats; ++i) {                                                       \
      __asm__ volatile(                                                                        \
          "vfmadd213ps %11, %10, %0\n vfmadd213ps %11, %10, %1\n vfmadd213ps %11, %10, %2\n"   \
          "vfmadd213ps %11, %10, %3\n vfmadd213ps %11, %10, %4\n vfmadd213ps %11, %10, %5\n"   \
          "vfmadd213ps %11, %10, %6\n vfmadd213ps %11, %10, %7\n vfmadd213ps %11, %10, %8\n"   \
          "vfmadd213ps %11, %10, %9\n"                                                         \
          : "+v"(a0), "+v"(a1), "+v"(a2), "+v"(a3), "+v"(a4), "+v"(a5), "+v"(a6), "+v"(a7),    \
            "+v"(a8), "+v"(a9)                                                                 \
          : "v"(x), "v"(y));                                                                   \
    }                                                                                          \
    Vector sum = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9;                              \
    return sum[0];                                                                             \
  }
GRADUS_BURST(burst8, Vector8, "avx2,fma")
GRADUS_BURST(burst16, Vector16, "avx512f")
#undef GRADUS_BURST
#endif

float burst_plain(float seed) {
  volatile float sum = seed;
  for (int i = 0; i < kRepeats; ++i) sum = sum * 0.999f + 1e-6f;
  return sum;
}

struct Burst {
  float (*run)(float) = burst_plain;
  double flop = 2.0 * kRepeats;
};

Burst widest_burst() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {burst16, 2.0 * kRepeats * kAccumulators * 16};
  if (__builtin_cpu_supports("fma")) return {burst8, 2.0 * kRepeats * kAccumulators * 8};
#endif
  return {};
}

struct Timing {
  double seconds = 0;  // from the first start to the last end
  int threads = 1;     // that there were: the system may give fewer than are asked for
};
Timing timed(int threads, const std::function<void(int)>& work) {
  auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  try {
    for (int i = 1; i < threads; ++i) others.emplace_back(work, i);
  } catch (const std::system_error&) {
  }
  work(0);
  for (std::thread& other : others) other.join();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
          1 + static_cast<int>(others.size())};
}

}  // namespace

MachinePeak measure_peak(int threads) {
  MachinePeak peak;
  Burst burst = widest_burst();
  volatile float sink = 0;
  constexpr int kBursts = 20;
  for (int round = 0; round < 8; ++round) {
    Timing all = timed(threads, [&](int) {
      for (int i = 0; i < kBursts; ++i) sink = burst.run(0.999f);
    });
    peak.fma_gflops = std::max(peak.fma_gflops, burst.flop * kBursts * all.threads / all.seconds * 1e-9);
  }
  constexpr size_t kWords = size_t{8} << 20;
  std::vector<std::vector<double>> memory(static_cast<size_t>(threads), std::vector<double>(kWords, 1.0));
  for (int round = 0; round < 3; ++round) {
    Timing all = timed(threads, [&](int worker) {
      const std::vector<double>& words = memory[static_cast<size_t>(worker)];
      double sums[8] = {};
      for (size_t i = 0; i < kWords; i += 8) {
        for (size_t k = 0; k < 8; ++k) sums[k] += words[i + k];
      }
      sink = static_cast<float>(sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7]);
    });
    double bytes = static_cast<double>(kWords * sizeof(double)) * all.threads;
    peak.read_gbs = std::max(peak.read_gbs, bytes / all.seconds * 1e-9);
  }
  (void)sink;
  return peak;
}

}  // namespace gradus::runtime
