// Loops: a block that tests at its end, with values carried in phis; and lanes loops, which run in
// vectors: several an iteration, then what is left, the last vector masked.
//
//     before:  enters = from < to; br enters, loop, done
//     loop:    at = phi [from, before], [moved, latch]      carried = phi [..], [..]
//              br next                                      <- hoist point of the loop's axis
//     next:    body
//     latch:   moved = at + step; br moved < to, loop, done
//     done:    carried after the loop = phi
//
// A lanes loop of 16 lanes over 77 columns, unroll 2, without and with folds:
//
//     | v0 v1 | v0 v1 | v0 |mmm   |      main loop; single vectors; one masked vector
//     | v0 v1 | v0 v1 | v0 | v1m  |      the rest goes to the accumulators of its place
//
// Invariant: element i of a fold goes to accumulator i mod 32 (graph/sum_order.h), whatever the
// unroll factor. So with folds an iteration has exactly the vectors that hold 32 lanes, and what is
// left continues at the same vectors; without, any number will do.
//
// Where the length is a constant, all of it is written out as far as it pays: masks are constants,
// and slots in registers need a place in the code for each of their vectors.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "codegen/emit.h"
#include "graph/sum_order.h"
#include "kernel/walk.h"
#include "support/check.h"

namespace gradus::codegen {

using kernel::Loop;
using llvm::Value;

/// `runs`: the range is known not to be empty. The answer is what is carried after the last
/// iteration.
std::vector<Value*> KernelEmitter::emit_loop(
    Value* from, Value* to, int64_t step, std::vector<Value*> carried, bool runs,
    const std::function<std::vector<Value*>(Value*, llvm::Instruction*,
                                            const std::vector<Value*>&)>& body) {
  llvm::BasicBlock* before = ir_.GetInsertBlock();
  llvm::BasicBlock* header = new_block("loop");
  llvm::BasicBlock* exit = new_block("done");
  Value* enters = runs ? ir_.getTrue() : ir_.CreateICmpSLT(from, to);
  auto* known = llvm::dyn_cast<llvm::ConstantInt>(enters);
  if (known && known->isZero()) {
    ir_.CreateBr(exit);
    header->eraseFromParent();
    ir_.SetInsertPoint(exit);
    return carried;
  }
  if (known) {
    ir_.CreateBr(header);
  } else {
    ir_.CreateCondBr(enters, header, exit);
  }
  ir_.SetInsertPoint(header);
  llvm::PHINode* at = ir_.CreatePHI(ir_.getInt64Ty(), 2);
  at->addIncoming(from, before);
  std::vector<llvm::PHINode*> phis;
  for (Value* value : carried) {
    phis.push_back(ir_.CreatePHI(value->getType(), 2));
    phis.back()->addIncoming(value, before);
  }
  ++depth_;
  llvm::Instruction* hoist = new_hoist_point();
  std::vector<Value*> next = body(at, hoist, {phis.begin(), phis.end()});
  --depth_;
  llvm::BasicBlock* latch = ir_.GetInsertBlock();
  Value* moved = ir_.CreateNSWAdd(at, ir_.getInt64(static_cast<uint64_t>(step)));
  ir_.CreateCondBr(ir_.CreateICmpSLT(moved, to), header, exit);
  at->addIncoming(moved, latch);
  for (size_t i = 0; i < phis.size(); ++i) phis[i]->addIncoming(next[i], latch);
  ir_.SetInsertPoint(exit);
  if (known) return next;
  for (size_t i = 0; i < next.size(); ++i) {
    llvm::PHINode* merged = ir_.CreatePHI(next[i]->getType(), 2);
    merged->addIncoming(carried[i], before);
    merged->addIncoming(next[i], latch);
    next[i] = merged;
  }
  return next;
}

void KernelEmitter::emit_loop(Value* from, Value* to, int64_t step, const LoopBody& body) {
  emit_loop(from, to, step, {}, false,
            [&](Value* at, llvm::Instruction* hoist, const std::vector<Value*>&) {
              body(at, hoist);
              return std::vector<Value*>();
            });
}

void KernelEmitter::emit_if(Value* condition, const std::function<void()>& body) {
  if (auto* known = llvm::dyn_cast<llvm::ConstantInt>(condition)) {
    if (known->isOne()) body();
    return;
  }
  llvm::BasicBlock* then = new_block("then");
  llvm::BasicBlock* join = new_block("join");
  ir_.CreateCondBr(condition, then, join);
  ir_.SetInsertPoint(then);
  body();
  ir_.CreateBr(join);
  ir_.SetInsertPoint(join);
}

/// An `if` whose body may change the accumulators: after it each is a phi of before and after.
void KernelEmitter::emit_if_folding(Value* condition, const std::function<void()>& body) {
  std::vector<Value*> before = accumulators_;
  llvm::BasicBlock* origin = ir_.GetInsertBlock();
  llvm::BasicBlock* then = nullptr;
  emit_if(condition, [&] {
    body();
    then = ir_.GetInsertBlock();
  });
  if (ir_.GetInsertBlock() == then) return;
  for (size_t i = 0; i < accumulators_.size() && then; ++i) {
    if (accumulators_[i] == before[i]) continue;
    llvm::PHINode* merged = ir_.CreatePHI(before[i]->getType(), 2);
    merged->addIncoming(before[i], origin);
    merged->addIncoming(accumulators_[i], then);
    accumulators_[i] = merged;
  }
}

void KernelEmitter::set_axis(kernel::AxisId axis, Value* base, int64_t delta,
                             llvm::Instruction* hoist) {
  set_axis(axis, {base, delta, hoist, depth_});
}

void KernelEmitter::set_axis(kernel::AxisId axis, AxisValue value) {
  if (auto* constant = llvm::dyn_cast_or_null<llvm::ConstantInt>(value.base)) {
    value.delta += constant->getSExtValue();
    value.base = nullptr;
  }
  axes_[axis] = value;
}

// Lanes loops of more statements run two vectors an iteration, or one.
constexpr size_t kShortBody = 12, kLongBody = 36;

void KernelEmitter::emit_lanes(const Loop& loop) {
  GRADUS_CHECK(loop.step == 1, "a lanes loop goes by ones");
  GRADUS_CHECK(!lanes_.axis.valid(), "a lanes loop within another");
  start_folds(loop);
  Value* from = affine(loop.from);
  auto* begin = llvm::dyn_cast<llvm::ConstantInt>(from);
  std::optional<int64_t> count = constant_length(loop);
  bool sums = std::any_of(folds_.begin(), folds_.end(), [](const FoldState& state) {
    return state.fold->op == OpKind::Sum && is_float(state.dtype);
  });
  if (begin && count && sums && *count > kSumUnchunked) {
    emit_chunks(loop, begin->getSExtValue(), *count);
  } else if (count && (begin || loop.folds.empty())) {
    emit_static_range(loop, from, *count);
  } else {
    emit_dynamic_range(loop, from, bound(loop.to));
  }
  finish_folds();
}

/// Known where both ends move alike: from r0 to r0 + 8 is 8 long, wherever r0 stands. A cap that
/// may cut it must be constant too.
std::optional<int64_t> KernelEmitter::constant_length(const Loop& loop) const {
  const kernel::Affine &from = loop.from, &to = loop.to.value;
  bool known = loop.to.divisor == 1 && to.terms == from.terms && to.per_n == from.per_n;
  if (!known) return std::nullopt;
  int64_t end = to.constant;
  if (caps(loop.to)) {
    const kernel::Affine& cap = *loop.to.cap;
    bool constant = to.terms.empty() && to.per_n == 0 && cap.terms.empty() && cap.per_n == 0 &&
                    !argument_at(&cap.constant);
    if (!constant) return std::nullopt;
    end = std::min(end, cap.constant);
  }
  return std::max<int64_t>(end - from.constant, 0);
}

/// The end of the last vector.
Value* KernelEmitter::end_of_vectors(Value* from, Value* to) {
  auto lanes = static_cast<uint64_t>(target_.lanes);
  Value* length = ir_.CreateAdd(ir_.CreateSub(to, from), ir_.getInt64(lanes - 1));
  return ir_.CreateAdd(from, ir_.CreateAnd(length, ir_.getInt64(-lanes)));
}

/// Vectors of one iteration of the main loop: as many as hold the 32 lanes of a sum, so that each
/// has its accumulator; else as the schedule says, and fewer where the body is long: there is
/// enough instruction-level parallelism in it, and more vectors would spill.
int64_t KernelEmitter::vectors_per_iteration(const Loop& loop) const {
  if (!loop.folds.empty()) return static_cast<int64_t>(fold_vectors());
  int64_t most = loop.body.size() <= kShortBody ? 8 : loop.body.size() <= kLongBody ? 2 : 1;
  return std::clamp<int64_t>(kernel_.schedule.unroll, 1, most);
}

/// Whether the body works on vectors that stay in registers: each has its place in the code.
bool KernelEmitter::works_on_held(const Loop& loop) const {
  bool found = false;
  for (size_t s = 0; s < registers_.size(); ++s) found |= uses_registers(loop.body, s);
  auto look = [&](kernel::ValueId id) { found |= id.valid() && !held_[id].empty(); };
  kernel::walk(loop.body, [&](const kernel::Stmt& stmt) {
    if (auto* s = std::get_if<kernel::Let>(&stmt.body)) {
      for (const kernel::Operand& each : s->operands) look(each.value);
    }
    if (auto* s = std::get_if<kernel::Load>(&stmt.body)) {
      look(s->where);
      for (const kernel::Index& index : s->from.indices) look(index.loaded);
    }
    if (auto* s = std::get_if<kernel::Store>(&stmt.body)) look(s->value.value);
    if (auto* s = std::get_if<kernel::Fold>(&stmt.body)) look(s->value.value);
  });
  return found;
}

/// Long bodies are not unrolled further than an iteration has vectors.
void KernelEmitter::emit_static_range(const Loop& loop, Value* from, int64_t count) {
  int64_t iteration = vectors_per_iteration(loop) * target_.lanes;
  bool short_range =
      count <= iteration || (loop.body.size() <= kShortBody && count <= 4 * target_.lanes);
  bool unrolled = loop.held || short_range || works_on_held(loop);
  int64_t whole = unrolled ? 0 : count / iteration * iteration;
  ++depth_;
  llvm::Instruction* hoist = new_hoist_point();
  if (whole > 0) {
    emit_main(loop, from, ir_.CreateAdd(from, ir_.getInt64(static_cast<uint64_t>(whole))));
  }
  emit_vectors(loop, from, hoist, whole, count - whole);
  --depth_;
}

/// Whole iterations; the accumulators go along.
void KernelEmitter::emit_main(const Loop& loop, Value* from, Value* to) {
  int64_t iteration = vectors_per_iteration(loop) * target_.lanes;
  accumulators_ =
      emit_loop(from, to, iteration, accumulators_, false,
                [&](Value* at, llvm::Instruction* hoist, const std::vector<Value*>& carried) {
                  accumulators_ = carried;
                  emit_vectors(loop, at, hoist, 0, iteration);
                  return accumulators_;
                });
}

void KernelEmitter::emit_dynamic_range(const Loop& loop, Value* from, Value* to) {
  GRADUS_CHECK(!loop.held && !works_on_held(loop), "what is held has a range of constant length");
  int64_t lanes = target_.lanes;
  int64_t vectors = vectors_per_iteration(loop);
  if (loop.padded) to = end_of_vectors(from, to);
  auto whole = [&](Value* start, int64_t step) {
    Value* length = ir_.CreateSub(to, start);
    Value* rounded = ir_.CreateAnd(length, ir_.getInt64(static_cast<uint64_t>(-step)));
    return ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smax, ir_.CreateAdd(start, rounded), start);
  };
  if ((vectors & (vectors - 1)) != 0) vectors = 4;
  Value* main_end = whole(from, vectors * lanes);
  emit_main(loop, from, main_end);
  if (!loop.folds.empty()) {
    for (size_t vector_index = 0; vector_index < fold_vectors(); ++vector_index) {
      int64_t offset = static_cast<int64_t>(vector_index) * lanes;
      Value* at = ir_.CreateAdd(main_end, ir_.getInt64(static_cast<uint64_t>(offset)));
      emit_if_folding(ir_.CreateICmpSLT(at, to),
                      [&] { emit_last_vector(loop, at, to, vector_index); });
    }
    return;
  }
  Value* rest = main_end;
  if (vectors > 1) {
    rest = whole(main_end, lanes);
    emit_loop(main_end, rest, lanes, [&](Value* at, llvm::Instruction* hoist) {
      emit_vectors(loop, at, hoist, 0, lanes);
    });
  }
  if (loop.padded) return;
  emit_if(ir_.CreateICmpSLT(rest, to), [&] { emit_last_vector(loop, rest, to, 0); });
}

