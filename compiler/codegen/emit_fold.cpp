// Folds of a lanes loop. A sum has exactly 32 accumulators, held in as many vectors as that takes;
// lane l + 16 joins lane l, then + 8, + 4, + 2, + 1. Absent elements take no part. Other folds use
// the same vectors; their result does not depend on an order.
//
//     elements   0 1 2 ... 31 | 32 33 ... 63 | 64 ...        lane i mod 32, ascending
//
//     16 lanes   [ 0 ........ 15 ] [ 16 ....... 31 ]         two vectors
//     8 lanes    [ 0 .. 7 ] [ 8 .. ] [ 16 .. ] [ 24 .. ]     four
//
//     halving    vector v += vector v + half                 16, (8) lanes apart: no shuffle
//                then within the last vector                 (8), 4, 2, 1 lanes apart: shuffles
//
// Invariant: the tree of additions is that of graph/sum_order.h for every vector width; a target
// only decides where vectors end and shuffles begin.
//
// Padded and masked lanes keep their accumulator by a select. Adding a 0 would do for most sums,
// but -0 + 0 is 0, and a NaN in a dead lane would spread.
#include <llvm/IR/Constants.h>

#include <limits>

#include "codegen/emit.h"
#include "graph/op.h"
#include "graph/sum_order.h"
#include "support/check.h"
#include "support/round.h"

