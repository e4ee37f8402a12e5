// Concrete scalar builders: every handle is a block of up to 256 elements that is computed at once,
// so that one virtual call serves a whole block.
//
// ConcreteBuilder<float> is exact: each elementary operation is the IEEE operation of the value's
// own dtype and the math functions are the sequences of scalar_math.cpp; its bits are those of
// generated code. ConcreteBuilder<double> gives the meaning: floats of either dtype are doubles,
// math is the C library's. ConcreteBuilder<Dual> is the same with a directional derivative beside
// each value.
#pragma once

#include <cstddef>
#include <deque>

#include "scalar/dual.h"
#include "scalar/scalar.h"

namespace gradus {

inline constexpr int kScalarBlock = 256;

/// How the two float dtypes are held in lanes. Integers are int32_t, int64_t, booleans uint8_t 0/1.
template <typename T>
struct FloatLanes {
  using F32 = T;
  using F64 = T;
};
template <>
struct FloatLanes<float> {
  using F32 = float;
  using F64 = double;
};

template <typename T>
class ConcreteBuilder final : public ScalarBuilder {
 public:
  using F32 = typename FloatLanes<T>::F32;
  using F64 = typename FloatLanes<T>::F64;

  explicit ConcreteBuilder(bool fused_multiply_add = true)
      : fused_multiply_add_(fused_multiply_add) {}

  /// Forgets all handles; values made from here on have `count` elements, 1 to kScalarBlock.
  void reset(int count);
  int count() const { return count_; }
  /// A new value whose elements the caller writes through `lanes`.
  Scalar fresh(DType dtype);
  /// The elements of x. U is the lane type of its dtype: F32, F64, int32_t, int64_t or uint8_t.
  template <typename U>
  U* lanes(Scalar x) {
    return reinterpret_cast<U*>(blocks_[x.index].bytes);
  }

  Scalar constant(DType dtype, double value) override;
  Scalar bits(uint32_t pattern) override;
  Scalar neg(Scalar x) override;
  Scalar abs(Scalar x) override;
  Scalar add(Scalar x, Scalar y) override;
  Scalar sub(Scalar x, Scalar y) override;
  Scalar mul(Scalar x, Scalar y) override;
  Scalar div(Scalar x, Scalar y) override;
  Scalar remainder(Scalar x, Scalar y) override;
  Scalar sqrt(Scalar x) override;
  Scalar floor(Scalar x) override;
  Scalar round_even(Scalar x) override;
  Scalar fma(Scalar x, Scalar y, Scalar z) override;
  Scalar compare(Compare how, Scalar x, Scalar y) override;
  Scalar select(Scalar condition, Scalar x, Scalar y) override;
  Scalar bit_and(Scalar x, Scalar y) override;
  Scalar bit_or(Scalar x, Scalar y) override;
  Scalar bit_xor(Scalar x, Scalar y) override;
  Scalar bit_not(Scalar x) override;
  Scalar shift_left(Scalar x, int count) override;
  Scalar shift_right_logical(Scalar x, int count) override;
  Scalar shift_right_arithmetic(Scalar x, int count) override;
  Scalar convert(Scalar x, DType to) override;
  Scalar bitcast(Scalar x, DType to) override;
  Scalar scale2(Scalar x, Scalar i) override;
  Scalar mul_add(Scalar a, Scalar b, Scalar c) override;

  // The library's for double and Dual, the default sequences for float.
  Scalar exp(Scalar x) override;
  Scalar expm1(Scalar x) override;
  Scalar log(Scalar x) override;
  Scalar log1p(Scalar x) override;
  Scalar sin(Scalar x) override;
  Scalar cos(Scalar x) override;
  Scalar tanh(Scalar x) override;
  Scalar sigmoid(Scalar x) override;
  Scalar erf(Scalar x) override;
  Scalar normal_cdf(Scalar x) override;
  Scalar normal_density(Scalar x) override;
  Scalar pow(Scalar x, Scalar y) override;

 private:
  struct alignas(64) Block {
    std::byte bytes[kScalarBlock * (sizeof(T) < 8 ? 8 : sizeof(T))];
  };
  template <typename U, typename Function>
  Scalar unary(Scalar x, Function function);
  template <typename U, typename Function>
  Scalar binary(Scalar x, Scalar y, Function function);
  template <typename Function>
  Scalar library(Scalar x, Function function);
  template <typename Function>
  Scalar on_float(Scalar x, Function function);
  template <typename Function>
  Scalar on_integer(Scalar x, Function function);
  template <typename From>
  Scalar convert_from(Scalar x, DType to);

  std::deque<Block> blocks_;
  size_t used_ = 0;
  int count_ = kScalarBlock;
  bool fused_multiply_add_;
};

extern template class ConcreteBuilder<float>;
extern template class ConcreteBuilder<double>;
extern template class ConcreteBuilder<Dual>;

}  // namespace gradus
