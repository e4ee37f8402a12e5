// f32 math in elementary operations. Measured largest errors over all 2^32 arguments stand in
// scalar_math_test.cpp, which fails when one is exceeded.
//
// Common to many: e^x = 2^n * e^r, n = round(x / ln 2), |r| <= 0.35. Adding 1.5 * 2^23 rounds to a
// whole number and leaves it in the low bits, so that n costs an addition and no conversion.
#include <array>
#include <limits>

#include "scalar/scalar_math.h"

namespace gradus {
namespace {

constexpr double kRounder = 12582912;  // 1.5 * 2^23
constexpr uint32_t kRounderBits = 0x4B400000;
constexpr double kLog2E = 1.4426950408889634;
constexpr double kInverseRoot2Pi = 0.3989422804014327;  // 1 / sqrt(2 pi)
// ln 2 in two parts; n times the first is exact for |n| < 2^14.
constexpr double kLn2High = 0.693359375, kLn2Low = -2.12194440e-4;
constexpr uint32_t kRootHalfBits = 0x3F3504F3;  // sqrt(1/2)

/// scale * e^(factor * r) for |factor * r| <= 0.35.
Scalar exp_near_zero(ScalarBuilder& b, Scalar r, double factor, double scale) {
  const double f2 = factor * factor, f3 = f2 * factor, f4 = f2 * f2;
  return polynomial(b, r,
                    {scale * f3 * f3 * 0.00138143159, scale * f4 * factor * 0.00836885069,
                     scale * f4 * 0.0416684002, scale * f3 * 0.166665196, scale * f2 * 0.49999994,
                     scale * factor, scale});
}

struct Reduced {
  Scalar rounded;  // n + rounder
  Scalar r;
};

Reduced reduce_exp(ScalarBuilder& b, Scalar x, double rounder) {
  const Scalar rounded = b.mul_add(x, b.f32(kLog2E), b.f32(rounder));
  const Scalar n = b.sub(rounded, b.f32(rounder));
  const Scalar r = b.mul_add(n, b.f32(-kLn2High), x);
  return {rounded, b.mul_add(n, b.f32(-kLn2Low), r)};
}

struct ExpParts {
  Scalar rounded;   // n + rounder
  Scalar mantissa;  // e^r, in [0.7, 1.42]
};

ExpParts exp_parts(ScalarBuilder& b, Scalar x, double rounder) {
  const Reduced reduced = reduce_exp(b, x, rounder);
  return {reduced.rounded, exp_near_zero(b, reduced.r, 1, 1)};
}

/// e^x where n lies in [-126, 127]: the exponent is made by a shift. NaN stays.
Scalar exp_in_range(ScalarBuilder& b, Scalar x) {
  const ExpParts parts = exp_parts(b, x, kRounder + 127);
  const Scalar power = b.shift_left(b.bitcast(parts.rounded, DType::I32), 23);
  return b.mul(parts.mantissa, b.bitcast(power, DType::F32));
}

/// e^x for x in [-104, 89], which covers all results that are not 0 or infinite.
Scalar exp_bounded(ScalarBuilder& b, Scalar x) {
  const ExpParts parts = exp_parts(b, x, kRounder);
  const Scalar n = b.sub(b.bitcast(parts.rounded, DType::I32), b.bits(kRounderBits));
  return b.scale2(parts.mantissa, n);
}

/// |x| as far as the normal density is not 0.
Scalar distance(ScalarBuilder& b, Scalar x) { return at_most(b, b.abs(x), 15); }

/// The normal density at a in [0, 15]: 2^n * e^(-r/2) / sqrt(2 pi), r = a*a + n * 2 ln 2. The
/// square is never rounded by itself, which would cost the last digits where a is large.
Scalar density_at(ScalarBuilder& b, Scalar a) {
  const Scalar rounded = b.mul_add(b.mul(a, a), b.f32(-0.5 * kLog2E), b.f32(kRounder));
  const Scalar n = b.sub(rounded, b.f32(kRounder));
  Scalar r = b.fma(a, a, b.mul(n, b.f32(2 * kLn2High)));
  r = b.mul_add(n, b.f32(2 * kLn2Low), r);
  const Scalar whole = b.sub(b.bitcast(rounded, DType::I32), b.bits(kRounderBits));
  return b.scale2(exp_near_zero(b, r, -0.5, kInverseRoot2Pi), whole);
}

/// log(2^e * (1 + f)) for 1 + f in [sqrt(1/2), sqrt(2)).
Scalar log_parts(ScalarBuilder& b, Scalar e, Scalar f) {
  const Scalar p = polynomial(b, f,
                              {-0.0763450265, 0.127615854, -0.13160184, 0.142017573, -0.166233569,
                               0.200012267, -0.250008196, 0.333333313, -0.5});
  Scalar y = b.mul(p, b.mul(f, f));
  y = b.mul_add(e, b.f32(kLn2Low), y);
  return b.mul_add(e, b.f32(kLn2High), b.add(y, f));
}

/// The whole e (i32) for which 2^-e * x lies in [sqrt(1/2), sqrt(2)); x is normal.
Scalar exponent_of(ScalarBuilder& b, Scalar x) {
  const Scalar above = b.sub(b.bitcast(x, DType::I32), b.bits(kRootHalfBits));
  return b.shift_right_arithmetic(above, 23);
}

Scalar to_double(ScalarBuilder& b, Scalar x) { return b.convert(x, DType::F64); }
Scalar f64(ScalarBuilder& b, double value) { return b.constant(DType::F64, value); }

/// The next 116 bits of 2/pi that matter for a class of arguments, in four pieces of 29 bits: times
/// an f32 each is exact in f64. Bits before them make multiples of four quadrants.
constexpr int kClasses = 3;
constexpr double kClassLimits[kClasses - 1] = {0x1p61, 0x1p97};
constexpr double kTwoOverPi[kClasses][4] = {
    {0x145f306dp-29, 0x19391054p-58, 0x14fe13abp-87, 0x1d1f534dp-116},
    {0x1c882a53p-65, 0x1f09d5f4p-94, 0xfa9a6eep-123, 0xdb6295p-152},
    {0x4eafa3ep-101, 0x14d37703p-130, 0xdb14accp-159, 0x13c43904p-188},
};

/// p less its nearest multiple of 4; exact.
Scalar modulo_four(ScalarBuilder& b, Scalar p) {
  const Scalar fours = b.round_even(b.mul(p, f64(b, 0.25)));
  return b.sub(p, b.mul(fours, f64(b, 4)));
}

struct Quadrant {
  Scalar r;         // f32, in [-pi/4, pi/4]
  Scalar quadrant;  // i32: x = quadrant * pi/2 + r, up to whole turns
};

/// For a >= 0, any size, in f64: the class of a chooses the bits of 2/pi. No step needs an FMA.
Quadrant reduce_quadrant(ScalarBuilder& b, Scalar a) {
  const Scalar x = to_double(b, a);
  const Scalar second = b.less(a, b.f32(kClassLimits[0])),
               third = b.less(a, b.f32(kClassLimits[1]));
  std::array<Scalar, 4> p;
  for (size_t k = 0; k < 4; ++k) {
    const Scalar large = b.select(third, f64(b, kTwoOverPi[1][k]), f64(b, kTwoOverPi[2][k]));
    p[k] = b.mul(x, b.select(second, f64(b, kTwoOverPi[0][k]), large));
  }
  for (size_t k = 0; k < 3; ++k) p[k] = modulo_four(b, p[k]);
  const Scalar whole = b.round_even(b.add(p[0], b.add(p[1], p[2])));
  const Scalar rest = b.add(b.add(b.sub(p[0], whole), p[1]), b.add(p[2], p[3]));
  const Scalar r = b.mul(rest, f64(b, 1.5707963267948966));
  return {b.convert(r, DType::F32), b.convert(whole, DType::I32)};
}

/// |sin| or |cos| of the reduced argument by the low bit, the sign by the next bit of the quadrant.
Scalar sine_of_quadrant(ScalarBuilder& b, Scalar r, Scalar quadrant) {
  const Scalar r2 = b.mul(r, r);
  const Scalar s = polynomial(b, r2, {-0.000195152184, 0.0083321603, -0.166666552});
  const Scalar sine = b.mul_add(b.mul(s, r2), r, r);
  const Scalar cosine = polynomial(b, r2, {2.44330822e-05, -0.00138873153, 0.0416666456, -0.5, 1});
  const Scalar odd = b.not_equal(b.bit_and(quadrant, b.i32(1)), b.i32(0));
  const Scalar value = b.select(odd, cosine, sine);
  const Scalar sign = b.shift_left(b.bit_and(quadrant, b.i32(2)), 30);
  return b.bitcast(b.bit_xor(b.bitcast(value, DType::I32), sign), DType::F32);
}

/// log2 of a positive finite f64 to about 2^-44 of itself; infinite at 0 and infinity.
Scalar log2_for_pow(ScalarBuilder& b, Scalar x) {
  const auto whole = [&](double value) { return b.constant(DType::I64, value); };
  const double root_half_bits = 0x3fe6a09ep32;  // of a double just below sqrt(1/2)
  const Scalar above = b.sub(b.bitcast(x, DType::I64), whole(root_half_bits));
  const Scalar low = b.bit_and(above, whole(0x1p52 - 1));
  const Scalar m = b.bitcast(b.add(low, whole(root_half_bits)), DType::F64);
  const Scalar e =
      b.convert(b.convert(b.shift_right_arithmetic(above, 52), DType::I32), DType::F64);
  const Scalar s = b.div(b.sub(m, f64(b, 1)), b.add(m, f64(b, 1)));
  const Scalar p =
      polynomial(b, b.mul(s, s),
                 {0.28290357876114757828, 0.31990547040544421485, 0.41220925757468628898,
                  0.57707794232677342615, 0.96179669411349605589, 2.8853900817778499188});
  return log_special(b, x, x, b.mul_add(s, p, e));
}

/// 2^z in f64 to about 2^-34, z in [-160, 160]. NaN stays.
Scalar exp2_for_pow(ScalarBuilder& b, Scalar z) {
  const Scalar rounder = f64(b, 0x1.8p52 + 1023);
  const Scalar rounded = b.add(z, rounder);
  const Scalar f = b.sub(z, b.sub(rounded, rounder));
  const Scalar p =
      polynomial(b, f,
                 {0.00001520192145925442643, 0.00015469291072242085758, 0.0013333922563353459004,
                  0.0096180272538875041567, 0.055504103534495002761, 0.24022651198155918612,
                  0.69314718072844603414, 0.99999999996168220645});
  const Scalar power = b.bitcast(b.shift_left(b.bitcast(rounded, DType::I64), 52), DType::F64);
  return b.mul(p, power);
}

}  // namespace

Scalar exp_f32(ScalarBuilder& b, Scalar x) {
  return exp_bounded(b, at_least(b, at_most(b, x, 89), -104));
}

Scalar expm1_f32(ScalarBuilder& b, Scalar x) {
  // 2^n * (e^r - 1 + (1 - 2^-n)): where n is 0 nothing is added, so that no digit of r is lost.
  const Scalar bounded = at_least(b, at_most(b, x, 89), -18);
  const Reduced reduced = reduce_exp(b, bounded, kRounder);
  const Scalar n = b.sub(b.bitcast(reduced.rounded, DType::I32), b.bits(kRounderBits));
  const Scalar q = polynomial(b, reduced.r,
                              {0.00019959327, 0.00139336905, 0.00833319128, 0.0416664779,
                               0.166666672, 0.5});
  const Scalar below = b.mul_add(b.mul(reduced.r, reduced.r), q, reduced.r);
  const Scalar one = b.f32(1);
  const Scalar whole = b.sub(one, b.scale2(one, b.neg(n)));
  const Scalar y = b.scale2(b.add(below, whole), n);
  return b.select(b.equal(x, b.f32(0)), x, y);
}

Scalar log_f32(ScalarBuilder& b, Scalar x) {
  // Denormals are scaled up by 2^23 first.
  const Scalar small = b.less(x, b.f32(0x1p-126));
  const Scalar normal = b.select(small, b.mul(x, b.f32(0x1p23)), x);
  const Scalar shift = b.select(small, b.f32(-23), b.f32(0));
  const Scalar e = exponent_of(b, normal);
  const Scalar bits = b.sub(b.bitcast(normal, DType::I32), b.shift_left(e, 23));
  const Scalar f = b.sub(b.bitcast(bits, DType::F32), b.f32(1));
  return log_special(b, x, x, log_parts(b, b.add(b.convert(e, DType::F32), shift), f));
}

Scalar log1p_f32(ScalarBuilder& b, Scalar x) {
  // 1 + x = 2^e * (1 + f) with f = 2^-e * x + (2^-e - 1): no digit of x is lost.
  const Scalar one = b.f32(1);
  const Scalar sum = b.add(x, one);
  const Scalar e = exponent_of(b, sum);
  const Scalar down = b.neg(e);
  const Scalar f = b.add(b.scale2(x, down), b.sub(b.scale2(one, down), one));
  const Scalar y = log_special(b, sum, x, log_parts(b, b.convert(e, DType::F32), f));
  return b.select(b.equal(x, b.f32(0)), x, y);
}

Scalar sin_f32(ScalarBuilder& b, Scalar x) {
  const Quadrant reduced = reduce_quadrant(b, b.abs(x));
  return flip_by_sign(b, sine_of_quadrant(b, reduced.r, reduced.quadrant), x);
}

Scalar cos_f32(ScalarBuilder& b, Scalar x) {
  const Quadrant reduced = reduce_quadrant(b, b.abs(x));
  return sine_of_quadrant(b, reduced.r, b.add(reduced.quadrant, b.i32(1)));
}

Scalar tanh_f32(ScalarBuilder& b, Scalar x) {
  const Scalar a = b.abs(x);
  const Scalar a2 = b.mul(a, a);
  const Scalar p =
      polynomial(b, a2, {-0.00570498966, 0.0206390899, -0.0537397154, 0.133314416, -0.333332807});
  const Scalar small = b.mul_add(b.mul(p, a2), a, a);
  // 1 - 2 / (e^2a + 1), which is 1 from 9.02 on.
  const Scalar twice = at_most(b, b.add(a, a), 20);
  const Scalar share = b.div(b.f32(2), b.add(exp_in_range(b, twice), b.f32(1)));
  const Scalar large = b.sub(b.f32(1), share);
  return flip_by_sign(b, b.select(b.less(a, b.f32(0.625)), small, large), x);
}

Scalar sigmoid_f32(ScalarBuilder& b, Scalar x) {
  // z / (1 + z) below 0 keeps tiny results, 1 / (1 + z) above; z = e^-|x|.
  const Scalar z = exp_bounded(b, at_least(b, b.neg(b.abs(x)), -104));
  const Scalar top = b.select(b.less(x, b.f32(0)), z, b.f32(1));
  return b.div(top, b.add(z, b.f32(1)));
}

Scalar erf_f32(ScalarBuilder& b, Scalar x) {
  const Scalar a = b.abs(x);
  const Scalar p = polynomial(
      b, b.mul(x, x),
      {-0.000595374382, 0.00498594111, -0.02676172, 0.112816826, -0.376124799, 0.128379151});
  const Scalar small = b.mul_add(p, x, x);
  // 1 - e^y, y = log(erfc(t)) = t * q(t) - t; it is 1 from 3.93 on.
  const Scalar t = at_most(b, a, 4);
  const Scalar q = polynomial(b, t,
                              {-1.15223093e-05, 0.000325652887, -0.00365376472, 0.023785349,
                               -0.106263146, -0.635135889, -0.128652155});
  const Scalar complement = exp_in_range(b, b.mul_add(q, t, b.neg(t)));
  const Scalar large = flip_by_sign(b, b.sub(b.f32(1), complement), x);
  return b.select(b.less(a, b.f32(0.925)), small, large);
}

Scalar normal_density_f32(ScalarBuilder& b, Scalar x) { return density_at(b, distance(b, x)); }

Scalar normal_cdf_f32(ScalarBuilder& b, Scalar x) {
  // Beyond |x| lies density / (a + low / top); where a is large, an error of top cancels out.
  const Scalar a = distance(b, x);
  const Scalar top = polynomial(b, a, {0.011268711, 0.10074432, 0.42254783, 0.94942564, 1});
  const Scalar low = polynomial(b, a, {0.011257831, 0.10113341, 0.3941532, 0.7978846});
  const Scalar share = b.mul(density_at(b, a), top);
  const Scalar beyond = b.div(share, b.mul_add(a, top, low));
  return b.select(b.less(x, b.f32(0)), beyond, b.sub(b.f32(1), beyond));
}

Scalar pow_f32(ScalarBuilder& b, Scalar x, Scalar y) {
  // 2^(y * log2|x|) in f64; the conversion is the one rounding, into denormals too.
  const Scalar z = b.mul(to_double(b, y), log2_for_pow(b, to_double(b, b.abs(x))));
  const Scalar bounded = at_least(b, at_most(b, z, 160), -160);
  return pow_special(b, x, y, b.convert(exp2_for_pow(b, bounded), DType::F32));
}

}  // namespace gradus
