// SplitMix64 (Steele, Lea and Flood 2014) with rejection, so that every permutation is equally
// likely.
#include "runtime/data/split.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace gradus::runtime {

namespace {

class SplitMix {
 public:
  explicit SplitMix(uint64_t state) : state_(state) {}
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  uint64_t below(uint64_t limit) {
    uint64_t rest = -limit % limit;
    uint64_t value = next();
    while (value < rest) value = next();
    return value % limit;
  }

 private:
  uint64_t state_;
};

constexpr uint64_t kSplitStream = UINT64_MAX;

template <typename T>
void permute_any(std::span<T> order, uint64_t seed, uint64_t stream) {
  std::iota(order.begin(), order.end(), T{0});
  SplitMix random(SplitMix(seed).next() ^ stream * 0xD1B54A32D192ED03u);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
}

// A hair is added so that 0.29 of 100 rows are 29, not 28.
int64_t share_of(int64_t rows, double part) {
  return static_cast<int64_t>(static_cast<double>(rows) * part + 1e-6);
}

}  // namespace

void permute(std::span<int64_t> order, uint64_t seed, uint64_t stream) {
  permute_any(order, seed, stream);
}
void permute(std::span<uint32_t> order, uint64_t seed, uint64_t stream) {
  permute_any(order, seed, stream);
}

void Order::resize(size_t rows) {
  if (rows <= UINT32_MAX)
    narrow_.resize(rows);
  else
    wide_.resize(rows);
}

void Order::permute(uint64_t seed, uint64_t stream) {
  if (wide_.empty())
    permute_any(std::span(narrow_), seed, stream);
  else
    permute_any(std::span(wide_), seed, stream);
}

int64_t Order::bytes(size_t rows) {
  return static_cast<int64_t>(rows * (rows <= UINT32_MAX ? sizeof(uint32_t) : sizeof(int64_t)));
}

std::vector<int64_t> permutation(int64_t count, uint64_t seed, uint64_t stream) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  permute(order, seed, stream);
  return order;
}

Split split_windows(int64_t length, int64_t window, int64_t stride, double validation,
                    double test) {
  int64_t test_begin = length - share_of(length, test);
  int64_t validation_begin = test_begin - share_of(length, validation);
  int64_t apart = std::max<int64_t>(window - 1, 1);
  int64_t far = (apart + stride - 1) / stride;  // in rows
  auto rows_in = [&](int64_t begin, int64_t end, int64_t step) {
    int64_t behind = end < window ? 0 : (end - window) / stride + 1;
    return Rows::stretch((begin + stride - 1) / stride, behind, step);
  };
  return {rows_in(0, validation_begin, 1), rows_in(validation_begin, test_begin, far),
          rows_in(test_begin, length, far)};
}

Split split_by_seed(int64_t rows, double validation, double test, uint64_t seed) {
  std::vector<int64_t> order = permutation(rows, seed, kSplitStream);
  auto test_end = order.begin() + share_of(rows, test);
  auto validation_end = test_end + share_of(rows, validation);
  auto sorted = [](auto begin, auto end) {
    std::sort(begin, end);
    return Rows(std::vector<int64_t>(begin, end));
  };
  return {sorted(validation_end, order.end()), sorted(test_end, validation_end),
          sorted(order.begin(), test_end)};
}

}  // namespace gradus::runtime
