// The abstract scalar arithmetic that operator rules are written in, once, for the evaluators, the
// constant folder, the kernel interpreter and the LLVM emitter.
//
// A Scalar is a handle of the builder that made it. Elementary operations are IEEE 754, rounded to
// nearest even, one rounding each; `fma` rounds once. Math functions have a default meaning in
// elementary operations (scalar_math.cpp), the same bits everywhere; the evaluator on double and on
// dual numbers overrides them with the C library's.
#pragma once

#include <cstdint>

#include "tensor/type.h"

namespace gradus {

struct Scalar {
  uint32_t index = UINT32_MAX;
  DType dtype = DType::F32;
};

enum class Compare : uint8_t { Equal, NotEqual, Less, LessEqual };  // false with NaN, NotEqual true

class ScalarBuilder {
 public:
  virtual ~ScalarBuilder() = default;

  // Elementary. Operands have one dtype unless said. Integers wrap around.
  virtual Scalar constant(DType dtype, double value) = 0;   // rounded to dtype
  virtual Scalar bits(uint32_t pattern) = 0;                // an i32 with these bits
  virtual Scalar neg(Scalar x) = 0;                         // flips the sign bit of a float
  virtual Scalar abs(Scalar x) = 0;
  virtual Scalar add(Scalar x, Scalar y) = 0;
  virtual Scalar sub(Scalar x, Scalar y) = 0;
  virtual Scalar mul(Scalar x, Scalar y) = 0;
  virtual Scalar div(Scalar x, Scalar y) = 0;               // float: IEEE; integer: toward zero, x/0 = 0
  virtual Scalar remainder(Scalar x, Scalar y) = 0;         // integer: x - div(x, y) * y, x%0 = x
  virtual Scalar sqrt(Scalar x) = 0;
  virtual Scalar floor(Scalar x) = 0;
  virtual Scalar round_even(Scalar x) = 0;
  virtual Scalar fma(Scalar x, Scalar y, Scalar z) = 0;     // x * y + z, one rounding
  virtual Scalar compare(Compare how, Scalar x, Scalar y) = 0;  // bool
  virtual Scalar select(Scalar condition, Scalar x, Scalar y) = 0;
  virtual Scalar bit_and(Scalar x, Scalar y) = 0;           // bool and integers
  virtual Scalar bit_or(Scalar x, Scalar y) = 0;
  virtual Scalar bit_xor(Scalar x, Scalar y) = 0;
  virtual Scalar bit_not(Scalar x) = 0;
  virtual Scalar shift_left(Scalar x, int count) = 0;
  virtual Scalar shift_right_logical(Scalar x, int count) = 0;
  virtual Scalar shift_right_arithmetic(Scalar x, int count) = 0;
  virtual Scalar convert(Scalar x, DType to) = 0;           // float to int: toward zero, saturating, NaN is 0
  virtual Scalar bitcast(Scalar x, DType to) = 0;           // f32 <-> i32, f64 <-> i64
  virtual Scalar scale2(Scalar x, Scalar i) = 0;            // x * 2^i (i of type i32 or i64), rounded once
  /// a * b + c where fusing is allowed: fma on targets that have it, else two roundings.
  virtual Scalar mul_add(Scalar a, Scalar b, Scalar c) = 0;

  // Math functions, f32 and f64; defaults in scalar_math.cpp. At most 5 ULP where the exact result
  // is normal; special values as in C99 annex F.
  virtual Scalar exp(Scalar x);
  virtual Scalar expm1(Scalar x);     // exp(x) - 1
  virtual Scalar log(Scalar x);
  virtual Scalar log1p(Scalar x);
  virtual Scalar sin(Scalar x);
  virtual Scalar cos(Scalar x);
  virtual Scalar tanh(Scalar x);
  virtual Scalar sigmoid(Scalar x);   // 1 / (1 + exp(-x))
  virtual Scalar erf(Scalar x);
  virtual Scalar normal_cdf(Scalar x);      // (1 + erf(x / sqrt 2)) / 2, tiny results too
  virtual Scalar normal_density(Scalar x);  // e^(-x*x/2) / sqrt(2 pi)
  virtual Scalar pow(Scalar x, Scalar y);

  // Shorthands, never overridden.
  Scalar less(Scalar x, Scalar y) { return compare(Compare::Less, x, y); }
  Scalar less_equal(Scalar x, Scalar y) { return compare(Compare::LessEqual, x, y); }
  Scalar equal(Scalar x, Scalar y) { return compare(Compare::Equal, x, y); }
  Scalar not_equal(Scalar x, Scalar y) { return compare(Compare::NotEqual, x, y); }
  Scalar is_nan(Scalar x) { return compare(Compare::NotEqual, x, x); }
  Scalar f32(double value) { return constant(DType::F32, value); }
  Scalar i32(int64_t value) { return constant(DType::I32, static_cast<double>(value)); }
};

}  // namespace gradus