void KernelEmitter::emit_last_vector(const Loop& loop, Value* at, Value* to, size_t vector_index) {
  Lanes lanes;
  lanes.axis = loop.axis;
  lanes.vector_index = vector_index;
  lanes.live = loop.padded ? target_.lanes : 0;
  lanes.mask = loop.padded ? nullptr : mask_below(ir_.CreateSub(to, at));
  ++depth_;
  set_axis(loop.axis, at, 0, new_hoist_point());
  emit_vector(loop, lanes);
  --depth_;
}

/// `elements` from base + delta on.
void KernelEmitter::emit_vectors(const Loop& loop, Value* base, llvm::Instruction* hoist,
                                 int64_t delta, int64_t elements) {
  int lanes = target_.lanes;
  for (int64_t done = 0; done < elements; done += lanes) {
    Lanes vector;
    vector.axis = loop.axis;
    vector.vector_index = static_cast<size_t>(done / lanes);
    vector.live = static_cast<int>(std::min<int64_t>(lanes, elements - done));
    if (vector.live < lanes) vector.mask = mask_below(vector.live);
    set_axis(loop.axis, base, delta + done, hoist);
    emit_vector(loop, vector);
  }
}

void KernelEmitter::emit_vector(const Loop& loop, Lanes lanes) {
  lanes_ = lanes;
  for (size_t i = 0; i < held_.size(); ++i) {
    const std::vector<Value*>& vectors = held_[kernel::ValueId(i)];
    if (lanes.vector_index < vectors.size())
      values_[kernel::ValueId(i)] = vectors[lanes.vector_index];
  }
  emit_body(loop.body);
  if (loop.held) {
    kernel::walk(loop.body, [&](const kernel::Stmt& stmt) {
      kernel::ValueId made;
      if (auto* s = std::get_if<kernel::Let>(&stmt.body)) made = s->result;
      if (auto* s = std::get_if<kernel::IndexOf>(&stmt.body)) made = s->result;
      if (auto* s = std::get_if<kernel::Load>(&stmt.body)) made = s->result;
      if (!made.valid()) return;
      held_[made].resize(lanes.vector_index + 1);
      held_[made][lanes.vector_index] = values_[made];
    });
  }
  lanes_ = {};
}

/// Lanes below `count`, which may be larger than there are lanes.
Value* KernelEmitter::mask_below(Value* count) {
  Value* lanes = ir_.getInt64(static_cast<uint64_t>(target_.lanes));
  Value* live = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, count, lanes);
  Value* narrow = ir_.CreateTrunc(live, ir_.getInt32Ty());
  return ir_.CreateICmpSGT(ir_.CreateVectorSplat(static_cast<unsigned>(target_.lanes), narrow),
                           lane_numbers(ir_.getInt32Ty(), 1));
}

llvm::Constant* KernelEmitter::mask_below(int count) {
  std::vector<llvm::Constant*> bits;
  for (int lane = 0; lane < target_.lanes; ++lane) bits.push_back(ir_.getInt1(lane < count));
  return llvm::ConstantVector::get(bits);
}

}  // namespace gradus::codegen
