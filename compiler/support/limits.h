// The bounds of the numbers that a model file's blocks and the command line give. A number that both
// give has one row here, so neither takes what the other refuses. Products of numbers within their
// bounds (steps = epochs * steps of an epoch) fit 64 bits wherever data of that size exist.
#pragma once

#include <cstdint>
#include <string>

#include <fmt/format.h>

namespace gradus::limits {

struct Range {
  int64_t least, most;
  constexpr bool holds(int64_t value) const { return value >= least && value <= most; }
};

inline constexpr int64_t kTrillion = 1'000'000'000'000;

inline constexpr Range kBatch = {1, int64_t{1} << 20};
inline constexpr Range kEpochs = {1, 1'000'000'000};
inline constexpr Range kSteps = {1, kTrillion};
inline constexpr Range kValidateEvery = {1, kTrillion};
inline constexpr Range kStopAfter = {1, kTrillion};
inline constexpr Range kSaveEvery = {0, 1'000'000'000};  // seconds
inline constexpr Range kLeastSteps = {1, kTrillion};
inline constexpr Range kPatience = {1, kTrillion};
inline constexpr Range kSeed = {0, UINT32_MAX};  // the bits that draws take of it
inline constexpr Range kThreads = {1, 256};
inline constexpr Range kWindow = {1, int64_t{1} << 30};
inline constexpr Range kStride = {1, int64_t{1} << 30};
inline constexpr Range kPosition = {0, int64_t{1} << 20};   // of a column
inline constexpr Range kTime = {0, int64_t{1} << 30};       // of a place in a window
inline constexpr Range kPoints = {2, int64_t{1} << 31};     // of linspace

/// "`epochs` is 0, expected 1 to 1000000000"
inline std::string message(const std::string& what, int64_t found, const Range& range) {
  return fmt::format("{} is {}, expected {} to {}", what, found, range.least, range.most);
}

}  // namespace gradus::limits
