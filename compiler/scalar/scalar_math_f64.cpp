// f64 math in elementary operations, for the few f64 scalars of a step (schedules, powers of the
// step number): exactness before speed. sin and cos are NaN from 2^40 on.
#include <limits>

#include "scalar/scalar_math.h"

namespace gradus {
namespace {

constexpr double kRounder = 0x1.8p52;  // adding it leaves a whole number in the low bits
constexpr double kRounderBits = 0x4338p48;
constexpr double kLog2E = 1.4426950408889634;
// 1 / sqrt(2 pi) in two parts.
constexpr double kInverseRoot2Pi = 0.3989422804014327,
                 kInverseRoot2PiRest = -2.4923272022777301e-17;
// ln 2 in two parts; n times the first is exact for |n| < 2^21.
constexpr double kLn2High = 0x1.62e42feep-1, kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kRootHalfBits = 0x3fe6a09ep32;  // of a number just below sqrt(1/2)

Scalar f64(ScalarBuilder& b, double value) { return b.constant(DType::F64, value); }
Scalar i64(ScalarBuilder& b, double value) { return b.constant(DType::I64, value); }

struct Reduced {
  Scalar n;  // i64
  Scalar r;  // x + tail - n * ln 2
};

Reduced reduce_exp(ScalarBuilder& b, Scalar x, Scalar tail) {
  const Scalar rounded = b.mul_add(x, f64(b, kLog2E), f64(b, kRounder));
  const Scalar n = b.sub(rounded, f64(b, kRounder));
  const Scalar high = b.sub(x, b.mul(n, f64(b, kLn2High)));
  const Scalar r = b.add(high, b.mul_add(n, f64(b, -kLn2Low), tail));
  return {b.sub(b.bitcast(rounded, DType::I64), i64(b, kRounderBits)), r};
}

/// e^(x + tail) for x in [-746, 710], |tail| far below 1.
Scalar exp_bounded(ScalarBuilder& b, Scalar x, Scalar tail) {
  const auto [n, r] = reduce_exp(b, x, tail);
  const Scalar q =
      polynomial(b, r,
                 {2.4999960406100965466e-8, 2.7630378610056594908e-7, 2.7557587359451927031e-6,
                  0.000024801492762837324398, 0.00019841269504743620013, 0.0013888888943922578799,
                  0.0083333333334956353031, 0.041666666666529188926, 0.16666666666666410214,
                  0.50000000000000107209});
  const Scalar mantissa = b.add(f64(b, 1), b.mul_add(b.mul(r, r), q, r));
  return b.scale2(mantissa, n);
}

Scalar exp_of(ScalarBuilder& b, Scalar x) {
  return exp_bounded(b, at_least(b, at_most(b, x, 710), -746), f64(b, 0));
}

/// log(2^e * (1 + f)) for 1 + f in [sqrt(1/2), sqrt(2)): with s = f / (2 + f),
/// log(1 + f) = 2 atanh(s) = f - (h - s * (h + R(s^2))), h = f^2 / 2.
Scalar log_parts(ScalarBuilder& b, Scalar e, Scalar f) {
  const Scalar s = b.div(f, b.add(f, f64(b, 2)));
  const Scalar s2 = b.mul(s, s);
  const Scalar p = polynomial(
      b, s2,
      {0.147957850290791437, 0.15314069563734555102, 0.1818356347986155539, 0.22222198591509656885,
       0.28571428742188784051, 0.39999999999415663282, 0.66666666666667342506});
  const Scalar h = b.mul(b.mul(f, f), f64(b, 0.5));
  const Scalar small = b.mul_add(e, f64(b, kLn2Low), b.mul(s, b.mul_add(s2, p, h)));
  const Scalar rest = b.sub(b.sub(h, small), f);
  return b.sub(b.mul(e, f64(b, kLn2High)), rest);
}

/// The whole e (i64) for which 2^-e * x lies in about [sqrt(1/2), sqrt(2)); x is normal.
Scalar exponent_of(ScalarBuilder& b, Scalar x) {
  return b.shift_right_arithmetic(b.sub(b.bitcast(x, DType::I64), i64(b, kRootHalfBits)), 52);
}

struct Split {
  Scalar e;  // f64, whole
  Scalar m;  // x = 2^e * m
};

/// For positive finite x; denormals are scaled up by 2^54 first.
Split split_exponent(ScalarBuilder& b, Scalar x) {
  const Scalar small = b.less(x, f64(b, 0x1p-1022));
  const Scalar normal = b.select(small, b.mul(x, f64(b, 0x1p54)), x);
  const Scalar e = exponent_of(b, normal);
  const Scalar bits = b.sub(b.bitcast(normal, DType::I64), b.shift_left(e, 52));
  const Scalar shift = b.select(small, f64(b, -54), f64(b, 0));
  return {b.add(b.convert(e, DType::F64), shift), b.bitcast(bits, DType::F64)};
}

/// A number as the unevaluated sum of two.
struct Pair {
  Scalar high, low;
};

/// a + b exactly (Knuth).
Pair exact_sum(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar sum = b.add(x, y);
  const Scalar y_part = b.sub(sum, x);
  const Scalar x_part = b.sub(sum, y_part);
  return {sum, b.add(b.sub(x, x_part), b.sub(y, y_part))};
}

/// x in two parts of at most 26 bits (Veltkamp); |x| < 2^990.
Pair halves(ScalarBuilder& b, Scalar x) {
  const Scalar scaled = b.mul(x, f64(b, 0x1p27 + 1));
  const Scalar high = b.sub(scaled, b.sub(scaled, x));
  return {high, b.sub(x, high)};
}

/// x * y exactly (Dekker): the same on targets with and without FMA.
Pair exact_product(ScalarBuilder& b, Scalar x, Scalar y) {
  const Scalar product = b.mul(x, y);
  const Pair p = halves(b, x), q = halves(b, y);
  Scalar low = b.sub(b.mul(p.high, q.high), product);
  low = b.add(low, b.mul(p.high, q.low));
  low = b.add(low, b.mul(p.low, q.high));
  return {product, b.add(low, b.mul(p.low, q.low))};
}

Pair product(ScalarBuilder& b, Pair x, Pair y) {
  const Pair p = exact_product(b, x.high, y.high);
  const Scalar cross = b.add(b.mul(x.high, y.low), b.mul(x.low, y.high));
  return exact_sum(b, p.high, b.add(p.low, cross));
}

/// log(m) for m in [sqrt(1/2), sqrt(2)) to about 2^-64 of itself:
/// 2 s + s^3 * (2/3 + s^2 P(s^2)) with s = (m - 1) / (m + 1) as a pair.
Pair log_pair(ScalarBuilder& b, Scalar m) {
  const Scalar one = f64(b, 1), f = b.sub(m, one);
  const Pair g = exact_sum(b, m, one);
  const Scalar s = b.div(f, g.high);
  const Pair back = exact_product(b, s, g.high);
  const Scalar left = b.sub(b.sub(b.sub(f, back.high), back.low), b.mul(s, g.low));
  const Pair sp = {s, b.div(left, g.high)};
  const Pair s2 = product(b, sp, sp);
  const Scalar p =
      polynomial(b, s2.high,
                 {0.11013253137826335148, 0.10422914298523748019, 0.11768673074674784059,
                  0.13333240463150802455, 0.15384616752611843714, 0.18181818169260806323,
                  0.22222222222290519874, 0.28571428571428375731, 0.4});
  const Pair two_thirds = {f64(b, 0x1.5555555555555p-1), f64(b, 0x1.5555555555555p-55)};
  const Pair factor = exact_sum(b, two_thirds.high, b.add(b.mul(s2.high, p), two_thirds.low));
  const Pair cubic = product(b, product(b, sp, s2), factor);
  const Pair sum = exact_sum(b, b.add(s, s), cubic.high);
  return {sum.high, b.add(sum.low, b.add(b.add(sp.low, sp.low), cubic.low))};
}

struct Quadrant {
  Scalar r;         // in [-pi/4, pi/4]
  Scalar quadrant;  // i64
};

/// For a in [0, 2^40): n * pi/2 is taken off in four parts. The first three have 33 bits and n is
/// cut into two numbers of at most 21, so every product but the last is exact.
Quadrant reduce_quadrant(ScalarBuilder& b, Scalar a) {
  constexpr double kParts[] = {0x1921fb544p-32, 0x85a308d3p-65, 0x2633145cp-98};
  const Scalar rounder = f64(b, kRounder);
  const Scalar n = b.round_even(b.mul(a, f64(b, 0.63661977236758134)));
  const Scalar high = b.mul(b.floor(b.mul(n, f64(b, 0x1p-20))), f64(b, 0x1p20));
  const Scalar low = b.sub(n, high);
  const auto times = [&](Scalar factor, double part) { return b.mul(factor, f64(b, part)); };
  // Differences are exact down to the last but one; what that one loses joins the small rest.
  Scalar exact = b.sub(b.sub(a, times(high, kParts[0])), times(low, kParts[0]));
  exact = b.sub(exact, times(high, kParts[1]));
  const Pair close = exact_sum(b, exact, b.neg(times(low, kParts[1])));
  Scalar small = b.add(times(low, kParts[2]), times(n, 0x1.b839a252049c1p-104));
  small = b.add(times(high, kParts[2]), small);
  const Scalar r = b.add(close.high, b.sub(close.low, small));
  const Scalar near =
      b.select(b.less(a, f64(b, 0x1p40)), r, f64(b, std::numeric_limits<double>::quiet_NaN()));
  return {near, b.sub(b.bitcast(b.add(n, rounder), DType::I64), i64(b, kRounderBits))};
}

Scalar sine_of_quadrant(ScalarBuilder& b, Scalar r, Scalar quadrant) {
  const Scalar r2 = b.mul(r, r);
  const Scalar s =
      polynomial(b, r2,
                 {1.5896197696716668463e-10, -2.5050747219307497942e-8, 2.7557313618025298836e-6,
                  -0.0001984126982958019374, 0.0083333333333221073778, -0.16666666666666630687});
  const Scalar sine = b.mul_add(b.mul(s, r2), r, r);
  const Scalar c = polynomial(
      b, r2,
      {-1.1358514085852279295e-11, 2.0875700418841065693e-9, -2.7557314176261959978e-7,
       0.000024801587288841483428, -0.0013888888888873040528, 0.041666666666666592833, -0.5});
  const Scalar cosine = b.mul_add(c, r2, f64(b, 1));
  const Scalar odd = b.not_equal(b.bit_and(quadrant, i64(b, 1)), i64(b, 0));
  const Scalar value = b.select(odd, cosine, sine);
  const Scalar sign = b.shift_left(b.bit_and(quadrant, i64(b, 2)), 62);
  return b.bitcast(b.bit_xor(b.bitcast(value, DType::I64), sign), DType::F64);
}

/// |x| as far as the normal density is not 0.
Scalar distance(ScalarBuilder& b, Scalar x) { return at_most(b, b.abs(x), 38.6); }

/// The normal density at a in [0, 38.6], from the exact square.
Scalar density_at(ScalarBuilder& b, Scalar a) {
  const Pair exponent = exact_product(b, b.mul(a, f64(b, -0.5)), a);
  const Scalar e = exp_bounded(b, exponent.high, exponent.low);
  return b.mul_add(e, f64(b, kInverseRoot2Pi), b.mul(e, f64(b, kInverseRoot2PiRest)));
}

}  // namespace

Scalar exp_f64(ScalarBuilder& b, Scalar x) { return exp_of(b, x); }

Scalar expm1_f64(ScalarBuilder& b, Scalar x) {
  // 2^n * (e^r - 1 + (1 - 2^-n)): where n is 0 nothing is added, so that no digit of r is lost.
  const Scalar one = f64(b, 1);
  const auto [n, r] = reduce_exp(b, at_least(b, at_most(b, x, 710), -40), f64(b, 0));
  const Scalar q =
      polynomial(b, r,
                 {2.0919477008060566e-9, 2.5109143567201077e-8, 2.755725926420998e-7,
                  2.7557243868874414e-6, 0.000024801587340572193, 0.00019841269886508692,
                  0.0013888888888877455, 0.008333333333321456, 0.04166666666666668,
                  0.16666666666666677, 0.5});
  const Scalar below = b.mul_add(b.mul(r, r), q, r);
  const Scalar whole = b.sub(one, b.scale2(one, b.neg(n)));
  const Scalar y = b.scale2(b.add(below, whole), n);
  return b.select(b.equal(x, f64(b, 0)), x, y);
}

Scalar log_f64(ScalarBuilder& b, Scalar x) {
  const Split split = split_exponent(b, x);
  return log_special(b, x, x, log_parts(b, split.e, b.sub(split.m, f64(b, 1))));
}

Scalar log1p_f64(ScalarBuilder& b, Scalar x) {
  // 1 + x = 2^e * (1 + f) with f = 2^-e * x + (2^-e - 1): no digit of x is lost.
  const Scalar one = f64(b, 1);
  const Scalar sum = b.add(x, one);
  const Scalar e = exponent_of(b, sum);
  const Scalar down = b.neg(e);
  const Scalar f = b.add(b.scale2(x, down), b.sub(b.scale2(one, down), one));
  const Scalar y = log_special(b, sum, x, log_parts(b, b.convert(e, DType::F64), f));
  return b.select(b.equal(x, f64(b, 0)), x, y);
}

Scalar sin_f64(ScalarBuilder& b, Scalar x) {
  const Quadrant reduced = reduce_quadrant(b, b.abs(x));
  return flip_by_sign(b, sine_of_quadrant(b, reduced.r, reduced.quadrant), x);
}

Scalar cos_f64(ScalarBuilder& b, Scalar x) {
  const Quadrant reduced = reduce_quadrant(b, b.abs(x));
  return sine_of_quadrant(b, reduced.r, b.add(reduced.quadrant, i64(b, 1)));
}

Scalar tanh_f64(ScalarBuilder& b, Scalar x) {
  const Scalar a = b.abs(x);
  const Scalar a2 = b.mul(a, a);
  const Scalar p =
      polynomial(b, a2,
                 {6.0424738768598562203e-6, -0.000030187233607343108994, 0.000091558425374394447103,
                  -0.00023701173832885189274, 0.0005894518021035901271, -0.0014557259488901572184,
                  0.0035921140000239296929, -0.0088632343125966664827, 0.021869488468716828871,
                  -0.053968253966058970436, 0.1333333333332974296, -0.33333333333333312816});
  const Scalar small = b.mul_add(b.mul(p, a2), a, a);
  const Scalar share = b.div(f64(b, 2), b.add(exp_of(b, b.add(a, a)), f64(b, 1)));
  const Scalar large = b.sub(f64(b, 1), share);
  return flip_by_sign(b, b.select(b.less(a, f64(b, 0.625)), small, large), x);
}

Scalar sigmoid_f64(ScalarBuilder& b, Scalar x) {
  const Scalar z = exp_of(b, b.neg(b.abs(x)));
  const Scalar top = b.select(b.less(x, f64(b, 0)), z, f64(b, 1));
  return b.div(top, b.add(z, f64(b, 1)));
}

Scalar erf_f64(ScalarBuilder& b, Scalar x) {
  const Scalar a = b.abs(x);
  const Scalar p =
      polynomial(b, b.mul(a, a),
                 {5.8908205112122353097e-11, -1.1333869053541455629e-9, 1.4649765660928651614e-8,
                  -1.6348837427897430774e-7, 1.6460862722918842178e-6, -0.000014925586778194519678,
                  0.00012055330763062770418, -0.00085483269714205599077, 0.0052239776246570309003,
                  -0.026866170645060565038, 0.11283791670954794222, -0.37612638903183746336,
                  0.12837916709551257371});
  const Scalar small = b.mul_add(p, a, a);
  // 1 - e^y, y = log(erfc(t)) = t * q(t) - t; it is 1 from 5.93 on.
  const Scalar t = at_most(b, a, 6);
  const Scalar q = polynomial(
      b, t,
      {1.5106439601185601e-12, -6.71228077585882e-11, 1.3964601486927035e-09,
       -1.806333370034686e-08, 1.624981065540718e-07, -1.0751254101171084e-06,
       5.372245341273661e-06, -2.030781851372508e-05, 5.592424853693632e-05, -9.525030178165415e-05,
       5.901247764616804e-07, 0.0005751494187866161, -0.0016930922728015862, 0.0002123986847867961,
       0.019124766369104897, -0.1027707521957021, -0.6366202700973604, -0.12837910897863247});
  const Scalar large = b.sub(f64(b, 1), exp_of(b, b.mul_add(q, t, b.neg(t))));
  return flip_by_sign(b, b.select(b.less(a, f64(b, 1)), small, large), x);
}

Scalar normal_density_f64(ScalarBuilder& b, Scalar x) { return density_at(b, distance(b, x)); }

Scalar normal_cdf_f64(ScalarBuilder& b, Scalar x) {
  // Beyond |x| lies density / (a + low / top); where a is large, an error of top cancels out.
  const Scalar a = distance(b, x);
  const Scalar top =
      polynomial(b, a,
                 {5.7249028651659804329e-7, 0.000017181380084824027815, 0.00025457571482978234071,
                  0.0024174699188132110279, 0.016161754342354552267, 0.07912601398911999896,
                  0.28680412684605701666, 0.76063210650995806949, 1.4182686114678389876,
                  1.6933430222125559719, 1});
  const Scalar low =
      polynomial(b, a,
                 {5.7249028646915749958e-7, 0.000017181380093813625056, 0.00025343073348772118718,
                  0.0023831071983413006256, 0.015658326419857509272, 0.074462923727684232878,
                  0.2569833124772810377, 0.62529406236261583834, 0.98771202593424369316,
                  0.79788456080286535588});
  const Scalar share = b.mul(density_at(b, a), top);
  const Scalar beyond = b.div(share, b.mul_add(a, top, low));
  return b.select(b.less(x, f64(b, 0)), beyond, b.sub(f64(b, 1), beyond));
}

Scalar pow_f64(ScalarBuilder& b, Scalar x, Scalar y) {
  const double infinity = std::numeric_limits<double>::infinity();
  const Scalar zero = f64(b, 0), a = b.abs(x);
  // y * log(a) as a pair. Past 2^70 every y gives 0, 1 or infinity.
  const Split split = split_exponent(b, a);
  const Pair log_m = log_pair(b, split.m);
  const Pair sum = exact_sum(b, b.mul(split.e, f64(b, kLn2High)), log_m.high);
  const Scalar low = b.add(sum.low, b.mul_add(split.e, f64(b, kLn2Low), log_m.low));
  const Pair log_a = exact_sum(b, sum.high, low);
  const Scalar bounded_y = at_least(b, at_most(b, y, 0x1p70), -0x1p70);
  const Pair z = exact_product(b, bounded_y, log_a.high);
  const Scalar tail = b.add(z.low, b.mul(bounded_y, log_a.low));
  const Scalar clamped = at_least(b, at_most(b, z.high, 710), -746);
  const Scalar kept_tail = b.select(b.equal(clamped, z.high), tail, zero);
  const Scalar inside = exp_bounded(b, clamped, kept_tail);
  // 0 and infinity: the sign of y * log(a) decides; NaN stays.
  const Scalar edge_log = b.select(b.equal(a, zero), f64(b, -infinity), a);
  const Scalar edge = exp_of(b, b.mul(y, edge_log));
  const Scalar finite = b.bit_and(b.less(zero, a), b.less(a, f64(b, infinity)));
  return pow_special(b, x, y, b.select(finite, inside, edge));
}

}  // namespace gradus
