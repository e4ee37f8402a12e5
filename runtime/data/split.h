// Which rows train, validate and test, and in what order an epoch visits them: functions of the
// seed, the same on every machine.
#pragma once

#include <cstdint>
#include <vector>

namespace gradus::runtime {

struct Split {
  std::vector<int64_t> train, validation, test;
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
void permute(std::vector<int64_t>& order, uint64_t seed, uint64_t stream);
std::vector<int64_t> permutation(int64_t count, uint64_t seed, uint64_t stream);

}  // namespace gradus::runtime
