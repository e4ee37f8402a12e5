// Which rows train, validate and test, and in what order an epoch visits them: functions of the
// seed, the same on every machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/data/rows.h"

namespace gradus::runtime {

struct Split {
  Rows train, validation, test;
};

/// Draws `validation` and `test` shares of [0, rows) by seed; each part ascends. Shares are rounded
/// down.
Split split_by_seed(int64_t rows, double validation, double test, uint64_t seed);

/// For windows over a series of `length`: the test part is the last stretch, the validation part
/// the one before it, and neither shares anything with another part. Windows that train begin
/// `stride` apart; the others follow one another and share one place: what one asks for last, the
/// next is given first. Rows are numbered as the windows of the whole series.
Split split_windows(int64_t length, int64_t window, int64_t stride, double validation, double test);

/// A permutation of [0, order.size()), or of [0, count): Fisher and Yates, bits from SplitMix64
/// seeded by (seed, stream).
void permute(std::span<int64_t> order, uint64_t seed, uint64_t stream);
void permute(std::span<uint32_t> order, uint64_t seed, uint64_t stream);
std::vector<int64_t> permutation(int64_t count, uint64_t seed, uint64_t stream);

/// An order of rows that is drawn anew for each epoch, in 4 bytes a row below 2^32 rows.
class Order {
 public:
  void resize(size_t rows);
  void permute(uint64_t seed, uint64_t stream);
  size_t operator[](size_t i) const {
    return wide_.empty() ? narrow_[i] : static_cast<size_t>(wide_[i]);
  }
  /// What an order of so many rows takes.
  static int64_t bytes(size_t rows);

 private:
  std::vector<uint32_t> narrow_;
  std::vector<int64_t> wide_;
};

}  // namespace gradus::runtime
