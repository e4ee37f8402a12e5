// The math functions of ScalarBuilder in elementary operations: the choice by dtype, and what the
// sequences of both dtypes share.
#include "scalar/scalar_math.h"

#include <limits>

#include "support/check.h"

namespace gradus {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

bool is_double(Scalar x) {
  GRADUS_CHECK(is_float(x.dtype), "a math function of a float");
  return x.dtype == DType::F64;
}

}  // namespace

Scalar polynomial(ScalarBuilder& b, Scalar x, std::initializer_list<double> coefficients) {
  Scalar sum;
  bool first = true;
  for (double coefficient : coefficients) {
    const Scalar c = b.constant(x.dtype, coefficient);
    sum = first ? c : b.mul_add(sum, x, c);
    first = false;
  }
  return sum;
}

Scalar at_most(ScalarBuilder& b, Scalar x, double limit) {
  const Scalar bound = b.constant(x.dtype, limit);
  return b.select(b.less(bound, x), bound, x);
}

Scalar at_least(ScalarBuilder& b, Scalar x, double limit) {
  const Scalar bound = b.constant(x.dtype, limit);
  return b.select(b.less(x, bound), bound, x);
}

Scalar flip_by_sign(ScalarBuilder& b, Scalar magnitude, Scalar x) {
  const DType integer = x.dtype == DType::F64 ? DType::I64 : DType::I32;
  const Scalar sign_bit = b.bitcast(b.constant(x.dtype, -0.0), integer);
  const Scalar sign = b.bit_and(b.bitcast(x, integer), sign_bit);
  return b.bitcast(b.bit_xor(b.bitcast(magnitude, integer), sign), x.dtype);
}

Scalar log_special(ScalarBuilder& b, Scalar x, Scalar at_infinity, Scalar value) {
  const Scalar zero = b.constant(x.dtype, 0);
  const Scalar finite = b.select(b.less(x, b.constant(x.dtype, kInfinity)), value, at_infinity);
  const Scalar pole =
      b.select(b.equal(x, zero), b.constant(x.dtype, -kInfinity), b.constant(x.dtype, kNan));
  return b.select(b.less(zero, x), finite, pole);
}

Scalar pow_special(ScalarBuilder& b, Scalar x, Scalar y, Scalar positive) {
  const auto number = [&](double value) { return b.constant(x.dtype, value); };
  const Scalar zero = number(0), one = number(1), infinity = number(kInfinity);
  const Scalar half = b.mul(y, number(0.5));
  const Scalar whole = b.equal(b.floor(y), y);
  const Scalar odd = b.bit_and(whole, b.not_equal(b.floor(half), half));
  // x < 0, but for -inf, has no power that is not whole.
  const Scalar finite_below = b.bit_and(b.less(x, zero), b.less(number(-kInfinity), x));
  const Scalar no_value = b.bit_and(finite_below, b.bit_not(whole));
  Scalar result = b.select(odd, flip_by_sign(b, positive, x), positive);
  result = b.select(no_value, number(kNan), result);
  // 1^y and x^0 are 1 even with NaN, (-1)^inf is 1.
  const Scalar unit_to_infinity = b.bit_and(b.equal(b.abs(x), one), b.equal(b.abs(y), infinity));
  const Scalar is_one = b.bit_or(b.bit_or(b.equal(x, one), b.equal(y, zero)), unit_to_infinity);
  return b.select(is_one, one, result);
}

Scalar ScalarBuilder::exp(Scalar x) { return is_double(x) ? exp_f64(*this, x) : exp_f32(*this, x); }
Scalar ScalarBuilder::expm1(Scalar x) {
  return is_double(x) ? expm1_f64(*this, x) : expm1_f32(*this, x);
}
Scalar ScalarBuilder::log(Scalar x) { return is_double(x) ? log_f64(*this, x) : log_f32(*this, x); }
Scalar ScalarBuilder::log1p(Scalar x) {
  return is_double(x) ? log1p_f64(*this, x) : log1p_f32(*this, x);
}
Scalar ScalarBuilder::sin(Scalar x) { return is_double(x) ? sin_f64(*this, x) : sin_f32(*this, x); }
Scalar ScalarBuilder::cos(Scalar x) { return is_double(x) ? cos_f64(*this, x) : cos_f32(*this, x); }
Scalar ScalarBuilder::tanh(Scalar x) {
  return is_double(x) ? tanh_f64(*this, x) : tanh_f32(*this, x);
}
Scalar ScalarBuilder::sigmoid(Scalar x) {
  return is_double(x) ? sigmoid_f64(*this, x) : sigmoid_f32(*this, x);
}
Scalar ScalarBuilder::erf(Scalar x) { return is_double(x) ? erf_f64(*this, x) : erf_f32(*this, x); }
Scalar ScalarBuilder::normal_cdf(Scalar x) {
  return is_double(x) ? normal_cdf_f64(*this, x) : normal_cdf_f32(*this, x);
}
Scalar ScalarBuilder::normal_density(Scalar x) {
  return is_double(x) ? normal_density_f64(*this, x) : normal_density_f32(*this, x);
}
Scalar ScalarBuilder::pow(Scalar x, Scalar y) {
  return is_double(x) ? pow_f64(*this, x, y) : pow_f32(*this, x, y);
}

}  // namespace gradus
