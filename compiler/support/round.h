// Whole quotients and multiples that round up, for counts that are not negative.
#pragma once

#include <cstdint>

namespace gradus {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// The least multiple of `unit` that is not below `a`.
constexpr int64_t round_up(int64_t a, int64_t unit) { return ceil_div(a, unit) * unit; }

}  // namespace gradus
