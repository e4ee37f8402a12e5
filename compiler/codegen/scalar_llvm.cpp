// Elementary operations that are one instruction or a few; conversions and powers of two stand in
// scalar_convert.cpp.
//
// Invariant: each operation gives the bits of the concrete builder (scalar/scalar_concrete.h), for
// all operands, special ones included. Where LLVM leaves a case undefined (division by 0, the least
// integer by -1, conversion of a NaN), the case is taken out by selects; where two floats may be
// contracted, no flag allows it.
#include "codegen/scalar_llvm.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include "support/check.h"

namespace gradus::codegen {

using llvm::Value;

namespace {

int width_of(Value* value) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector ? static_cast<int>(vector->getNumElements()) : 1;
}

}  // namespace

Scalar LlvmScalars::wrap(Value* value, DType dtype) {
  values_.push_back(value);
  return {static_cast<uint32_t>(values_.size() - 1), dtype};
}

llvm::Type* LlvmScalars::type(DType dtype) const {
  switch (dtype) {
    case DType::Bool:
      return ir_->getInt1Ty();
    case DType::I32:
      return ir_->getInt32Ty();
    case DType::I64:
      return ir_->getInt64Ty();
    case DType::F32:
      return ir_->getFloatTy();
    case DType::F64:
      return ir_->getDoubleTy();
  }
  return nullptr;
}

llvm::Type* LlvmScalars::memory_type(DType dtype) const {
  return dtype == DType::Bool ? ir_->getInt8Ty() : type(dtype);
}

llvm::Constant* LlvmScalars::constant_value(DType dtype, double value) const {
  switch (dtype) {
    case DType::Bool:
      return ir_->getInt1(value != 0);
    case DType::I32:
      return ir_->getInt32(static_cast<uint32_t>(static_cast<int64_t>(value)));
    case DType::I64:
      return ir_->getInt64(static_cast<uint64_t>(static_cast<int64_t>(value)));
    case DType::F32:
      return llvm::ConstantFP::get(ir_->getContext(), llvm::APFloat(static_cast<float>(value)));
    case DType::F64:
      return llvm::ConstantFP::get(ir_->getContext(), llvm::APFloat(value));
  }
  return nullptr;
}

/// The repeat of a value stands right behind it, and is made once: inside of a loop an invariant
/// scalar would be broadcast at every iteration, as no pass hoists.
Value* LlvmScalars::splat(Value* value, int width) {
  if (width == 1 || value->getType()->isVectorTy()) return value;
  if (auto* constant = llvm::dyn_cast<llvm::Constant>(value)) {
    return llvm::ConstantVector::getSplat(
        llvm::ElementCount::getFixed(static_cast<unsigned>(width)), constant);
  }
  auto found = splats_.find(value);
  if (found != splats_.end() && width_of(found->second) == width) return found->second;
  llvm::IRBuilderBase::InsertPointGuard guard(*ir_);
  if (auto* instruction = llvm::dyn_cast<llvm::Instruction>(value)) {
    auto next = llvm::isa<llvm::PHINode>(instruction)
                    ? instruction->getParent()->getFirstInsertionPt()
                    : std::next(instruction->getIterator());
    ir_->SetInsertPoint(instruction->getParent(), next);
  } else {
    llvm::BasicBlock& entry = ir_->GetInsertBlock()->getParent()->getEntryBlock();
    ir_->SetInsertPoint(&entry, entry.getFirstInsertionPt());
  }
  Value* repeated = ir_->CreateVectorSplat(static_cast<unsigned>(width), value);
  splats_[value] = repeated;
  return repeated;
}

LlvmScalars::Pair LlvmScalars::match(Scalar x, Scalar y) {
  int width = std::max(width_of(value(x)), width_of(value(y)));
  return {splat(value(x), width), splat(value(y), width)};
}

llvm::Type* LlvmScalars::like(Value* shape, DType dtype) const {
  int width = width_of(shape);
  if (width == 1) return type(dtype);
  return llvm::FixedVectorType::get(type(dtype), static_cast<unsigned>(width));
}

Value* LlvmScalars::repeat(llvm::Constant* constant, Value* shape) const {
  int width = width_of(shape);
  if (width == 1) return constant;
  return llvm::ConstantVector::getSplat(llvm::ElementCount::getFixed(static_cast<unsigned>(width)),
                                        constant);
}

Scalar LlvmScalars::constant(DType dtype, double value) {
  return wrap(constant_value(dtype, value), dtype);
}

Scalar LlvmScalars::bits(uint32_t pattern) { return wrap(ir_->getInt32(pattern), DType::I32); }

Scalar LlvmScalars::neg(Scalar x) {
  Value* v = value(x);
  return wrap(is_float(x.dtype) ? ir_->CreateFNeg(v) : ir_->CreateNeg(v), x.dtype);
}

Scalar LlvmScalars::abs(Scalar x) {
  Value* v = value(x);
  if (is_float(x.dtype)) {
    return wrap(ir_->CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v), x.dtype);
  }
  return wrap(ir_->CreateBinaryIntrinsic(llvm::Intrinsic::abs, v, ir_->getFalse()), x.dtype);
}

Scalar LlvmScalars::add(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  return wrap(is_float(x.dtype) ? ir_->CreateFAdd(a, b) : ir_->CreateAdd(a, b), x.dtype);
}

Scalar LlvmScalars::sub(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  return wrap(is_float(x.dtype) ? ir_->CreateFSub(a, b) : ir_->CreateSub(a, b), x.dtype);
}

Scalar LlvmScalars::mul(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  return wrap(is_float(x.dtype) ? ir_->CreateFMul(a, b) : ir_->CreateMul(a, b), x.dtype);
}

