// A number with a bound on the rounding error that it carries.
#pragma once

#include <cmath>

namespace gradus::runtime {

/// Running error analysis to first order (Higham, Accuracy and Stability of Numerical
/// Algorithms, 3.3): each operation adds half a unit in the last place of its result to what its
/// operands carry.
struct Bounded {
  double value = 0, error = 0;

  static Bounded rounded(double value, double error) {
    return {value, error + std::abs(value) * 0x1p-53};
  }
};

inline Bounded operator-(Bounded a) { return {-a.value, a.error}; }
inline Bounded operator+(Bounded a, Bounded b) {
  return Bounded::rounded(a.value + b.value, a.error + b.error);
}
inline Bounded operator-(Bounded a, Bounded b) { return a + -b; }
inline Bounded operator*(Bounded a, Bounded b) {
  return Bounded::rounded(a.value * b.value,
                          std::abs(a.value) * b.error + std::abs(b.value) * a.error);
}
inline Bounded operator/(Bounded a, Bounded b) {
  double quotient = a.value / b.value;
  return Bounded::rounded(quotient, (a.error + std::abs(quotient) * b.error) / std::abs(b.value));
}
inline Bounded log(Bounded a) {
  return Bounded::rounded(std::log(a.value), a.error / std::abs(a.value));
}
inline bool isnan(Bounded a) { return std::isnan(a.value); }

}  // namespace gradus::runtime
