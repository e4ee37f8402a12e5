// Conversions between dtypes, and what a target lowers its own way without rounding otherwise:
// x * 2^i, and one-rounding multiply-add where the machine has none.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/IntrinsicsX86.h>

#include <algorithm>

#include "codegen/scalar_llvm.h"
#include "support/check.h"

namespace gradus::codegen {

using llvm::Value;

Value* LlvmScalars::to_float(Scalar x, DType to) {
  Value* v = value(x);
  llvm::Type* result = like(v, to);
  if (x.dtype == DType::Bool) return ir_->CreateUIToFP(v, result);
  if (is_integer(x.dtype)) return ir_->CreateSIToFP(v, result);
  return to == DType::F64 ? ir_->CreateFPExt(v, result) : ir_->CreateFPTrunc(v, result);
}

Value* LlvmScalars::to_integer(Scalar x, DType to) {
  Value* v = value(x);
  llvm::Type* result = like(v, to);
  if (x.dtype == DType::Bool) return ir_->CreateZExt(v, result);
  if (is_integer(x.dtype)) return ir_->CreateSExtOrTrunc(v, result);
  return ir_->CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {result, v->getType()}, {v});
}

Scalar LlvmScalars::convert(Scalar x, DType to) {
  if (x.dtype == to) return x;
  if (to == DType::Bool) return not_equal(x, constant(x.dtype, 0));
  return wrap(is_float(to) ? to_float(x, to) : to_integer(x, to), to);
}

Scalar LlvmScalars::bitcast(Scalar x, DType to) {
  return wrap(ir_->CreateBitCast(value(x), like(value(x), to)), to);
}

/// The product of two f32 is exact in f64. The sum is rounded to odd there, so that rounding it
/// again to f32 gives what one rounding of the exact sum gives: round-to-odd keeps a sticky bit,
/// and two rounds are one if the wide format has two bits more (Boldo & Melquiond, "Emulation of
/// FMA and Correctly Rounded Sums", IEEE TC 57, 2008).
///
///   error = exact sum - rounded sum, by TwoSum (Knuth, TAOCP 2, 4.2.2): six additions
///   inexact and even: move one unit towards the exact sum, which makes it odd
Value* LlvmScalars::fma_by_doubles(Value* x, Value* y, Value* z) {
  llvm::Type* wide = like(x, DType::F64);
  llvm::Type* pattern = like(x, DType::I64);
  Value* addend = ir_->CreateFPExt(z, wide);
  Value* product = ir_->CreateFMul(ir_->CreateFPExt(x, wide), ir_->CreateFPExt(y, wide));
  Value* sum = ir_->CreateFAdd(product, addend);
  Value* from_addend = ir_->CreateFSub(sum, product);
  Value* from_product = ir_->CreateFSub(sum, from_addend);
  Value* error =
      ir_->CreateFAdd(ir_->CreateFSub(product, from_product), ir_->CreateFSub(addend, from_addend));
  Value* none = llvm::Constant::getNullValue(wide);
  Value* zero = llvm::Constant::getNullValue(pattern);
  Value* one = repeat(ir_->getInt64(1), x);
  Value* bits = ir_->CreateBitCast(sum, pattern);
  Value* inexact = ir_->CreateFCmpONE(error, none);
  Value* even = ir_->CreateICmpEQ(ir_->CreateAnd(bits, one), zero);
  Value* error_bits = ir_->CreateBitCast(error, pattern);
  Value* away = ir_->CreateICmpSGE(ir_->CreateXor(bits, error_bits), zero);
  Value* step = ir_->CreateSelect(away, one, llvm::Constant::getAllOnesValue(pattern));
  Value* odd = ir_->CreateAdd(bits, step);
  Value* chosen = ir_->CreateSelect(ir_->CreateAnd(inexact, even), odd, bits);
  return ir_->CreateFPTrunc(ir_->CreateBitCast(chosen, wide), x->getType());
}

/// 2^exponent for an exponent of a normal number, exponent i32 for f32 and i64 for f64.
Value* LlvmScalars::power_of_two(Value* exponent, DType dtype) {
  bool wide = dtype == DType::F64;
  llvm::Type* scalar = exponent->getType()->getScalarType();
  Value* bias = repeat(llvm::ConstantInt::get(scalar, wide ? 1023U : 127U), exponent);
  Value* pattern = ir_->CreateShl(ir_->CreateAdd(exponent, bias), wide ? 52 : 23);
  return ir_->CreateBitCast(pattern, like(exponent, dtype));
}

