// The order of every floating-point sum, in one place: the exact evaluator and the kernel
// interpreter call these functions and generated code does the same additions in the same order.
//
//   lanes   element i goes to lane i mod 32, lanes add ascending; then l + (l+16), +8, +4, +2, +1.
//           Over 16384 elements: chunks of 4096 each so, then the totals of the chunks so.
//   chain   ascending, one accumulator.
//   product acc = fma(a, b, acc) from +0, ascending k; chunks of 1024 whose totals add in order.
//
// Sums start at -0.0, the identity of addition: elements that are absent change nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace gradus {

inline constexpr int64_t kSumLanes = 32;         // accumulators of order "lanes"
inline constexpr int64_t kSumChunk = 4096;       // elements of a chunk in order "lanes"
inline constexpr int64_t kSumUnchunked = 16384;  // up to so many elements there are no chunks
inline constexpr int64_t kProductChunk = 1024;   // steps of k of a contraction's chunk

/// The start of a sum; contractions, scatter-add and cumulative sums start at +0 instead.
template <typename Real>
inline constexpr Real kSumStart = Real(-0.0);

/// lanes[l] += lanes[l + 16], then + 8, + 4, + 2, + 1; the total is lanes[0].
template <typename Real>
Real fold_sum_lanes(Real (&lanes)[kSumLanes]) {
  for (int64_t half = kSumLanes / 2; half >= 1; half /= 2) {
    for (int64_t l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
  }
  return lanes[0];
}

/// Elements [begin, end) of one chunk; `element(i)` answers element i.
template <typename Real, typename Element>
Real sum_lanes_chunk(int64_t begin, int64_t end, const Element& element) {
  Real lanes[kSumLanes];
  std::fill(lanes, lanes + kSumLanes, kSumStart<Real>);
  for (int64_t i = begin; i < end; ++i) {
    Real& lane = lanes[(i - begin) % kSumLanes];
    lane = lane + element(i);
  }
  return fold_sum_lanes(lanes);
}

/// The totals of the chunks of elements [0, count).
template <typename Real, typename Element>
std::vector<Real> sum_lanes_totals(int64_t count, const Element& element) {
  std::vector<Real> totals;
  for (int64_t begin = 0; begin < count; begin += kSumChunk) {
    totals.push_back(sum_lanes_chunk<Real>(begin, std::min(begin + kSumChunk, count), element));
  }
  return totals;
}

/// Order "lanes" of elements [0, count).
template <typename Real, typename Element>
Real sum_lanes(int64_t count, const Element& element) {
  if (count <= kSumUnchunked) return sum_lanes_chunk<Real>(0, count, element);
  std::vector<Real> totals = sum_lanes_totals<Real>(count, element);
  const auto total = [&](int64_t i) { return totals[static_cast<size_t>(i)]; };
  while (static_cast<int64_t>(totals.size()) > kSumUnchunked) {
    totals = sum_lanes_totals<Real>(static_cast<int64_t>(totals.size()), total);
  }
  return sum_lanes_chunk<Real>(0, static_cast<int64_t>(totals.size()), total);
}

/// Order "chain" of elements [begin, end).
template <typename Real, typename Element>
Real sum_chain(int64_t begin, int64_t end, const Element& element) {
  Real total = kSumStart<Real>;
  for (int64_t i = begin; i < end; ++i) total = total + element(i);
  return total;
}

/// One step of a contraction.
template <typename Real>
Real product_step(Real a, Real b, Real acc, bool fused_multiply_add) {
  return fused_multiply_add ? std::fma(a, b, acc) : a * b + acc;
}

/// The inner product of a contraction over k in [0, count); `left(k)` and `right(k)` are its
/// factors.
template <typename Real, typename Left, typename Right>
Real sum_products(int64_t count, bool fused_multiply_add, const Left& left, const Right& right) {
  Real total = Real(0);
  for (int64_t begin = 0; begin < count; begin += kProductChunk) {
    const int64_t end = std::min(begin + kProductChunk, count);
    Real acc = Real(0);
    for (int64_t k = begin; k < end; ++k) {
      acc = product_step(left(k), right(k), acc, fused_multiply_add);
    }
    total = begin == 0 ? acc : total + acc;
  }
  return total;
}

}  // namespace gradus
