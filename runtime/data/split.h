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

/// A permutation of [0, order.size()), or of [0, count): Fisher and Yates, bits from SplitMix64
/// seeded by (seed, stream).
void permute(std::vector<int64_t>& order, uint64_t seed, uint64_t stream);
std::vector<int64_t> permutation(int64_t count, uint64_t seed, uint64_t stream);

}  // namespace gradus::runtime
