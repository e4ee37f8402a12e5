// SplitMix64 and conversions between arrays in memory and doubles.
#include "pipeline/random_data.h"

#include <cstring>

namespace gradus::pipeline {

namespace {

template <typename T>
void put(std::byte* array, int64_t index, double value) {
  T element = static_cast<T>(value);
  std::memcpy(array + index * static_cast<int64_t>(sizeof(T)), &element, sizeof(T));
}

template <typename T>
double get(const std::byte* array, int64_t index) {
  T element;
  std::memcpy(&element, array + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return static_cast<double>(element);
}

}  // namespace

uint64_t Random::next() {
  state_ += 0x9E3779B97F4A7C15u;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

double random_element(Random& random, const lang::ModelInput& input, const WholeNumbers& range) {
  if (is_float(input.type.dtype)) return random.uniform();
  if (input.type.dtype == DType::Bool) return static_cast<double>(random.below(2));
  if (input.index_limit > 0) return static_cast<double>(random.below(input.index_limit));
  return static_cast<double>(range.first + random.below(range.count));
}

void fill_random(Random& random, const lang::ModelInput& input, std::span<std::byte> bytes) {
  int64_t count = static_cast<int64_t>(bytes.size()) / dtype_size(input.type.dtype);
  for (int64_t i = 0; i < count; ++i) {
    store_element(input.type.dtype, bytes.data(), i, random_element(random, input));
  }
}

void store_element(DType dtype, std::byte* array, int64_t index, double value) {
  visit_dtype(dtype, [&](auto type) {
    put<typename decltype(type)::type>(array, index, value);
  });
}

double load_element(DType dtype, const std::byte* array, int64_t index) {
  return visit_dtype(dtype, [&](auto type) -> double {
    return get<typename decltype(type)::type>(array, index);
  });
}

}  // namespace gradus::pipeline
