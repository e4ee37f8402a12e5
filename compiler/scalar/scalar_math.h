// The default sequences of the math functions, by dtype. Internal to scalar_math*.cpp.
//
// Each is one straight line of elementary operations: no tables, no branches, the same bits in
// every lane, width and target with fused multiply-add. Polynomials and their quotients are minimax
// fits to the relative error of the result (Remez exchange in 45 digits), their coefficients
// rounded to the dtype.
#pragma once

#include <initializer_list>

#include "scalar/scalar.h"

namespace gradus {

/// c0 + x*(c1 + x*(...)), given from the highest coefficient down.
Scalar polynomial(ScalarBuilder& b, Scalar x, std::initializer_list<double> coefficients);
/// x, but `limit` where x is above (below) it; NaN stays.
Scalar at_most(ScalarBuilder& b, Scalar x, double limit);
Scalar at_least(ScalarBuilder& b, Scalar x, double limit);
/// `magnitude` with its sign bit flipped where x has one.
Scalar flip_by_sign(ScalarBuilder& b, Scalar magnitude, Scalar x);
/// What log and log1p say outside (0, inf): `value` inside, -inf at 0, NaN below; inf and NaN of x
/// stay. `x` is the argument of log.
Scalar log_special(ScalarBuilder& b, Scalar x, Scalar at_infinity, Scalar value);

Scalar exp_f32(ScalarBuilder& b, Scalar x);
Scalar expm1_f32(ScalarBuilder& b, Scalar x);
Scalar log_f32(ScalarBuilder& b, Scalar x);
Scalar log1p_f32(ScalarBuilder& b, Scalar x);
Scalar sin_f32(ScalarBuilder& b, Scalar x);
Scalar cos_f32(ScalarBuilder& b, Scalar x);
Scalar tanh_f32(ScalarBuilder& b, Scalar x);
Scalar sigmoid_f32(ScalarBuilder& b, Scalar x);
Scalar erf_f32(ScalarBuilder& b, Scalar x);
Scalar normal_cdf_f32(ScalarBuilder& b, Scalar x);
Scalar normal_density_f32(ScalarBuilder& b, Scalar x);
Scalar pow_f32(ScalarBuilder& b, Scalar x, Scalar y);

Scalar exp_f64(ScalarBuilder& b, Scalar x);
Scalar expm1_f64(ScalarBuilder& b, Scalar x);
Scalar log_f64(ScalarBuilder& b, Scalar x);
Scalar log1p_f64(ScalarBuilder& b, Scalar x);
Scalar sin_f64(ScalarBuilder& b, Scalar x);
Scalar cos_f64(ScalarBuilder& b, Scalar x);
Scalar tanh_f64(ScalarBuilder& b, Scalar x);
Scalar sigmoid_f64(ScalarBuilder& b, Scalar x);
Scalar erf_f64(ScalarBuilder& b, Scalar x);
Scalar normal_cdf_f64(ScalarBuilder& b, Scalar x);
Scalar normal_density_f64(ScalarBuilder& b, Scalar x);
Scalar pow_f64(ScalarBuilder& b, Scalar x, Scalar y);

/// The special cases of C99 annex F round `positive` = |x|^y: signs, NaN of negative x, and the
/// ones.
Scalar pow_special(ScalarBuilder& b, Scalar x, Scalar y, Scalar positive);

}  // namespace gradus
