// Operations on one element, overloaded by lane type: floats, Dual, integers and booleans
// (uint8_t). Internal to the concrete builders. Integers wrap: they are computed unsigned.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "scalar/dual.h"

namespace gradus {

template <typename U>
constexpr bool kIsFloat = std::is_floating_point_v<U> || std::is_same_v<U, Dual>;
template <typename U>
using Unsigned = std::make_unsigned_t<U>;

template <typename U>
U plus(U x, U y) {
  if constexpr (kIsFloat<U>)
    return x + y;
  else
    return static_cast<U>(static_cast<Unsigned<U>>(x) + static_cast<Unsigned<U>>(y));
}
template <typename U>
U minus(U x, U y) {
  if constexpr (kIsFloat<U>)
    return x - y;
  else
    return static_cast<U>(static_cast<Unsigned<U>>(x) - static_cast<Unsigned<U>>(y));
}
template <typename U>
U times(U x, U y) {
  if constexpr (kIsFloat<U>)
    return x * y;
  else
    return static_cast<U>(static_cast<Unsigned<U>>(x) * static_cast<Unsigned<U>>(y));
}
template <typename U>
U quotient(U x, U y) {
  if constexpr (kIsFloat<U>)
    return x / y;
  else
    return y == 0 ? U{0} : y == -1 ? minus(U{0}, x) : static_cast<U>(x / y);
}
template <typename U>
U rest(U x, U y) {
  return y == 0 ? x : y == -1 ? U{0} : static_cast<U>(x % y);
}

inline float fused(float x, float y, float z) { return std::fma(x, y, z); }
inline double fused(double x, double y, double z) { return std::fma(x, y, z); }
inline Dual fused(Dual x, Dual y, Dual z) {
  const Dual product = x * y;
  return {std::fma(x.value, y.value, z.value), product.tangent + z.tangent};
}

template <typename U>
U scaled(U x, int64_t i) {
  if constexpr (std::is_same_v<U, float>) {
    // Exact in double, so the conversion is the one rounding.
    const int64_t exponent = std::clamp<int64_t>(i, -400, 400);
    return static_cast<float>(static_cast<double>(x) *
                              std::bit_cast<double>((exponent + 1023) << 52));
  } else if constexpr (std::is_same_v<U, double>) {
    return std::ldexp(x, static_cast<int>(std::clamp<int64_t>(i, -5000, 5000)));
  } else {
    return {scaled(x.value, i), scaled(x.tangent, i)};
  }
}

template <typename To, typename From>
To saturated(From x) {
  constexpr From kLimit = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * 2;
  if (!(x < kLimit)) return x >= kLimit ? std::numeric_limits<To>::max() : To{0};
  return x < -kLimit ? std::numeric_limits<To>::min() : static_cast<To>(x);
}

/// One element to another lane type; booleans are uint8_t and take "not zero".
template <typename To, typename From>
To converted(From x) {
  if constexpr (std::is_same_v<To, From>)
    return x;
  else if constexpr (std::is_same_v<From, Dual>)
    return converted<To>(x.value);
  else if constexpr (std::is_same_v<To, Dual>)
    return {static_cast<double>(x), 0};
  else if constexpr (std::is_same_v<To, uint8_t>)
    return x != 0;
  else if constexpr (kIsFloat<From> && !kIsFloat<To>)
    return saturated<To>(x);
  else
    return static_cast<To>(x);
}

template <typename U>
U constant_lane(double value) {
  if constexpr (kIsFloat<U> || std::is_same_v<U, uint8_t>)
    return converted<U>(value);
  else
    return static_cast<U>(static_cast<int64_t>(value));
}

template <typename U>
U root(U x) {
  if constexpr (std::is_same_v<U, Dual>) {
    const double value = std::sqrt(x.value);
    return with_slope(x, value, 0.5 / value);
  } else {
    return std::sqrt(x);
  }
}

inline double logistic(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

/// The standard normal distribution: its density at x and its share below x. What rounding takes
/// from the argument of exp or erfc is made up by the slope there; at 40 all is 0 or 1.
inline double bell(double x) {
  if (std::abs(x) > 40) return 0;
  const double square = x * x;
  const double lost = std::fma(x, x, -square);
  return 0.3989422804014327 * std::exp(-0.5 * square) * (1 - 0.5 * lost);
}
inline double share_below(double x) {
  constexpr double kRootHalf = 0.7071067811865476, kRootHalfRest = -4.833646656726457e-17;
  if (std::abs(x) > 40) return x > 0 ? 1 : 0;
  const double t = x * kRootHalf;
  const double lost = std::fma(x, kRootHalf, -t) + x * kRootHalfRest;
  return 0.5 * std::erfc(-t) + bell(x) * lost / kRootHalf;
}

inline Dual power(Dual x, Dual y) {
  const double value = std::pow(x.value, y.value);
  return {value, along(y.value * std::pow(x.value, y.value - 1), x.tangent) +
                     along(std::log(x.value) * value, y.tangent)};
}
inline double power(double x, double y) { return std::pow(x, y); }

}  // namespace gradus