/// 1 in place of 0 and -1, the divisors that trap or overflow.
Value* LlvmScalars::safe_divisor(Value* y, Value* zero, Value* minus_one) {
  Value* one = repeat(llvm::ConstantInt::get(y->getType()->getScalarType(), 1), y);
  return ir_->CreateSelect(ir_->CreateOr(zero, minus_one), one, y);
}

/// Integers: x / 0 is 0 and x / -1 is -x, wrapping; both would trap in the instruction.
Scalar LlvmScalars::div(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  if (is_float(x.dtype)) return wrap(ir_->CreateFDiv(a, b), x.dtype);
  Value* none = llvm::Constant::getNullValue(b->getType());
  Value* zero = ir_->CreateICmpEQ(b, none);
  Value* minus_one = ir_->CreateICmpEQ(b, llvm::Constant::getAllOnesValue(b->getType()));
  Value* quotient = ir_->CreateSDiv(a, safe_divisor(b, zero, minus_one));
  quotient = ir_->CreateSelect(minus_one, ir_->CreateNeg(a), quotient);
  return wrap(ir_->CreateSelect(zero, none, quotient), x.dtype);
}

/// Integers: x % 0 is x, so that x = (x / 0) * 0 + x % 0; x % -1 comes out as x % 1, which is 0.
Scalar LlvmScalars::remainder(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  Value* none = llvm::Constant::getNullValue(b->getType());
  Value* zero = ir_->CreateICmpEQ(b, none);
  Value* minus_one = ir_->CreateICmpEQ(b, llvm::Constant::getAllOnesValue(b->getType()));
  Value* rest = ir_->CreateSRem(a, safe_divisor(b, zero, minus_one));
  return wrap(ir_->CreateSelect(zero, a, rest), x.dtype);
}

Scalar LlvmScalars::sqrt(Scalar x) {
  return wrap(ir_->CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, value(x)), x.dtype);
}

Scalar LlvmScalars::floor(Scalar x) {
  return wrap(ir_->CreateUnaryIntrinsic(llvm::Intrinsic::floor, value(x)), x.dtype);
}

Scalar LlvmScalars::round_even(Scalar x) {
  return wrap(ir_->CreateUnaryIntrinsic(llvm::Intrinsic::roundeven, value(x)), x.dtype);
}

Scalar LlvmScalars::fma(Scalar x, Scalar y, Scalar z) {
  if (!is_float(x.dtype)) return add(mul(x, y), z);
  auto [a, b] = match(x, y);
  int width = std::max(width_of(a), width_of(value(z)));
  a = splat(a, width);
  b = splat(b, width);
  Value* c = splat(value(z), width);
  if (target_->fma) {
    return wrap(ir_->CreateIntrinsic(llvm::Intrinsic::fma, {c->getType()}, {a, b, c}), x.dtype);
  }
  GRADUS_CHECK(x.dtype == DType::F32, "a target without fma has no f64 multiply-add");
  return wrap(fma_by_doubles(a, b, c), x.dtype);
}

Scalar LlvmScalars::mul_add(Scalar a, Scalar b, Scalar c) {
  return target_->fma ? fma(a, b, c) : add(mul(a, b), c);
}

Scalar LlvmScalars::compare(Compare how, Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  bool real = is_float(x.dtype);
  bool boolean = x.dtype == DType::Bool;
  using Predicate = llvm::CmpInst::Predicate;
  Predicate predicate = Predicate::ICMP_EQ;
  switch (how) {
    case Compare::Equal:
      predicate = real ? Predicate::FCMP_OEQ : Predicate::ICMP_EQ;
      break;
    case Compare::NotEqual:
      predicate = real ? Predicate::FCMP_UNE : Predicate::ICMP_NE;
      break;
    case Compare::Less:
      predicate = real ? Predicate::FCMP_OLT : boolean ? Predicate::ICMP_ULT : Predicate::ICMP_SLT;
      break;
    case Compare::LessEqual:
      predicate = real ? Predicate::FCMP_OLE : boolean ? Predicate::ICMP_ULE : Predicate::ICMP_SLE;
      break;
  }
  return wrap(ir_->CreateCmp(predicate, a, b), DType::Bool);
}

Scalar LlvmScalars::select(Scalar condition, Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  Value* c = value(condition);
  int width = std::max(width_of(c), width_of(a));
  a = splat(a, width);
  b = splat(b, width);
  return wrap(ir_->CreateSelect(c, a, b), x.dtype);
}

Scalar LlvmScalars::bit_and(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  return wrap(ir_->CreateAnd(a, b), x.dtype);
}

Scalar LlvmScalars::bit_or(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  return wrap(ir_->CreateOr(a, b), x.dtype);
}

Scalar LlvmScalars::bit_xor(Scalar x, Scalar y) {
  auto [a, b] = match(x, y);
  return wrap(ir_->CreateXor(a, b), x.dtype);
}

Scalar LlvmScalars::bit_not(Scalar x) { return wrap(ir_->CreateNot(value(x)), x.dtype); }

Scalar LlvmScalars::shift_left(Scalar x, int count) {
  return wrap(ir_->CreateShl(value(x), static_cast<uint64_t>(count)), x.dtype);
}

Scalar LlvmScalars::shift_right_logical(Scalar x, int count) {
  return wrap(ir_->CreateLShr(value(x), static_cast<uint64_t>(count)), x.dtype);
}

Scalar LlvmScalars::shift_right_arithmetic(Scalar x, int count) {
  return wrap(ir_->CreateAShr(value(x), static_cast<uint64_t>(count)), x.dtype);
}

}  // namespace gradus::codegen