namespace gradus::codegen {

using llvm::Value;

size_t KernelEmitter::fold_vectors() const {
  return static_cast<size_t>(kSumLanes / target_.lanes);
}

namespace {

/// The dtype of what is folded into `result`.
DType folded_dtype(const kernel::Kernel& kernel, const kernel::Loop& loop, kernel::ValueId result) {
  for (const kernel::Stmt& stmt : loop.body) {
    auto* fold = std::get_if<kernel::Fold>(&stmt.body);
    if (!fold || fold->into != result) continue;
    return fold->value.value.valid() ? kernel.values[fold->value.value] : fold->value.dtype;
  }
  check_failed(__FILE__, __LINE__, "fold", "a fold result that nothing is folded into");
}

/// -0 is the identity of a float sum: x + -0 is x, also where x is -0.
double identity_of(OpKind op, DType dtype) {
  if (op == OpKind::Sum) return is_float(dtype) ? -0.0 : 0.0;
  bool least = op != OpKind::Min;
  if (is_float(dtype)) {
    double infinity = std::numeric_limits<double>::infinity();
    return least ? -infinity : infinity;
  }
  return least ? 0.0 : 1.0;  // bool; integers are set by their bits
}

}  // namespace

llvm::Constant* KernelEmitter::fold_identity(const FoldState& state) const {
  OpKind op = state.fold->op;
  if (is_integer(state.dtype) && op != OpKind::Sum) {
    auto bits = static_cast<unsigned>(dtype_size(state.dtype) * 8);
    llvm::APInt end = op == OpKind::Min ? llvm::APInt::getSignedMaxValue(bits)
                                        : llvm::APInt::getSignedMinValue(bits);
    return llvm::ConstantInt::get(module_.getContext(), end);
  }
  return scalars_.constant_value(state.dtype, identity_of(op, state.dtype));
}

std::vector<Value*> KernelEmitter::fold_identities() const {
  std::vector<Value*> out;
  auto lanes = llvm::ElementCount::getFixed(static_cast<unsigned>(target_.lanes));
  for (const FoldState& state : folds_) {
    out.insert(out.end(), fold_vectors(),
               llvm::ConstantVector::getSplat(lanes, fold_identity(state)));
    if (state.fold->op != OpKind::Argmax) continue;
    auto* beyond = llvm::ConstantInt::get(llvm::Type::getInt32Ty(module_.getContext()),
                                          std::numeric_limits<int32_t>::max());
    out.insert(out.end(), fold_vectors(), llvm::ConstantVector::getSplat(lanes, beyond));
  }
  return out;
}

/// Accumulators lie one fold after the other; an argmax has its indices behind its values.
void KernelEmitter::start_folds(const kernel::Loop& loop) {
  folds_.clear();
  size_t first = 0;
  for (const kernel::FoldResult& fold : loop.folds) {
    folds_.push_back({&fold, folded_dtype(kernel_, loop, fold.result), first});
    first += fold_vectors() * (fold.op == OpKind::Argmax ? 2 : 1);
  }
  accumulators_ = fold_identities();
}

Value* KernelEmitter::combine(OpKind op, DType dtype, Value* x, Value* y) {
  scalars_.clear();
  const std::vector<Scalar> both = {scalars_.wrap(x, dtype), scalars_.wrap(y, dtype)};
  if (op == OpKind::Sum) return scalars_.value(scalars_.add(both[0], both[1]));
  return scalars_.value(op_def(op).combine(scalars_, both, dtype));
}

/// Takes the other where it is larger, or as large and earlier; a NaN is larger than any number.
void KernelEmitter::combine_argmax(DType dtype, Value*& value, Value*& index, Value* other,
                                   Value* other_index) {
  scalars_.clear();
  LlvmScalars& b = scalars_;
  Scalar x = b.wrap(value, dtype);
  Scalar y = b.wrap(other, dtype);
  Scalar i = b.wrap(index, DType::I32);
  Scalar k = b.wrap(other_index, DType::I32);
  Scalar larger = b.less(x, y);
  Scalar as_large = b.equal(x, y);
  if (is_float(dtype)) {
    Scalar x_nan = b.is_nan(x);
    Scalar y_nan = b.is_nan(y);
    larger = b.bit_or(larger, b.bit_and(y_nan, b.bit_not(x_nan)));
    as_large = b.bit_or(as_large, b.bit_and(x_nan, y_nan));
  }
  Scalar take = b.bit_or(larger, b.bit_and(as_large, b.less(k, i)));
  value = b.value(b.select(take, y, x));
  index = b.value(b.select(take, k, i));
}

void KernelEmitter::emit(const kernel::Fold& fold) {
  for (const FoldState& state : folds_) {
    if (state.fold->result != fold.into) continue;
    Value* value = scalars_.splat(operand(fold.value), width());
    size_t place = state.first + lanes_.vector_index % fold_vectors();
    Value* old = accumulators_[place];
    Value* merged = old;
    if (state.fold->op == OpKind::Argmax) {
      size_t index_place = place + fold_vectors();
      Value* old_index = accumulators_[index_place];
      Value* index = old_index;
      Value* first = ir_.CreateTrunc(affine(kernel::Affine::of(lanes_.axis)), ir_.getInt32Ty());
      Value* numbers =
          ir_.CreateAdd(scalars_.splat(first, width()), lane_numbers(ir_.getInt32Ty(), 1));
      combine_argmax(state.dtype, merged, index, value, numbers);
      if (lanes_.mask) index = ir_.CreateSelect(lanes_.mask, index, old_index);
      accumulators_[index_place] = index;
    } else {
      merged = combine(state.fold->op, state.dtype, old, value);
    }
    if (lanes_.mask) merged = ir_.CreateSelect(lanes_.mask, merged, old);
    accumulators_[place] = merged;
    return;
  }
  check_failed(__FILE__, __LINE__, "fold", "a fold into a result of another loop");
}

/// Halves the accumulators until one lane is left.
Value* KernelEmitter::finish_fold(const FoldState& state) {
  bool pairs = state.fold->op == OpKind::Argmax;
  auto begin = accumulators_.begin() + static_cast<std::ptrdiff_t>(state.first);
  auto vectors = static_cast<std::ptrdiff_t>(fold_vectors());
  std::vector<Value*> values(begin, begin + vectors);
  std::vector<Value*> indices;
  if (pairs) indices.assign(begin + vectors, begin + 2 * vectors);
  auto join = [&](Value*& value, Value* other, Value** index, Value* other_index) {
    if (pairs) return combine_argmax(state.dtype, value, *index, other, other_index);
    value = combine(state.fold->op, state.dtype, value, other);
  };
  while (values.size() > 1) {
    size_t half = values.size() / 2;
    for (size_t i = 0; i < half; ++i) {
      join(values[i], values[i + half], pairs ? &indices[i] : nullptr,
           pairs ? indices[i + half] : nullptr);
    }
    values.resize(half);
  }
  Value* value = values[0];
  Value* index = pairs ? indices[0] : nullptr;
  auto part = [&](Value* vector, int from, int count) -> Value* {
    if (count == 1) return ir_.CreateExtractElement(vector, static_cast<uint64_t>(from));
    std::vector<int> lanes;
    for (int lane = 0; lane < count; ++lane) lanes.push_back(from + lane);
    return ir_.CreateShuffleVector(vector, lanes);
  };
  for (int half = target_.lanes / 2; half >= 1; half /= 2) {
    Value* upper = part(value, half, half);
    Value* upper_index = pairs ? part(index, half, half) : nullptr;
    value = part(value, 0, half);
    if (pairs) index = part(index, 0, half);
    join(value, upper, &index, upper_index);
  }
  return pairs ? index : value;
}

void KernelEmitter::finish_folds() {
  for (const FoldState& state : folds_) define(state.fold->result, finish_fold(state));
  folds_.clear();
  accumulators_.clear();
}

/// Adds the sum of chunk `chunk` to its lane of the totals.
void KernelEmitter::add_chunk(std::vector<Value*>& totals, Value* chunk) {
  Value* lane =
      ir_.CreateTrunc(ir_.CreateAnd(chunk, ir_.getInt64(kSumLanes - 1)), ir_.getInt32Ty());
  Value* lanes = ir_.CreateVectorSplat(static_cast<unsigned>(target_.lanes), lane);
  for (const FoldState& state : folds_) {
    if (state.fold->op != OpKind::Sum) continue;
    Value* sum = scalars_.splat(finish_fold(state), target_.lanes);
    for (size_t i = 0; i < fold_vectors(); ++i) {
      Value* first = ir_.CreateVectorSplat(
          static_cast<unsigned>(target_.lanes),
          ir_.getInt32(static_cast<uint32_t>(i) * static_cast<uint32_t>(target_.lanes)));
      Value* numbers = ir_.CreateAdd(lane_numbers(ir_.getInt32Ty(), 1), first);
      Value*& total = totals[state.first + i];
      Value* added = combine(OpKind::Sum, state.dtype, total, sum);
      total = ir_.CreateSelect(ir_.CreateICmpEQ(numbers, lanes), added, total);
    }
    // The lanes start anew for the next chunk.
    auto identities = fold_identities();
    for (size_t i = 0; i < fold_vectors(); ++i) {
      accumulators_[state.first + i] = identities[state.first + i];
    }
  }
}

/// Sums of more than 16384 elements, in the order of `sum_lanes`. Level 0 adds elements in 32
/// lanes; level l adds the totals of level l - 1 in 32 lanes, each of 4096^l elements or what is
/// left:
///
///   level 2:  | 4096 chunks            | 4096 chunks            | the rest |
///   level 1:  | 4096 | 4096 | ... 4096 | 4096 | ... ...    4096 | .. | 17  |
///
/// On return the accumulators of sums hold the lanes of the last level. Other folds run through.
void KernelEmitter::emit_level(const kernel::Loop& loop, Value* from, int64_t count, int level) {
  if (level == 0 && count == kSumChunk) {
    return emit_main(loop, from, ir_.CreateAdd(from, ir_.getInt64(kSumChunk)));
  }
  if (level == 0) return emit_static_range(loop, from, count);
  auto constant = [&](int64_t value) { return ir_.getInt64(static_cast<uint64_t>(value)); };
  int64_t unit = kSumChunk;
  for (int l = 1; l < level; ++l) unit *= kSumChunk;
  int64_t whole = count / unit;
  size_t size = accumulators_.size();
  std::vector<Value*> carried = accumulators_;
  carried.insert(carried.end(), accumulators_.begin(), accumulators_.end());
  carried = emit_loop(constant(0), constant(whole), 1, carried, false,
                      [&](Value* chunk, llvm::Instruction*, const std::vector<Value*>& at) {
                        auto middle = at.begin() + static_cast<std::ptrdiff_t>(size);
                        accumulators_.assign(at.begin(), middle);
                        std::vector<Value*> totals(middle, at.end());
                        Value* start = ir_.CreateAdd(ir_.CreateMul(chunk, constant(unit)), from);
                        emit_level(loop, start, unit, level - 1);
                        add_chunk(totals, chunk);
                        std::vector<Value*> next = accumulators_;
                        next.insert(next.end(), totals.begin(), totals.end());
                        return next;
                      });
  accumulators_.assign(carried.begin(), carried.begin() + static_cast<std::ptrdiff_t>(size));
  std::vector<Value*> totals(carried.begin() + static_cast<std::ptrdiff_t>(size), carried.end());
  if (count % unit != 0) {
    emit_level(loop, ir_.CreateAdd(from, constant(whole * unit)), count % unit, level - 1);
    add_chunk(totals, constant(whole));
  }
  for (const FoldState& state : folds_) {
    if (state.fold->op != OpKind::Sum) continue;
    for (size_t i = 0; i < fold_vectors(); ++i) {
      accumulators_[state.first + i] = totals[state.first + i];
    }
  }
}

/// Levels until there are no more totals than are summed at once.
void KernelEmitter::emit_chunks(const kernel::Loop& loop, int64_t from, int64_t count) {
  int level = 0;
  for (int64_t totals = count; totals > kSumUnchunked; ++level) {
    totals = ceil_div(totals, kSumChunk);
  }
  emit_level(loop, ir_.getInt64(static_cast<uint64_t>(from)), count, level);
}

}  // namespace gradus::codegen
