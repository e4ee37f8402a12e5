// Inputs made up for a model: floats uniform in [0, 1), integers uniform below the axis they index
// (or 10), booleans fair. The same seed gives the same arrays everywhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lang/model.h"
#include "tensor/type.h"

namespace gradus::pipeline {

/// A counter-based generator (SplitMix64, Steele, Lea and Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  /// Uniform in [0, 1), 24 bits.
  double uniform() { return static_cast<double>(next() >> 40) * 0x1p-24; }
  int64_t below(int64_t limit) { return static_cast<int64_t>(next() % static_cast<uint64_t>(limit)); }

 private:
  uint64_t state_;
};

/// `count` whole numbers from `first` on.
struct WholeNumbers {
  int64_t first = 0, count = 10;
};

/// One element, as a double; whole numbers are of `range` where the input indexes no axis by itself.
double random_element(Random& random, const lang::ModelInput& input, const WholeNumbers& range = {});
/// Fills `bytes` with elements of the input's dtype.
void fill_random(Random& random, const lang::ModelInput& input, std::span<std::byte> bytes);
/// Writes `value` as element `index` of an array of `dtype`.
void store_element(DType dtype, std::byte* array, int64_t index, double value);
double load_element(DType dtype, const std::byte* array, int64_t index);

}  // namespace gradus::pipeline