/// Three factors, as one of them reaches only from 2^-1022 to 2^1023; those that carry x far down
/// leave 53 (24) bits of exponent above the denormals, so that only the last factor rounds.
Value* LlvmScalars::scale_by_steps(Value* x, Value* i, DType dtype) {
  bool wide = dtype == DType::F64;
  auto number = [&](int64_t value) {
    return repeat(llvm::ConstantInt::getSigned(
                      llvm::cast<llvm::IntegerType>(i->getType()->getScalarType()), value),
                  i);
  };
  int64_t lowest = wide ? -1022 : -126;
  int64_t highest = wide ? 1023 : 127;
  Value* low = number(lowest);
  Value* high = number(highest);
  Value* down = number(lowest + (wide ? 53 : 24));
  Value* none = number(0);
  for (int step = 0; step < 2; ++step) {
    Value* up = ir_->CreateSelect(ir_->CreateICmpSGT(i, high), high, none);
    Value* part = ir_->CreateSelect(ir_->CreateICmpSLT(i, low), down, up);
    x = ir_->CreateFMul(x, power_of_two(part, dtype));
    i = ir_->CreateSub(i, part);
  }
  i = ir_->CreateBinaryIntrinsic(llvm::Intrinsic::smin, i, high);
  i = ir_->CreateBinaryIntrinsic(llvm::Intrinsic::smax, i, low);
  return ir_->CreateFMul(x, power_of_two(i, dtype));
}

/// Between -limit and limit: exponents beyond act as those do.
Value* LlvmScalars::clamp(Value* i, int64_t limit) {
  auto* type = llvm::cast<llvm::IntegerType>(i->getType()->getScalarType());
  auto bound = [&](int64_t value) { return repeat(llvm::ConstantInt::getSigned(type, value), i); };
  i = ir_->CreateBinaryIntrinsic(llvm::Intrinsic::smin, i, bound(limit));
  return ir_->CreateBinaryIntrinsic(llvm::Intrinsic::smax, i, bound(-limit));
}

/// AVX-512: one instruction that rounds once, denormal results included.
Value* LlvmScalars::scale_by_instruction(Value* x, Value* i) {
  Value* exponent = ir_->CreateSIToFP(i, x->getType());
  return ir_->CreateIntrinsic(llvm::Intrinsic::x86_avx512_mask_scalef_ps_512, {},
                              {x, exponent, llvm::Constant::getNullValue(x->getType()),
                               ir_->getInt16(0xffff), ir_->getInt32(4)});
}

/// f32 through f64, where x * 2^i is exact; narrowing rounds once.
Value* LlvmScalars::scale_by_doubles(Value* x, Value* i) {
  i = clamp(i, 400);
  Value* exponent = ir_->CreateSExt(i, like(i, DType::I64));
  Value* product =
      ir_->CreateFMul(ir_->CreateFPExt(x, like(x, DType::F64)), power_of_two(exponent, DType::F64));
  return ir_->CreateFPTrunc(product, x->getType());
}

/// Beyond every exponent of f64, denormals included.
constexpr int64_t kFarExponent = 5000;

Scalar LlvmScalars::scale2(Scalar x, Scalar i) {
  Value* v = value(x);
  int width = 1;
  for (Value* operand : {v, value(i)}) {
    if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(operand->getType())) {
      width = static_cast<int>(vector->getNumElements());
    }
  }
  v = splat(v, width);
  if (x.dtype == DType::F64) {
    // Three factors of at most 2^1023 reach from one end of f64 to the other; the clamp keeps the
    // subtraction from wrapping.
    Value* exponent = clamp(splat(value(convert(i, DType::I64)), width), kFarExponent);
    return wrap(scale_by_steps(v, exponent, DType::F64), DType::F64);
  }
  if (i.dtype == DType::I64) {
    // Beyond i32 every exponent acts as its end does.
    Value* exponent = clamp(value(i), kFarExponent);
    i = convert(wrap(exponent, DType::I64), DType::I32);
  }
  Value* exponent = splat(value(i), width);
  bool native = width == 16 && target_->lanes == 16;
  return wrap(native ? scale_by_instruction(v, exponent) : scale_by_doubles(v, exponent),
              DType::F32);
}

}  // namespace gradus::codegen
