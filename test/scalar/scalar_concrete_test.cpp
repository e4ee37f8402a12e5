// The elementary operations of the concrete builders, at the edges of their definitions.
#include "scalar/scalar_concrete.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace gradus {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int32_t kMax32 = std::numeric_limits<int32_t>::max();
constexpr int32_t kMin32 = std::numeric_limits<int32_t>::min();
constexpr int64_t kMax64 = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();

class ConcreteBuilderTest : public testing::Test {
 protected:
  ConcreteBuilderTest() { b.reset(1); }
  template <typename U>
  U read(Scalar x) {
    return *b.lanes<U>(x);
  }
  int32_t to_i32(DType from, double x) {
    return read<int32_t>(b.convert(b.constant(from, x), DType::I32));
  }
  ConcreteBuilder<float> b;
};

TEST_F(ConcreteBuilderTest, float_to_int_truncates_and_saturates) {
  for (DType from : {DType::F32, DType::F64}) {
    EXPECT_EQ(to_i32(from, 2.9), 2);
    EXPECT_EQ(to_i32(from, -2.9), -2);
    EXPECT_EQ(to_i32(from, kNan), 0);
    EXPECT_EQ(to_i32(from, kInfinity), kMax32);
    EXPECT_EQ(to_i32(from, -kInfinity), kMin32);
    EXPECT_EQ(to_i32(from, 2147483648.0), kMax32);
    EXPECT_EQ(to_i32(from, -2147483648.0), kMin32);
  }
  EXPECT_EQ(to_i32(DType::F64, 2147483646.9), kMax32 - 1);
  EXPECT_EQ(to_i32(DType::F64, -2147483648.9), kMin32);
  const auto to_i64 = [&](double x) {
    return read<int64_t>(b.convert(b.constant(DType::F64, x), DType::I64));
  };
  EXPECT_EQ(to_i64(0x1p63), kMax64);
  EXPECT_EQ(to_i64(-0x1p63), kMin64);
  EXPECT_EQ(to_i64(0x1p62), int64_t{1} << 62);
}

TEST_F(ConcreteBuilderTest, integer_division_has_no_undefined_case) {
  const auto divide = [&](int64_t x, int64_t y) {
    return std::pair(read<int32_t>(b.div(b.i32(x), b.i32(y))),
                     read<int32_t>(b.remainder(b.i32(x), b.i32(y))));
  };
  EXPECT_EQ(divide(-7, 2), std::pair(-3, -1));
  EXPECT_EQ(divide(7, -2), std::pair(-3, 1));
  EXPECT_EQ(divide(7, 0), std::pair(0, 7));
  EXPECT_EQ(divide(kMin32, -1), std::pair(kMin32, 0));
}

TEST_F(ConcreteBuilderTest, integers_wrap) {
  EXPECT_EQ(read<int32_t>(b.add(b.i32(kMax32), b.i32(1))), kMin32);
  EXPECT_EQ(read<int32_t>(b.mul(b.i32(65536), b.i32(65537))), 65536);
  EXPECT_EQ(read<int32_t>(b.neg(b.i32(kMin32))), kMin32);
  EXPECT_EQ(read<int32_t>(b.abs(b.i32(kMin32))), kMin32);
  EXPECT_EQ(read<int32_t>(b.shift_left(b.bits(0xC0000001), 1)), kMin32 + 2);
  EXPECT_EQ(read<int32_t>(b.shift_right_logical(b.bits(0x80000000), 31)), 1);
  EXPECT_EQ(read<int32_t>(b.shift_right_arithmetic(b.bits(0x80000000), 31)), -1);
}

TEST_F(ConcreteBuilderTest, booleans_are_zero_and_one) {
  const Scalar yes = b.constant(DType::Bool, 1), no = b.bit_not(yes);
  EXPECT_EQ(read<uint8_t>(no), 0);
  EXPECT_EQ(read<uint8_t>(b.bit_not(no)), 1);
  EXPECT_EQ(read<float>(b.convert(yes, DType::F32)), 1.0f);
  EXPECT_EQ(read<uint8_t>(b.convert(b.f32(0.25), DType::Bool)), 1);
  EXPECT_EQ(read<uint8_t>(b.convert(b.f32(-0.0), DType::Bool)), 0);
}

TEST_F(ConcreteBuilderTest, comparisons_with_nan_are_false_but_for_not_equal) {
  const Scalar nan = b.f32(kNan), one = b.f32(1);
  EXPECT_FALSE(read<uint8_t>(b.less(nan, one)));
  EXPECT_FALSE(read<uint8_t>(b.less_equal(one, nan)));
  EXPECT_FALSE(read<uint8_t>(b.equal(nan, nan)));
  EXPECT_TRUE(read<uint8_t>(b.not_equal(nan, nan)));
  EXPECT_TRUE(read<uint8_t>(b.equal(b.f32(0), b.f32(-0.0))));
}

