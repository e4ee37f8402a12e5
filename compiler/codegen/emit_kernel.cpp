// The function of a kernel: frame and slot bases, the loop over items, plain statements.
//
// Par loops are one loop over item numbers: row-major, so item = (b0 * count1 + b1) * count2 + b2.
// The caller deals ranges [begin, end) of numbers to threads. The axes of `begin` are found by
// division, and each next item's by counting on with carries, as an odometer does: divisions cost
// tens of cycles each, and stand outside of the loop.
//
// Invariant: items touch disjoint elements, so ranges may run on any thread in any order; a
// worker's scratch is written before it is read within an item.
#include <fmt/format.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "codegen/emit.h"
#include "codegen/launch_arguments.h"
#include "codegen/register_slots.h"
#include "gradus/runtime.h"
#include "graph/op.h"
#include "kernel/walk.h"
#include "support/check.h"

namespace gradus::codegen {

using kernel::Loop;
using kernel::LoopKind;
using kernel::Stmt;
using llvm::Value;

KernelEmitter::KernelEmitter(llvm::Module& module, const Target& target,
                             const kernel::Kernel& kernel)
    : module_(module),
      target_(target),
      kernel_(kernel),
      ir_(module.getContext()),
      scalars_(ir_, target),
      packed_(kernel.slots.size(), false),
      registers_(kernel.slots.size()),
      axes_(kernel.axes.size()),
      values_(kernel.values.size(), nullptr),
      held_(kernel.values.size()),
      axis_steps_(kernel.axes.size(), {-1, 0}) {
  std::vector<int> vectors = register_slots(kernel, target);
  for (size_t s = 0; s < vectors.size(); ++s) registers_[s].resize(static_cast<size_t>(vectors[s]));
  kernel::walk(kernel.body, [&](const Stmt& stmt) {
    if (auto* pack = std::get_if<kernel::Pack>(&stmt.body)) packed_[pack->to.index()] = true;
    auto* loop = std::get_if<Loop>(&stmt.body);
    if (loop && loop->kind != LoopKind::Lanes) note_range(*loop);
  });
}

/// Where loops have one axis, what holds for all of them. Ranges that are known here make caps
/// vanish (caps), remainders constant (remainders) and masks constants.
void KernelEmitter::note_range(const Loop& loop) {
  bool constant = loop.from.terms.empty() && loop.from.per_n == 0;
  if (constant) axis_steps_[loop.axis] = {loop.from.constant, loop.step};
  std::optional<int64_t> last = last_of(loop);
  auto [known, fresh] = largest_.try_emplace(loop.axis, last);
  if (!fresh) known->second = known->second && last ? std::max(known->second, last) : std::nullopt;
}

/// The last value of a loop's axis, or a larger one; nothing where that depends on the rows.
std::optional<int64_t> KernelEmitter::last_of(const Loop& loop) const {
  // How many items a filling kernel has is an argument of its launch.
  if (&loop == fill_loop(kernel_) || loop.to.divisor != 1) return std::nullopt;
  std::optional<int64_t> end = largest(loop.to.value);
  std::optional<int64_t> cap = loop.to.cap ? largest(*loop.to.cap) : std::nullopt;
  if (!end || (cap && *cap < *end)) end = cap;
  if (!end) return std::nullopt;
  bool constant = loop.from.terms.empty() && loop.from.per_n == 0;
  int64_t last = *end - 1;
  return constant ? last - (last - loop.from.constant) % loop.step : last;
}

/// By interval arithmetic, upper ends only: terms with negative coefficients would need lower ends.
std::optional<int64_t> KernelEmitter::largest(const kernel::Affine& affine) const {
  if (affine.per_n != 0) return std::nullopt;
  int64_t sum = affine.constant;
  for (const kernel::Affine::Term& term : affine.terms) {
    auto found = largest_.find(term.axis);
    if (term.coefficient < 0 || found == largest_.end() || !found->second) return std::nullopt;
    sum += term.coefficient * *found->second;
  }
  return sum;
}

/// In doubt, yes: a cap that never cuts costs a compare, a missing one reads out of bounds.
bool KernelEmitter::caps(const kernel::Bound& bound) const {
  if (!bound.cap) return false;
  bool constant =
      bound.cap->terms.empty() && bound.cap->per_n == 0 && !argument_at(&bound.cap->constant);
  std::optional<int64_t> end = largest(bound.value);
  return !constant || bound.divisor != 1 || !end || *end > bound.cap->constant;
}

llvm::Function* KernelEmitter::emit(const std::string& name) {
  make_function(name);
  emit_body(kernel_.body);
  ir_.CreateRetVoid();
  return function_;
}

void KernelEmitter::make_function(const std::string& name) {
  llvm::Type* pointer = ir_.getPtrTy();
  llvm::Type* i64 = ir_.getInt64Ty();
  auto* type = llvm::FunctionType::get(ir_.getVoidTy(),
                                       {pointer, pointer, i64, i64, ir_.getInt32Ty()}, false);
  function_ = llvm::Function::Create(type, llvm::GlobalValue::InternalLinkage, name, module_);
  function_->setDoesNotThrow();
  ir_.SetInsertPoint(llvm::BasicBlock::Create(ir_.getContext(), "entry", function_));
  frame_ = function_->getArg(0);
  begin_ = function_->getArg(2);
  end_ = function_->getArg(3);
  n_ = frame_field(offsetof(gradus_frame, rows), i64);
  make_bases(function_->getArg(1), function_->getArg(4));
  load_arguments(function_->getArg(1));
  entry_end_ = new_hoist_point();
}

Value* KernelEmitter::frame_field(size_t offset, llvm::Type* type) {
  return ir_.CreateLoad(type, gep(frame_, static_cast<int64_t>(offset)));
}

void KernelEmitter::make_bases(Value* arguments, Value* worker) {
  llvm::Type* i64 = ir_.getInt64Ty();
  Value* blocks = frame_field(offsetof(gradus_frame, blocks), ir_.getPtrTy());
  auto argument = [&](size_t index) {
    return ir_.CreateLoad(i64, gep(arguments, static_cast<int64_t>(index) * 8));
  };
  Value* scratch = nullptr;
  for (size_t s = 0; s < kernel_.slots.size(); ++s) {
    const kernel::Slot& slot = kernel_.slots[kernel::SlotId(s)];
    bool own = slot.space == kernel::SlotSpace::Worker;
    Value* base = own ? scratch : nullptr;
    if (!base) {
      Value* place = ir_.CreateInBoundsGEP(ir_.getPtrTy(), blocks, argument(2 * s));
      base = ir_.CreateInBoundsGEP(ir_.getInt8Ty(), ir_.CreateLoad(ir_.getPtrTy(), place),
                                   argument(2 * s + 1));
    }
    if (own && !scratch) {
      Value* bytes = argument(2 * kernel_.slots.size());
      Value* before = ir_.CreateMul(ir_.CreateSExt(worker, i64), bytes);
      scratch = base = ir_.CreateInBoundsGEP(ir_.getInt8Ty(), base, before);
    }
    int64_t bytes = own ? slot.offset * dtype_size(slot.dtype) + slot.worker_offset : 0;
    bases_.push_back(gep(base, bytes));
  }
}

void KernelEmitter::load_arguments(Value* arguments) {
  size_t index = 2 * kernel_.slots.size();
  for_arguments(kernel_, [&](const auto& place) {
    Value* from = gep(arguments, static_cast<int64_t>(++index) * 8);
    bool whole = std::is_same_v<decltype(place), const int64_t&>;
    arguments_[&place] = ir_.CreateLoad(whole ? ir_.getInt64Ty() : ir_.getFloatTy(), from);
  });
}

/// Null where the code has the number itself.
Value* KernelEmitter::argument_at(const void* place) const {
  auto found = arguments_.find(place);
  return found == arguments_.end() ? nullptr : found->second;
}

llvm::BasicBlock* KernelEmitter::new_block(const char* name) {
  return llvm::BasicBlock::Create(ir_.getContext(), name, function_);
}

llvm::Instruction* KernelEmitter::new_hoist_point() {
  llvm::BasicBlock* next = new_block("next");
  llvm::Instruction* jump = ir_.CreateBr(next);
  ir_.SetInsertPoint(next);
  return jump;
}

void KernelEmitter::emit_body(const std::vector<Stmt>& body) {
  for (const Stmt& stmt : body) {
    std::visit([&](const auto& statement) { emit(statement); }, stmt.body);
  }
}

void KernelEmitter::emit(const Loop& loop) {
  switch (loop.kind) {
    case LoopKind::Par:
      return emit_items(loop);
    case LoopKind::Seq:
      return emit_seq(loop);
    case LoopKind::Lanes:
      return emit_lanes(loop);
  }
}

/// The registers of slots that the body works on are carried from iteration to iteration.
void KernelEmitter::emit_seq(const Loop& loop) {
  std::vector<Value**> kept;
  for (size_t s = 0; s < registers_.size(); ++s) {
    if (!uses_registers(loop.body, s)) continue;
    for (Value*& vector : registers_[s]) {
      if (vector) kept.push_back(&vector);
    }
  }
  auto values = [&] {
    std::vector<Value*> now;
    for (Value** each : kept) now.push_back(*each);
    return now;
  };
  auto keep = [&](const std::vector<Value*>& now) {
    for (size_t i = 0; i < kept.size(); ++i) *kept[i] = now[i];
  };
  Value* from = affine(loop.from);
  keep(emit_loop(from, bound(loop.to), loop.step, values(), false,
                 [&](Value* at, llvm::Instruction* hoist, const std::vector<Value*>& carried) {
                   keep(carried);
                   set_axis(loop.axis, at, 0, hoist);
                   prefetch_next_item(loop, at, hoist);
                   emit_body(loop.body);
                   return values();
                 }));
}

/// Whether this slot is in registers and the body works on it.
bool KernelEmitter::uses_registers(const std::vector<Stmt>& body, size_t slot) const {
  if (registers_[slot].empty()) return false;
  bool found = false;
  kernel::walk(body, [&](const Stmt& stmt) {
    if (auto* load = std::get_if<kernel::Load>(&stmt.body)) found |= load->from.slot.index() == slot;
    if (auto* store = std::get_if<kernel::Store>(&stmt.body)) found |= store->to.slot.index() == slot;
  });
  return found;
}

void KernelEmitter::emit(const kernel::If& branch) {
  emit_if(current(branch.condition), [&] { emit_body(branch.body); });
}

namespace {

/// The loop that is all of the body; null where the body is anything else.
const Loop* only_par(const std::vector<Stmt>& body) {
  if (body.size() != 1) return nullptr;
  const Loop* loop = std::get_if<Loop>(&body.front().body);
  return loop && loop->kind == LoopKind::Par ? loop : nullptr;
}

std::vector<const Loop*> nest_from(const Loop& outer) {
  std::vector<const Loop*> nest = {&outer};
  while (const Loop* inner = only_par(nest.back()->body)) nest.push_back(inner);
  return nest;
}

/// How often a loop of constant or n-dependent range runs.
Value* trip_count(llvm::IRBuilder<>& ir, const Loop& loop, Value* n) {
  Value* from = emit_fixed_affine(ir, loop.from, n);
  Value* length = ir.CreateSub(emit_fixed_bound(ir, loop.to, n), from);
  Value* rounded = ir.CreateAdd(length, ir.getInt64(static_cast<uint64_t>(loop.step - 1)));
  Value* count = ir.CreateSDiv(rounded, ir.getInt64(static_cast<uint64_t>(loop.step)));
  return ir.CreateBinaryIntrinsic(llvm::Intrinsic::smax, count, ir.getInt64(0));
}

}  // namespace

std::vector<const Loop*> par_nest(const kernel::Kernel& kernel) {
  for (const Stmt& stmt : kernel.body) {
    const Loop* loop = std::get_if<Loop>(&stmt.body);
    if (loop && loop->kind == LoopKind::Par) return nest_from(*loop);
  }
  return {};
}

Value* emit_fixed_affine(llvm::IRBuilder<>& ir, const kernel::Affine& affine, Value* n) {
  GRADUS_CHECK(affine.terms.empty(), "the range of an item depends on another item");
  Value* sum = ir.getInt64(static_cast<uint64_t>(affine.constant));
  if (affine.per_n == 0) return sum;
  return ir.CreateAdd(ir.CreateMul(n, ir.getInt64(static_cast<uint64_t>(affine.per_n))), sum);
}

Value* emit_fixed_bound(llvm::IRBuilder<>& ir, const kernel::Bound& bound, Value* n) {
  Value* value = emit_fixed_affine(ir, bound.value, n);
  if (bound.divisor != 1) {
    auto divisor = static_cast<uint64_t>(bound.divisor);
    value = ir.CreateSDiv(ir.CreateAdd(value, ir.getInt64(divisor - 1)), ir.getInt64(divisor));
  }
  if (!bound.cap) return value;
  return ir.CreateBinaryIntrinsic(llvm::Intrinsic::smin, value,
                                  emit_fixed_affine(ir, *bound.cap, n));
}

Value* emit_item_count(llvm::IRBuilder<>& ir, const kernel::Kernel& kernel, Value* n) {
  Value* count = ir.getInt64(1);
  for (const Loop* loop : par_nest(kernel)) count = ir.CreateMul(count, trip_count(ir, *loop, n));
  return count;
}

void KernelEmitter::emit_items(const Loop& loop) {
  std::vector<const Loop*> nest = nest_from(loop);
  if (nest.size() > 1) return emit_item_loop(nest);
  Value* start = emit_fixed_affine(ir_, loop.from, n_);
  Value* step = ir_.getInt64(static_cast<uint64_t>(loop.step));
  Value* from = ir_.CreateAdd(start, ir_.CreateMul(begin_, step));
  Value* to = ir_.CreateAdd(start, ir_.CreateMul(end_, step));
  emit_loop(from, to, loop.step, [&](Value* at, llvm::Instruction* hoist) {
    set_axis(loop.axis, at, 0, hoist);
    emit_body(loop.body);
  });
}

/// Items are row-major: the axes of the first are found by division, the next by counting on.
void KernelEmitter::emit_item_loop(const std::vector<const Loop*>& nest) {
  std::vector<Value*> from, to, start;
  Value* rest = begin_;
  for (const Loop* loop : nest) {
    from.push_back(emit_fixed_affine(ir_, loop->from, n_));
    to.push_back(emit_fixed_bound(ir_, loop->to, n_));
  }
  start.resize(nest.size());
  for (size_t i = nest.size(); i-- > 0;) {
    Value* count = trip_count(ir_, *nest[i], n_);
    Value* number = i > 0 ? ir_.CreateURem(rest, count) : rest;
    rest = i > 0 ? ir_.CreateUDiv(rest, count) : rest;
    Value* step = ir_.getInt64(static_cast<uint64_t>(nest[i]->step));
    start[i] = ir_.CreateAdd(from[i], ir_.CreateMul(number, step));
  }
  emit_loop(begin_, end_, 1, start, false,
            [&](Value*, llvm::Instruction* hoist, const std::vector<Value*>& at) {
              for (size_t i = 0; i < nest.size(); ++i) set_axis(nest[i]->axis, at[i], 0, hoist);
              std::vector<Value*> next = item_after(nest, at, from, to);
              next_item_ = next;
              next_item_known_ = new_hoist_point();
              emit_body(nest.back()->body);
              next_item_.clear();
              return next;
            });
}

/// Counts on from the innermost axis; an axis that reaches its end starts again and carries. The
/// outermost never starts again: what lies after the last item is not run, only prefetched.
std::vector<Value*> KernelEmitter::item_after(const std::vector<const Loop*>& nest,
                                              const std::vector<Value*>& at,
                                              const std::vector<Value*>& from,
                                              const std::vector<Value*>& to) {
  std::vector<Value*> next = at;
  Value* carry = ir_.getTrue();
  for (size_t i = nest.size(); i-- > 0;) {
    Value* step = ir_.getInt64(static_cast<uint64_t>(nest[i]->step));
    Value* moved = ir_.CreateSelect(carry, ir_.CreateAdd(at[i], step), at[i]);
    carry = i > 0 ? ir_.CreateICmpSGE(moved, to[i]) : ir_.getFalse();
    next[i] = ir_.CreateSelect(carry, from[i], moved);
  }
  return next;
}

Value* KernelEmitter::current(kernel::ValueId id) const {
  Value* value = values_[id];
  GRADUS_CHECK(value, fmt::format("kernel @{}: value %{} is read before it is made", kernel_.name,
                                  id.index()));
  return value;
}

Value* KernelEmitter::operand(const kernel::Operand& operand) {
  if (operand.value.valid()) return current(operand.value);
  if (Value* sent = argument_at(&operand.constant)) return scalars_.splat(sent, width());
  return scalars_.constant_value(operand.dtype, operand.constant);
}

Scalar KernelEmitter::wrap(const kernel::Operand& operand) {
  DType dtype = operand.value.valid() ? kernel_.values[operand.value] : operand.dtype;
  return scalars_.wrap(this->operand(operand), dtype);
}

void KernelEmitter::define(kernel::ValueId id, Value* value) { values_[id] = value; }

/// Threefry-2x32 with twenty rounds (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3",
/// SC 2011): the draw is a function of seed, stream, step and index alone, so no state passes
/// between elements, and any order and any thread gives the same bits. A call of one function per
/// width of the index: the rounds at each place would be most of the code of an initialiser.
Scalar KernelEmitter::random_bits(Scalar seed, Scalar stream, Scalar step, Scalar index) {
  llvm::Type* type = scalars_.value(index)->getType();
  llvm::Type* word = ir_.getInt32Ty();
  std::string name = fmt::format("gradus.random.{}", type->isVectorTy() ? width() : 1);
  llvm::Function* function = module_.getFunction(name);
  std::array<Value*, 4> arguments = {scalars_.value(seed), scalars_.value(stream),
                                     scalars_.value(step), scalars_.value(index)};
  if (!function) {
    auto* signature = llvm::FunctionType::get(type, {word, word, word, type}, false);
    function = llvm::Function::Create(signature, llvm::GlobalValue::InternalLinkage, name, module_);
    function->setDoesNotThrow();
    function->setDoesNotAccessMemory();
    function->addFnAttr(llvm::Attribute::NoInline);
    llvm::IRBuilder<> ir(llvm::BasicBlock::Create(module_.getContext(), "entry", function));
    LlvmScalars scalars(ir, target_);
    auto argument = [&](unsigned i) { return scalars.wrap(function->getArg(i), DType::I32); };
    Scalar bits = random_bits_scalar(scalars, argument(0), argument(1), argument(2), argument(3));
    ir.CreateRet(scalars.value(bits));
  }
  return scalars_.wrap(ir_.CreateCall(function, arguments), DType::I32);
}

/// Facts of the step come from the frame; they are read once, at entry.
Scalar KernelEmitter::leaf(const kernel::Let& let) {
  auto fact = [&](size_t offset) {
    llvm::IRBuilderBase::InsertPointGuard guard(ir_);
    ir_.SetInsertPoint(entry_end_);
    return scalars_.wrap(frame_field(offset, ir_.getInt64Ty()), DType::I64);
  };
  auto low = [&](size_t offset) { return scalars_.convert(fact(offset), DType::I32); };
  DType dtype = kernel_.values[let.result];
  switch (op_def(let.op).fact) {
    case StepFact::Rows:
      return scalars_.convert(scalars_.wrap(n_, DType::I64), dtype);
    case StepFact::Step:
      return scalars_.convert(fact(offsetof(gradus_frame, step)), dtype);
    case StepFact::Steps:
      return scalars_.convert(fact(offsetof(gradus_frame, steps)), dtype);
    case StepFact::Epoch:
      return scalars_.convert(fact(offsetof(gradus_frame, epoch)), dtype);
    case StepFact::None:
      break;
  }
  if (let.op == OpKind::RandomBits) {
    return random_bits(
        low(offsetof(gradus_frame, seed)),
        scalars_.wrap(ir_.CreateTrunc(argument_at(&let.stream), ir_.getInt32Ty()), DType::I32),
        low(offsetof(gradus_frame, step)), wrap(let.operands[0]));
  }
  check_failed(__FILE__, __LINE__, "leaf", std::string(op_def(let.op).name));
}

void KernelEmitter::emit(const kernel::Let& let) {
  scalars_.clear();
  const OpDef& def = op_def(let.op);
  if (def.cls == OpClass::Leaf) return define(let.result, scalars_.value(leaf(let)));
  std::vector<Scalar> operands;
  for (const kernel::Operand& each : let.operands) operands.push_back(wrap(each));
  Scalar result = def.scalar(scalars_, operands, kernel_.values[let.result]);
  define(let.result, scalars_.value(result));
}

void KernelEmitter::emit(const kernel::IndexOf& index) {
  Value* first = ir_.CreateTrunc(affine(index.affine), ir_.getInt32Ty());
  Linear terms;
  terms.add(index.affine, 1);
  int64_t stride = lanes_.axis.valid() ? terms.coefficient(lanes_.axis) : 0;
  if (stride == 0) return define(index.result, first);
  Value* numbers = lane_numbers(ir_.getInt32Ty(), stride);
  define(index.result, ir_.CreateAdd(scalars_.splat(first, width()), numbers));
}

}  // namespace gradus::codegen
