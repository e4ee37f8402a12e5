// Bodies of the concrete builders: plain loops over the lanes of a block.
#include "scalar/scalar_concrete.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <type_traits>

#include "scalar/scalar_lanes.h"
#include "support/check.h"

namespace gradus {
namespace {

constexpr double kTwoOverSqrtPi = 1.1283791670955125739;

// Without the instruction in the baseline the library's fma is a call per element; hosts that have
// it (nearly all) take these loops instead. The bits are the same.
template <typename U>
[[gnu::always_inline]] inline void fuse_loop(const U* x, const U* y, const U* z, U* result, int n) {
  for (int i = 0; i < n; ++i) result[i] = fused(x[i], y[i], z[i]);
}
#if defined(__x86_64__)
[[gnu::target("avx2,fma")]] void fuse_fast(const float* x, const float* y, const float* z,
                                           float* __restrict result, int n) {
  for (int i = 0; i < n; ++i) result[i] = __builtin_fmaf(x[i], y[i], z[i]);
}
[[gnu::target("avx2,fma")]] void fuse_fast(const double* x, const double* y, const double* z,
                                           double* __restrict result, int n) {
  for (int i = 0; i < n; ++i) result[i] = __builtin_fma(x[i], y[i], z[i]);
}
bool have_fma() {
  static const bool have = __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2");
  return have;
}
#endif
template <typename U>
void fuse_all(const U* x, const U* y, const U* z, U* result, int n) {
#if defined(__x86_64__)
  if constexpr (std::is_floating_point_v<U>) {
    if (have_fma()) return fuse_fast(x, y, z, result, n);
  }
#endif
  fuse_loop(x, y, z, result, n);
}

}  // namespace

template <typename T>
void ConcreteBuilder<T>::reset(int count) {
  GRADUS_CHECK(count >= 1 && count <= kScalarBlock, "elements of a block");
  used_ = 0;
  count_ = count;
}

template <typename T>
Scalar ConcreteBuilder<T>::fresh(DType dtype) {
  if (used_ == blocks_.size()) blocks_.emplace_back();
  return {static_cast<uint32_t>(used_++), dtype};
}

// Calls `function` with a value of the lane type of `dtype`.
template <typename T, typename Function>
static Scalar with_lane_type(DType dtype, Function function) {
  switch (dtype) {
    case DType::Bool:
      return function(uint8_t{});
    case DType::I32:
      return function(int32_t{});
    case DType::I64:
      return function(int64_t{});
    case DType::F32:
      return function(typename FloatLanes<T>::F32{});
    case DType::F64:
      return function(typename FloatLanes<T>::F64{});
  }
  return {};
}

template <typename T>
template <typename U, typename Function>
Scalar ConcreteBuilder<T>::unary(Scalar x, Function function) {
  const Scalar result = fresh(x.dtype);
  const U* from = lanes<U>(x);
  U* __restrict to = lanes<U>(result);
  for (int i = 0; i < count_; ++i) to[i] = function(from[i]);
  return result;
}

template <typename T>
template <typename U, typename Function>
Scalar ConcreteBuilder<T>::binary(Scalar x, Scalar y, Function function) {
  GRADUS_CHECK(x.dtype == y.dtype, "operands of one dtype");
  const Scalar result = fresh(x.dtype);
  const U* left = lanes<U>(x);
  const U* right = lanes<U>(y);
  U* __restrict to = lanes<U>(result);
  for (int i = 0; i < count_; ++i) to[i] = function(left[i], right[i]);
  return result;
}

template <typename T>
template <typename Function>
Scalar ConcreteBuilder<T>::on_float(Scalar x, Function function) {
  GRADUS_CHECK(is_float(x.dtype), "a float operand");
  return x.dtype == DType::F32 ? function(F32{}) : function(F64{});
}

template <typename T>
template <typename Function>
Scalar ConcreteBuilder<T>::on_integer(Scalar x, Function function) {
  GRADUS_CHECK(is_integer(x.dtype), "an integer operand");
  return x.dtype == DType::I32 ? function(int32_t{}) : function(int64_t{});
}

template <typename T>
Scalar ConcreteBuilder<T>::constant(DType dtype, double value) {
  return with_lane_type<T>(dtype, [&](auto zero) {
    using U = decltype(zero);
    const Scalar result = fresh(dtype);
    std::fill_n(lanes<U>(result), count_, constant_lane<U>(value));
    return result;
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::bits(uint32_t pattern) {
  const Scalar result = fresh(DType::I32);
  std::fill_n(lanes<int32_t>(result), count_, static_cast<int32_t>(pattern));
  return result;
}

template <typename T>
Scalar ConcreteBuilder<T>::neg(Scalar x) {
  return with_lane_type<T>(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x, [](U v) {
      if constexpr (kIsFloat<U>)
        return -v;
      else
        return minus(U{0}, v);
    });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::abs(Scalar x) {
  return with_lane_type<T>(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x, [](U v) {
      if constexpr (std::is_same_v<U, Dual>) {
        return with_slope(v, std::fabs(v.value), v.value == 0 ? 0 : v.value < 0 ? -1 : 1);
      } else if constexpr (kIsFloat<U>) {
        return std::fabs(v);
      } else if constexpr (std::is_same_v<U, uint8_t>) {
        return v;
      } else {
        return v < 0 ? minus(U{0}, v) : v;
      }
    });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::add(Scalar x, Scalar y) {
  return with_lane_type<T>(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return plus(a, b); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::sub(Scalar x, Scalar y) {
  return with_lane_type<T>(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return minus(a, b); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::mul(Scalar x, Scalar y) {
  return with_lane_type<T>(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return times(a, b); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::div(Scalar x, Scalar y) {
  const auto divide = [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return quotient(a, b); });
  };
  return is_float(x.dtype) ? on_float(x, divide) : on_integer(x, divide);
}

template <typename T>
Scalar ConcreteBuilder<T>::remainder(Scalar x, Scalar y) {
  return on_integer(x, [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return rest(a, b); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::sqrt(Scalar x) {
  return on_float(x, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x, [](U v) { return root(v); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::floor(Scalar x) {
  return on_float(x, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x, [](U v) {
      if constexpr (std::is_same_v<U, Dual>)
        return Dual{std::floor(v.value), 0};
      else
        return std::floor(v);
    });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::round_even(Scalar x) {
  return on_float(x, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x, [](U v) {
      if constexpr (std::is_same_v<U, Dual>)
        return Dual{std::nearbyint(v.value), 0};
      else
        return std::nearbyint(v);
    });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::fma(Scalar x, Scalar y, Scalar z) {
  GRADUS_CHECK(x.dtype == y.dtype && x.dtype == z.dtype, "operands of one dtype");
  return on_float(x, [&](auto zero) {
    using U = decltype(zero);
    const Scalar result = fresh(x.dtype);
    fuse_all(lanes<U>(x), lanes<U>(y), lanes<U>(z), lanes<U>(result), count_);
    return result;
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::mul_add(Scalar a, Scalar b, Scalar c) {
  return fused_multiply_add_ ? fma(a, b, c) : add(mul(a, b), c);
}

template <typename T>
Scalar ConcreteBuilder<T>::compare(Compare how, Scalar x, Scalar y) {
  GRADUS_CHECK(x.dtype == y.dtype, "operands of one dtype");
  return with_lane_type<T>(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    const Scalar result = fresh(DType::Bool);
    uint8_t* __restrict to = lanes<uint8_t>(result);
    const U* left = lanes<U>(x);
    const U* right = lanes<U>(y);
    const auto fill = [&](auto relation) {
      for (int i = 0; i < count_; ++i) {
        if constexpr (std::is_same_v<U, Dual>)
          to[i] = relation(left[i].value, right[i].value);
        else
          to[i] = relation(left[i], right[i]);
      }
      return result;
    };
    switch (how) {
      case Compare::Equal:
        return fill([](auto a, auto b) { return a == b; });
      case Compare::NotEqual:
        return fill([](auto a, auto b) { return a != b; });
      case Compare::Less:
        return fill([](auto a, auto b) { return a < b; });
      case Compare::LessEqual:
        return fill([](auto a, auto b) { return a <= b; });
    }
    return result;
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::select(Scalar condition, Scalar x, Scalar y) {
  GRADUS_CHECK(condition.dtype == DType::Bool && x.dtype == y.dtype, "operands of select");
  return with_lane_type<T>(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    const uint8_t* choose = lanes<uint8_t>(condition);
    const U* left = lanes<U>(x);
    const U* right = lanes<U>(y);
    const Scalar result = fresh(x.dtype);
    U* __restrict to = lanes<U>(result);
    for (int i = 0; i < count_; ++i) {
      const U a = left[i], b = right[i];
      to[i] = choose[i] ? a : b;
    }
    return result;
  });
}

// The lane types that bit operations have: bool and integers.
template <typename Function>
static Scalar with_bit_type(DType dtype, Function function) {
  GRADUS_CHECK(!is_float(dtype), "bits of a float; bitcast first");
  if (dtype == DType::Bool) return function(uint8_t{});
  return dtype == DType::I32 ? function(int32_t{}) : function(int64_t{});
}

template <typename T>
Scalar ConcreteBuilder<T>::bit_and(Scalar x, Scalar y) {
  return with_bit_type(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return static_cast<U>(a & b); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::bit_or(Scalar x, Scalar y) {
  return with_bit_type(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return static_cast<U>(a | b); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::bit_xor(Scalar x, Scalar y) {
  return with_bit_type(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return binary<U>(x, y, [](U a, U b) { return static_cast<U>(a ^ b); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::bit_not(Scalar x) {
  return with_bit_type(x.dtype, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x, [](U v) {
      if constexpr (std::is_same_v<U, uint8_t>)
        return static_cast<U>(v ^ 1);
      else
        return static_cast<U>(~v);
    });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::shift_left(Scalar x, int count) {
  return on_integer(x, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x,
                    [count](U v) { return static_cast<U>(static_cast<Unsigned<U>>(v) << count); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::shift_right_logical(Scalar x, int count) {
  return on_integer(x, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x,
                    [count](U v) { return static_cast<U>(static_cast<Unsigned<U>>(v) >> count); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::shift_right_arithmetic(Scalar x, int count) {
  return on_integer(x, [&](auto zero) {
    using U = decltype(zero);
    return unary<U>(x, [count](U v) { return static_cast<U>(v >> count); });
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::convert(Scalar x, DType to) {
  if (x.dtype == to) return x;
  return with_lane_type<T>(x.dtype, [&](auto from_zero) {
    return with_lane_type<T>(to, [&](auto to_zero) {
      using From = decltype(from_zero);
      using To = decltype(to_zero);
      const Scalar result = fresh(to);
      const From* from = lanes<From>(x);
      To* __restrict out = lanes<To>(result);
      for (int i = 0; i < count_; ++i) out[i] = converted<To>(from[i]);
      return result;
    });
  });
}

namespace {
/// The bits of one element as another type of the same width. A wider lane (a double that stands
/// for an f32) is rounded to the dtype first.
template <typename Exact, typename To, typename From>
To cast_lane(From x) {
  if constexpr (kIsFloat<From>)
    return std::bit_cast<To>(converted<Exact>(x));
  else
    return converted<To>(std::bit_cast<Exact>(x));
}
}  // namespace

template <typename T>
Scalar ConcreteBuilder<T>::bitcast(Scalar x, DType to) {
  if (x.dtype == to) return x;
  const Scalar result = fresh(to);
  const auto run = [&]<typename Exact, typename To, typename From>() {
    const From* from = lanes<From>(x);
    To* out = lanes<To>(result);
    for (int i = 0; i < count_; ++i) out[i] = cast_lane<Exact, To>(from[i]);
  };
  if (x.dtype == DType::F32 && to == DType::I32) {
    run.template operator()<float, int32_t, F32>();
  } else if (x.dtype == DType::I32 && to == DType::F32) {
    run.template operator()<float, F32, int32_t>();
  } else if (x.dtype == DType::F64 && to == DType::I64) {
    run.template operator()<double, int64_t, F64>();
  } else {
    GRADUS_CHECK(x.dtype == DType::I64 && to == DType::F64, "bitcast between equal widths");
    run.template operator()<double, F64, int64_t>();
  }
  return result;
}

template <typename T>
Scalar ConcreteBuilder<T>::scale2(Scalar x, Scalar i) {
  return on_float(x, [&](auto zero) {
    using U = decltype(zero);
    return on_integer(i, [&](auto integer) {
      using I = decltype(integer);
      const Scalar result = fresh(x.dtype);
      const U* from = lanes<U>(x);
      const I* exponent = lanes<I>(i);
      U* __restrict to = lanes<U>(result);
      for (int k = 0; k < count_; ++k) to[k] = scaled(from[k], exponent[k]);
      return result;
    });
  });
}

// Math functions. `function` maps an element to (value, slope); the slope is only used by Dual.
template <typename T>
template <typename Function>
Scalar ConcreteBuilder<T>::library(Scalar x, Function function) {
  GRADUS_CHECK(is_float(x.dtype), "a float operand");
  if constexpr (!std::is_same_v<T, float>) {
    return unary<T>(x, [&](T v) {
      const Dual answer = function(value_of(v));
      return with_slope(v, answer.value, answer.tangent);
    });
  } else {
    GRADUS_CHECK(false, "library math in exact arithmetic");
  }
}

template <typename T>
Scalar ConcreteBuilder<T>::exp(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::exp(x);
  return library(x, [](double v) { return Dual{std::exp(v), std::exp(v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::expm1(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::expm1(x);
  return library(x, [](double v) { return Dual{std::expm1(v), std::exp(v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::log(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::log(x);
  return library(x, [](double v) { return Dual{std::log(v), 1 / v}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::log1p(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::log1p(x);
  return library(x, [](double v) { return Dual{std::log1p(v), 1 / (1 + v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::sin(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::sin(x);
  return library(x, [](double v) { return Dual{std::sin(v), std::cos(v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::cos(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::cos(x);
  return library(x, [](double v) { return Dual{std::cos(v), -std::sin(v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::tanh(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::tanh(x);
  return library(x, [](double v) {
    const double cosh = std::cosh(v);
    return Dual{std::tanh(v), 1 / (cosh * cosh)};
  });
}

template <typename T>
Scalar ConcreteBuilder<T>::sigmoid(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::sigmoid(x);
  return library(x, [](double v) { return Dual{logistic(v), logistic(v) * logistic(-v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::erf(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::erf(x);
  return library(x, [](double v) { return Dual{std::erf(v), kTwoOverSqrtPi * std::exp(-v * v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::normal_cdf(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::normal_cdf(x);
  return library(x, [](double v) { return Dual{share_below(v), bell(v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::normal_density(Scalar x) {
  if constexpr (std::is_same_v<T, float>) return ScalarBuilder::normal_density(x);
  return library(x, [](double v) { return Dual{bell(v), -v * bell(v)}; });
}

template <typename T>
Scalar ConcreteBuilder<T>::pow(Scalar x, Scalar y) {
  if constexpr (std::is_same_v<T, float>) {
    return ScalarBuilder::pow(x, y);
  } else {
    return binary<T>(x, y, [](T a, T b) { return power(a, b); });
  }
}

template class ConcreteBuilder<float>;
template class ConcreteBuilder<double>;
template class ConcreteBuilder<Dual>;

}  // namespace gradus