TEST_F(ConcreteBuilderTest, scale2_rounds_once_and_saturates) {
  const auto scaled = [&](double x, int64_t i) {
    return read<float>(b.scale2(b.f32(x), b.i32(i)));
  };
  // Halfway between two denormals: to even. Two roundings would go up.
  EXPECT_EQ(scaled(0x1.800001p-126, -23), std::ldexp(static_cast<float>(0x1.800001p-126), -23));
  EXPECT_EQ(scaled(1, -149), 0x1p-149f);
  EXPECT_EQ(scaled(1, -150), 0.0f);
  EXPECT_EQ(scaled(1.5, -150), 0x1p-149f);
  EXPECT_EQ(scaled(0x1p-149, 276), 0x1p127f);
  EXPECT_EQ(scaled(0x1p-149, 277), kInfinity);
  EXPECT_EQ(scaled(1, kMax32), kInfinity);
  EXPECT_TRUE(scaled(-1, kMin32) == 0 && std::signbit(scaled(-1, kMin32)));
  EXPECT_TRUE(std::isnan(scaled(kNan, 5)));
  EXPECT_EQ(scaled(0, kMax32), 0.0f);
  EXPECT_EQ(read<double>(b.scale2(b.constant(DType::F64, 0x1p-1074), b.constant(DType::I64, 2097))),
            0x1p1023);
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(random()));
    const int exponent = static_cast<int>(random() % 700) - 350;
    b.reset(1);
    if (std::isnan(x)) continue;
    EXPECT_EQ(scaled(x, exponent), std::ldexp(x, exponent));
  }
}

TEST_F(ConcreteBuilderTest, mul_add_is_one_rounding_or_two) {
  ConcreteBuilder<float> unfused(false);
  unfused.reset(1);
  const double x = 1 + 0x1p-12;
  EXPECT_EQ(read<float>(b.mul_add(b.f32(x), b.f32(x), b.f32(-1 - 0x1p-11))), 0x1p-24f);
  const Scalar y = unfused.f32(x);
  EXPECT_EQ(*unfused.lanes<float>(unfused.mul_add(y, y, unfused.f32(-1 - 0x1p-11))), 0.0f);
  EXPECT_EQ(*unfused.lanes<float>(unfused.fma(y, y, unfused.f32(-1 - 0x1p-11))), 0x1p-24f);
}

TEST_F(ConcreteBuilderTest, fma_of_whole_blocks_rounds_once) {
  std::mt19937 random(2);
  std::uniform_real_distribution<float> value(-2, 2);
  b.reset(kScalarBlock);
  const Scalar x = b.fresh(DType::F32), y = b.fresh(DType::F32), z = b.fresh(DType::F32);
  for (Scalar block : {x, y, z}) {
    for (int i = 0; i < kScalarBlock; ++i) b.lanes<float>(block)[i] = value(random);
  }
  const float* got = b.lanes<float>(b.fma(x, y, z));
  for (int i = 0; i < kScalarBlock; ++i) {
    EXPECT_EQ(got[i], std::fma(b.lanes<float>(x)[i], b.lanes<float>(y)[i], b.lanes<float>(z)[i]));
  }
}

TEST_F(ConcreteBuilderTest, bitcasts_keep_bits) {
  EXPECT_EQ(read<int32_t>(b.bitcast(b.f32(-0.0), DType::I32)), kMin32);
  EXPECT_EQ(read<float>(b.bitcast(b.bits(0x7f800000), DType::F32)), kInfinity);
  EXPECT_EQ(read<int64_t>(b.bitcast(b.constant(DType::F64, 1), DType::I64)), 0x3ff0000000000000);
  ConcreteBuilder<double> meaning;
  meaning.reset(1);
  const Scalar bits = meaning.bitcast(meaning.constant(DType::F32, 1), DType::I32);
  EXPECT_EQ(*meaning.lanes<int32_t>(bits), 0x3f800000);
  EXPECT_EQ(*meaning.lanes<double>(meaning.bitcast(bits, DType::F32)), 1.0);
}

TEST_F(ConcreteBuilderTest, conversions_round_only_in_exact_arithmetic) {
  EXPECT_EQ(read<float>(b.convert(b.constant(DType::F64, 0.1), DType::F32)), 0.1f);
  ConcreteBuilder<double> meaning;
  meaning.reset(1);
  EXPECT_EQ(*meaning.lanes<double>(meaning.convert(meaning.constant(DType::F64, 0.1), DType::F32)),
            0.1);
}

TEST(DualBuilder, kinks_have_the_documented_slopes) {
  ConcreteBuilder<Dual> b;
  b.reset(1);
  const auto at = [&](double value, double tangent) {
    const Scalar x = b.fresh(DType::F32);
    *b.lanes<Dual>(x) = {value, tangent};
    return x;
  };
  const auto tangent = [&](Scalar x) { return b.lanes<Dual>(x)->tangent; };
  EXPECT_EQ(tangent(b.abs(at(0, 3))), 0);
  EXPECT_EQ(tangent(b.abs(at(-2, 3))), -3);
  EXPECT_EQ(tangent(b.floor(at(1.5, 3))), 0);
  EXPECT_EQ(tangent(b.sqrt(at(0, 0))), 0);  // nothing moves: not infinity times 0
  EXPECT_EQ(tangent(b.pow(at(0, 1), at(1, 0))), 1);
  EXPECT_EQ(tangent(b.pow(at(-2, 1), at(3, 0))), 12);
}

}  // namespace
}  // namespace gradus
