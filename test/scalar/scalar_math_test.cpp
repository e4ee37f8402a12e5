// The default math sequences against the C library in a wider type: special values, thresholds and
// random bit patterns in every run; all 2^32 arguments and 10^8 pairs when GRADUS_RELEASE is set.
// Errors are in units in the last place of the exact result (of the least normal below it).
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <limits>
#include <random>
#include <thread>
#include <tuple>
#include <vector>

#include "scalar/scalar_concrete.h"

namespace gradus {
namespace {

using Unary = Scalar (ScalarBuilder::*)(Scalar);

long double sigmoid_reference(long double x) {
  const long double z = std::exp(-std::fabs(x));
  return x < 0 ? z / (1 + z) : 1 / (1 + z);
}
double sigmoid_double(double x) {
  const double z = std::exp(-std::fabs(x));
  return x < 0 ? z / (1 + z) : 1 / (1 + z);
}

/// The standard normal distribution. A first-order term makes up for what the argument of erfc or
/// exp loses in rounding, which would be many units of the result far out.
constexpr long double kInverseRoot2Pi = 0.398942280401432677939946059934381868L;
constexpr long double kRootHalf = 0.707106781186547524400844362104849039L;
template <typename Wide>
Wide normal_density_reference(Wide x) {
  if (std::fabs(x) > 40) return 0;
  const Wide square = x * x, lost = std::fma(x, x, -square);
  return std::exp(-square / 2) * (1 - lost / 2) * static_cast<Wide>(kInverseRoot2Pi);
}
template <typename Wide>
Wide normal_cdf_reference(Wide x) {
  if (std::fabs(x) > 40) return x > 0 ? 1 : 0;
  const Wide root = static_cast<Wide>(kRootHalf), t = x * root;
  const Wide lost = std::fma(x, root, -t) + x * static_cast<Wide>(kRootHalf - root);
  return std::erfc(-t) / 2 + normal_density_reference(x) * lost / root;
}

struct Function {
  const char* name;
  Unary apply;
  double (*reference)(double);       // for f32
  long double (*wide)(long double);  // for f64
  double bound32, bound32_unfused, bound64;
  double limit64 = std::numeric_limits<double>::infinity();  // |x| of f64 from which NaN is given
};

const Function kFunctions[] = {
    {"exp", &ScalarBuilder::exp, std::exp, std::exp, 1, 1.3, 2},
    {"expm1", &ScalarBuilder::expm1, std::expm1, std::expm1, 1.6, 1.6, 2},
    {"log", &ScalarBuilder::log, std::log, std::log, 1, 1, 2},
    {"log1p", &ScalarBuilder::log1p, std::log1p, std::log1p, 1.55, 1.55, 2},
    {"sin", &ScalarBuilder::sin, std::sin, std::sin, 2, 2, 2, 0x1p40},
    {"cos", &ScalarBuilder::cos, std::cos, std::cos, 2, 2, 2, 0x1p40},
    {"tanh", &ScalarBuilder::tanh, std::tanh, std::tanh, 1.4, 1.4, 2},
    {"sigmoid", &ScalarBuilder::sigmoid, sigmoid_double, sigmoid_reference, 2.5, 2.5, 2.5},
    {"erf", &ScalarBuilder::erf, std::erf, std::erf, 1.3, 1.45, 2},
    {"normal_cdf", &ScalarBuilder::normal_cdf, normal_cdf_reference, normal_cdf_reference, 4.2, 5,
     4},
    {"normal_density", &ScalarBuilder::normal_density, normal_density_reference,
     normal_density_reference, 1.4, 1.4, 2},
};

struct Worst {
  double ulp = 0;
  double x = 0, y = 0, got = 0;
  void take(double error, double at, double at_y, double value) {
    if (error > ulp || std::isnan(error))
      *this = {std::isnan(error) ? 1e30 : error, at, at_y, value};
  }
  void take(const Worst& other) {
    if (other.ulp > ulp) *this = other;
  }
};

/// Error of `got` (an f32 or f64 held in Wide) against `exact`; infinity counts as the next power.
template <typename Float, typename Wide>
double ulp_error(Float got, Wide exact) {
  using Limits = std::numeric_limits<Float>;
  if (std::isnan(exact) || std::isnan(got)) {
    return std::isnan(exact) && std::isnan(got) ? 0 : 1e30;
  }
  if (exact == 0) return got == 0 && std::signbit(got) == std::signbit(exact) ? 0 : 1e30;
  if (std::isinf(exact)) return static_cast<Wide>(got) == exact ? 0 : 1e30;
  const Wide beyond = std::ldexp(Wide(1), Limits::max_exponent);
  const auto capped = [&](Wide v) { return std::max(-beyond, std::min(beyond, v)); };
  const int exponent = std::max(std::ilogb(exact), Limits::min_exponent - 1);
  const Wide ulp =
      std::ldexp(Wide(1), std::min(exponent, Limits::max_exponent - 1) - (Limits::digits - 1));
  return static_cast<double>(std::fabs(capped(static_cast<Wide>(got)) - capped(exact)) / ulp);
}

/// The same for f32 and a double reference, without library calls: it runs on all floats.
double ulp_error32(float got, double exact) {
  const uint64_t exponent = std::bit_cast<uint64_t>(exact) >> 52 & 0x7FF;
  if (exponent > 1023 + 127 || exact == 0 || std::isnan(got)) return ulp_error<float>(got, exact);
  const double inverse_ulp =
      std::bit_cast<double>((2046 + 23 - std::max<uint64_t>(exponent, 1023 - 126)) << 52);
  const double value = std::isinf(got) ? std::copysign(0x1p128, got) : got;
  return std::fabs(value - exact) * inverse_ulp;
}

/// The errors with and without fused multiply-add, against one reference.
struct Both {
  Worst fused, unfused;
  void take(const Both& other) {
    fused.take(other.fused);
    unfused.take(other.unfused);
  }
};

/// Runs `function` on arguments with indices [0, count); `argument(i)` gives number i.
template <typename Argument>
Both measure32(const Function& function, uint64_t count, const Argument& argument) {
  ConcreteBuilder<float> fused(true), unfused(false);
  std::array<float, kScalarBlock> in;
  const auto apply = [&](ConcreteBuilder<float>& builder, int width) {
    builder.reset(width);
    const Scalar x = builder.fresh(DType::F32);
    std::copy_n(in.begin(), width, builder.lanes<float>(x));
    return builder.lanes<float>((builder.*function.apply)(x));
  };
  Both worst;
  for (uint64_t first = 0; first < count; first += kScalarBlock) {
    const int width = static_cast<int>(std::min<uint64_t>(kScalarBlock, count - first));
    for (size_t i = 0; i < static_cast<size_t>(width); ++i) in[i] = argument(first + i);
    const float* with = apply(fused, width);
    const float* without = apply(unfused, width);
    for (size_t i = 0; i < static_cast<size_t>(width); ++i) {
      const double exact = function.reference(in[i]);
      worst.fused.take(ulp_error32(with[i], exact), in[i], 0, with[i]);
      worst.unfused.take(ulp_error32(without[i], exact), in[i], 0, without[i]);
    }
  }
  return worst;
}

Worst measure64(const Function& function, const std::vector<double>& arguments) {
  ConcreteBuilder<float> builder;
  Worst worst;
  for (size_t first = 0; first < arguments.size(); first += kScalarBlock) {
    const int width = static_cast<int>(std::min<size_t>(kScalarBlock, arguments.size() - first));
    builder.reset(width);
    const Scalar x = builder.fresh(DType::F64);
    double* in = builder.lanes<double>(x);
    std::copy_n(arguments.begin() + static_cast<std::ptrdiff_t>(first), width, in);
    const double* out = builder.lanes<double>((builder.*function.apply)(x));
    for (int i = 0; i < width; ++i) {
      const bool beyond = std::fabs(in[i]) >= function.limit64 && function.limit64 < HUGE_VAL;
      const long double exact = beyond ? std::nanl("") : function.wide(in[i]);
      worst.take(ulp_error<double, long double>(out[i], exact), in[i], 0, out[i]);
    }
  }
  return worst;
}

void report(const char* what, const char* name, const Worst& worst, double bound) {
  std::printf("%-18s %-8s max %.3f ulp at x=%a y=%a\n", what, name, worst.ulp, worst.x, worst.y);
  EXPECT_LE(worst.ulp, bound) << name << " x=" << worst.x << " y=" << worst.y << " got "
                              << worst.got;
}

/// Values where formulas change, with their neighbours, and all special ones.
template <typename Float>
std::vector<Float> special_values() {
  using Limits = std::numeric_limits<Float>;
  std::vector<Float> values;
  const double landmarks[] = {0,
                              0.5,
                              0.625,
                              0.7071067811865476,
                              0.925,
                              13,
                              14.17,
                              15,
                              37.5,
                              38.5,
                              38.6,
                              1,
                              1.41421356237,
                              2,
                              3,
                              4,
                              6,
                              9.01,
                              17.33,
                              22,
                              88.72283,
                              87.33654,
                              103.97,
                              104,
                              709.78271289338397,
                              708.39641853226408,
                              745.13321910194122,
                              8388608,
                              16777216,
                              2147483648.0,
                              0x1p61,
                              0x1p97,
                              1e22,
                              0x1p120,
                              1.5707963267948966,
                              3.1415926535897932,
                              0.34657359,
                              0.69314718};
  for (double landmark : landmarks) {
    Float below = static_cast<Float>(landmark), above = below;
    for (int i = 0; i < 20; ++i) {
      for (Float v : {below, above}) values.insert(values.end(), {v, -v});
      below = std::nextafter(below, -Limits::infinity());
      above = std::nextafter(above, Limits::infinity());
    }
  }
  for (Float v : {Limits::min(), Limits::max(), Limits::denorm_min(), Limits::infinity(),
                  Limits::quiet_NaN(), Limits::epsilon(), Limits::min() / 3}) {
    values.insert(values.end(), {v, -v});
  }
  return values;
}

class ScalarMath : public testing::TestWithParam<Function> {};
INSTANTIATE_TEST_SUITE_P(All, ScalarMath, testing::ValuesIn(kFunctions),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(ScalarMath, f32_stays_within_its_bound) {
  const Function& function = GetParam();
  const std::vector<float> special = special_values<float>();
  std::mt19937 random(1);
  std::vector<float> values = special;
  for (int i = 0; i < 400000; ++i)
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  std::uniform_real_distribution<float> middle(-110, 110), near(-2, 2);
  for (int i = 0; i < 200000; ++i) values.insert(values.end(), {middle(random), near(random)});
  const Both worst = measure32(function, values.size(), [&](uint64_t i) { return values[i]; });
  report("f32", function.name, worst.fused, function.bound32);
  report("f32 without fma", function.name, worst.unfused, function.bound32_unfused);
}

TEST_P(ScalarMath, f64_stays_within_its_bound) {
  const Function& function = GetParam();
  std::vector<double> values;
  for (double v : special_values<double>()) values.push_back(v);
  std::mt19937_64 random(2);
  for (int i = 0; i < 100000; ++i)
    values.push_back(std::bit_cast<double>(static_cast<uint64_t>(random())));
  std::uniform_real_distribution<double> wide(-750, 750), middle(-8, 8), near(-1.5, 1.5);
  std::uniform_real_distribution<double> large(-0x1p40, 0x1p40);
  for (int i = 0; i < 40000; ++i) {
    values.insert(values.end(), {wide(random), middle(random), near(random), large(random)});
  }
  report("f64", function.name, measure64(function, values), function.bound64);
}

/// Two threads over all of [0, count): each takes every second piece of 2^20.
template <typename Work>
Both on_two_threads(uint64_t count, const Work& work) {
  constexpr uint64_t kPiece = 1 << 20;
  std::array<Both, 2> worst;
  const auto run = [&](size_t self) {
    for (uint64_t begin = self * kPiece; begin < count; begin += 2 * kPiece) {
      worst[self].take(work(begin, std::min(kPiece, count - begin)));
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
  worst[0].take(worst[1]);
  return worst[0];
}

class ScalarMathRelease : public testing::TestWithParam<Function> {
 protected:
  void SetUp() override {
    if (!std::getenv("GRADUS_RELEASE")) GTEST_SKIP() << "set GRADUS_RELEASE=1 for all arguments";
  }
};
INSTANTIATE_TEST_SUITE_P(All, ScalarMathRelease, testing::ValuesIn(kFunctions),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(ScalarMathRelease, every_float) {
  const Function& function = GetParam();
  const Both worst = on_two_threads(uint64_t{1} << 32, [&](uint64_t begin, uint64_t count) {
    return measure32(function, count, [&](uint64_t i) {
      return std::bit_cast<float>(static_cast<uint32_t>(begin + i));
    });
  });
  report("all f32", function.name, worst.fused, function.bound32);
  report("all f32 without fma", function.name, worst.unfused, function.bound32_unfused);
}

using Pair = std::pair<float, float>;

template <typename Pairs>
Both measure_pow32(uint64_t count, const Pairs& pair) {
  ConcreteBuilder<float> fused(true), unfused(false);
  std::array<float, kScalarBlock> base, exponent;
  const auto apply = [&](ConcreteBuilder<float>& builder, int width) {
    builder.reset(width);
    const Scalar x = builder.fresh(DType::F32), y = builder.fresh(DType::F32);
    std::copy_n(base.begin(), width, builder.lanes<float>(x));
    std::copy_n(exponent.begin(), width, builder.lanes<float>(y));
    return builder.lanes<float>(builder.pow(x, y));
  };
  Both worst;
  for (uint64_t first = 0; first < count; first += kScalarBlock) {
    const int width = static_cast<int>(std::min<uint64_t>(kScalarBlock, count - first));
    for (size_t i = 0; i < static_cast<size_t>(width); ++i) {
      std::tie(base[i], exponent[i]) = pair(first + i);
    }
    const float* with = apply(fused, width);
    const float* without = apply(unfused, width);
    for (size_t i = 0; i < static_cast<size_t>(width); ++i) {
      const double exact = std::pow(static_cast<double>(base[i]), static_cast<double>(exponent[i]));
      worst.fused.take(ulp_error32(with[i], exact), base[i], exponent[i], with[i]);
      worst.unfused.take(ulp_error32(without[i], exact), base[i], exponent[i], without[i]);
    }
  }
  return worst;
}

/// Pairs of random bits, and as many whose power is neither 0 nor infinite.
template <typename Random>
Pair random_pair(Random& random) {
  const float x = std::bit_cast<float>(static_cast<uint32_t>(random()));
  const float y = std::bit_cast<float>(static_cast<uint32_t>(random()));
  if (random() & 1) return {x, y};
  std::uniform_real_distribution<double> result(-150, 129);
  const double base_log = std::log2(std::fabs(x));
  const float fitting = static_cast<float>(result(random) / base_log);
  return {x < 0 ? -x : x, std::isfinite(fitting) ? fitting : 1.0f};
}

std::vector<float> pow_specials() {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> one_sided = {0,
                                  0.5f,
                                  1,
                                  1.5f,
                                  2,
                                  3,
                                  4,
                                  5,
                                  infinity,
                                  0x1p-149f,
                                  0x1p-126f,
                                  1e-30f,
                                  std::nextafter(1.0f, 0.0f),
                                  std::nextafter(1.0f, 2.0f),
                                  8388607.5f,
                                  8388608,
                                  16777215,
                                  16777216,
                                  16777218,
                                  2147483648.0f,
                                  3e38f,
                                  std::numeric_limits<float>::max(),
                                  1.0f / 3,
                                  100,
                                  127,
                                  128,
                                  149};
  std::vector<float> values = {std::numeric_limits<float>::quiet_NaN()};
  for (float v : one_sided) values.insert(values.end(), {v, -v});
  return values;
}

TEST(ScalarMathPow, f32_stays_within_its_bound) {
  const std::vector<float> values = pow_specials();
  std::vector<Pair> pairs;
  for (float x : values) {
    for (float y : values) pairs.emplace_back(x, y);
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 500000; ++i) pairs.push_back(random_pair(random));
  const Both worst = measure_pow32(pairs.size(), [&](uint64_t i) { return pairs[i]; });
  report("f32", "pow", worst.fused, 1);
  report("f32 without fma", "pow", worst.unfused, 1);
}

TEST(ScalarMathPow, f64_stays_within_its_bound) {
  std::vector<std::pair<double, double>> pairs;
  for (float x : pow_specials()) {
    for (float y : pow_specials()) pairs.emplace_back(x, y);
  }
  std::mt19937_64 random(4);
  std::uniform_real_distribution<double> result(-1080, 1030), near(0.5, 2);
  for (int i = 0; i < 50000; ++i) {
    const double x = std::fabs(std::bit_cast<double>(static_cast<uint64_t>(random())));
    pairs.emplace_back(x, result(random) / std::log2(x));
    pairs.emplace_back(near(random), result(random));
    pairs.emplace_back(1 - 0.1 * near(random), static_cast<double>(random() % 20000));
  }
  ConcreteBuilder<float> builder;
  Worst worst;
  for (size_t first = 0; first < pairs.size(); first += kScalarBlock) {
    const int width = static_cast<int>(std::min<size_t>(kScalarBlock, pairs.size() - first));
    builder.reset(width);
    const Scalar x = builder.fresh(DType::F64), y = builder.fresh(DType::F64);
    double* base = builder.lanes<double>(x);
    double* exponent = builder.lanes<double>(y);
    for (int i = 0; i < width; ++i) {
      std::tie(base[i], exponent[i]) = pairs[first + static_cast<size_t>(i)];
    }
    const double* got = builder.lanes<double>(builder.pow(x, y));
    for (int i = 0; i < width; ++i) {
      const long double exact = std::pow(static_cast<long double>(base[i]), exponent[i]);
      worst.take(ulp_error<double, long double>(got[i], exact), base[i], exponent[i], got[i]);
    }
  }
  report("f64", "pow", worst, 2);
}

TEST(ScalarMathPow, release_pairs) {
  if (!std::getenv("GRADUS_RELEASE")) GTEST_SKIP() << "set GRADUS_RELEASE=1 for 10^8 pairs";
  const Both worst = on_two_threads(100000000, [&](uint64_t begin, uint64_t count) {
    std::mt19937_64 random(begin);
    return measure_pow32(count, [&](uint64_t) { return random_pair(random); });
  });
  report("10^8 pairs", "pow", worst.fused, 1);
  report("10^8 without fma", "pow", worst.unfused, 1);
}

}  // namespace
}  // namespace gradus
