// Floats of 16 bits, widened: every one of them is a float of 32 bits too.
#pragma once

#include <bit>
#include <cstdint>

namespace gradus::runtime {

/// bfloat16: the upper half of a float.
inline float widen_bfloat16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// IEEE binary16: sign, 5 bits of exponent, 10 of fraction.
inline float widen_half(uint16_t bits) {
  uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 0x1F, fraction = bits & 0x3FF;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | fraction << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
  float magnitude = static_cast<float>(fraction) * 0x1p-24f;  // subnormal or zero
  return sign ? -magnitude : magnitude;
}

}  // namespace gradus::runtime
