// Scalar arithmetic as LLVM instructions, on scalars and on vectors of one width. A scalar operand
// beside a vector is repeated; the repeat stands right after its definition, so a loop finds it
// made.
//
// No fast-math flag is ever set, and `llvm.fma` is emitted only where one rounding is asked for.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <unordered_map>
#include <vector>

#include "scalar/scalar.h"
#include "support/target.h"

namespace gradus::codegen {

class LlvmScalars final : public ScalarBuilder {
 public:
  LlvmScalars(llvm::IRBuilder<>& ir, const Target& target) : ir_(&ir), target_(&target) {}

  /// Forgets all handles. Values stay.
  void clear() { values_.clear(); }
  Scalar wrap(llvm::Value* value, DType dtype);
  llvm::Value* value(Scalar x) const { return values_[x.index]; }

  llvm::Type* type(DType dtype) const;         // of a value: bool is i1
  llvm::Type* memory_type(DType dtype) const;  // of an element in memory: bool is i8
  llvm::Constant* constant_value(DType dtype, double value) const;
  /// `value` itself where it is a vector already.
  llvm::Value* splat(llvm::Value* value, int width);

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

 private:
  llvm::IRBuilder<>* ir_;
  const Target* target_;
  std::vector<llvm::Value*> values_;
  std::unordered_map<llvm::Value*, llvm::Value*> splats_;

  struct Pair {
    llvm::Value* x;
    llvm::Value* y;
  };
  Pair match(Scalar x, Scalar y);
  llvm::Type* like(llvm::Value* shape, DType dtype) const;  // dtype with the width of `shape`
  llvm::Value* repeat(llvm::Constant* constant, llvm::Value* shape) const;
  llvm::Value* safe_divisor(llvm::Value* y, llvm::Value* zero, llvm::Value* minus_one);
  llvm::Value* to_float(Scalar x, DType to);
  llvm::Value* to_integer(Scalar x, DType to);
  llvm::Value* fma_by_doubles(llvm::Value* x, llvm::Value* y, llvm::Value* z);
  llvm::Value* clamp(llvm::Value* i, int64_t limit);
  llvm::Value* power_of_two(llvm::Value* exponent, DType dtype);
  llvm::Value* scale_by_steps(llvm::Value* x, llvm::Value* i, DType dtype);
  llvm::Value* scale_by_instruction(llvm::Value* x, llvm::Value* i);
  llvm::Value* scale_by_doubles(llvm::Value* x, llvm::Value* i);
};

}  // namespace gradus::codegen
