// Arithmetic of dual numbers: value + derivative * epsilon. Where a direction is exactly 0 the
// derivative is 0 even if the slope is infinite or NaN: nothing moves, so nothing changes.
#pragma once

#include <cmath>

namespace gradus {

/// value + derivative * epsilon
struct Dual {
  double value = 0;
  double tangent = 0;
};

inline double along(double slope, double tangent) { return tangent == 0 ? 0 : slope * tangent; }

inline Dual operator-(Dual x) { return {-x.value, -x.tangent}; }
inline Dual operator+(Dual x, Dual y) { return {x.value + y.value, x.tangent + y.tangent}; }
inline Dual operator-(Dual x, Dual y) { return {x.value - y.value, x.tangent - y.tangent}; }
inline Dual operator*(Dual x, Dual y) {
  return {x.value * y.value, along(y.value, x.tangent) + along(x.value, y.tangent)};
}
inline Dual operator/(Dual x, Dual y) {
  const double quotient = x.value / y.value;
  return {quotient, along(1 / y.value, x.tangent) - along(quotient / y.value, y.tangent)};
}

/// Overloads that let one generic body serve double and Dual.
inline double value_of(double x) { return x; }
inline double value_of(Dual x) { return x.value; }
inline double with_slope(double, double value, double) { return value; }
inline Dual with_slope(Dual x, double value, double slope) {
  return {value, along(slope, x.tangent)};
}

}  // namespace gradus
