// A number that is not finite has all bits of its exponent set. Blocks are folded without a branch,
// which vectorizes; only a block that holds one is looked at by element.
#include "runtime/train/finite.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace gradus::runtime {

namespace {

constexpr size_t kBlock = 4096;  // elements

template <class Bits>
bool any_not_finite(const std::byte* from, size_t count, Bits exponent) {
  Bits found = 0;
  for (size_t i = 0; i < count; ++i) {
    Bits bits;
    std::memcpy(&bits, from + i * sizeof bits, sizeof bits);
    found |= static_cast<Bits>((bits & exponent) == exponent);
  }
  return found != 0;
}

template <class Float, class Bits>
std::optional<NotFinite> find(const std::string& path, std::span<const std::byte> bytes,
                              Bits exponent, bool nan_only) {
  size_t count = bytes.size() / sizeof(Float);
  for (size_t begin = 0; begin < count; begin += kBlock) {
    size_t end = std::min(begin + kBlock, count);
    if (!any_not_finite(bytes.data() + begin * sizeof(Float), end - begin, exponent)) continue;
    for (size_t i = begin; i < end; ++i) {
      Float value;
      std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
      if (nan_only ? std::isnan(value) : !std::isfinite(value)) {
        return NotFinite{path, static_cast<int64_t>(i), static_cast<double>(value)};
      }
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<NotFinite> find_not_finite(const std::string& path, const std::string& dtype,
                                         std::span<const std::byte> bytes, bool nan_only) {
  if (dtype == "F32") return find<float>(path, bytes, uint32_t{0x7F800000}, nan_only);
  if (dtype == "F64") return find<double>(path, bytes, uint64_t{0x7FF0000000000000}, nan_only);
  return std::nullopt;
}

FiniteCheck::FiniteCheck(const std::vector<NamedTensor>& at_start) {
  for (const NamedTensor& variable : at_start) {
    may_be_infinite_.push_back(
        variable.of_optimizer ||
        find_not_finite(variable.path, variable.dtype, variable.bytes).has_value());
  }
}

std::optional<NotFinite> FiniteCheck::operator()(const std::vector<NamedTensor>& variables) const {
  for (size_t i = 0; i < variables.size(); ++i) {
    const NamedTensor& variable = variables[i];
    auto found =
        find_not_finite(variable.path, variable.dtype, variable.bytes, may_be_infinite_[i]);
    if (found) return found;
  }
  return std::nullopt;
}

}  // namespace gradus::runtime
