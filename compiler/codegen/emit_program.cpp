// The step function checks the number of rows and the indices among the inputs, goes through a table
// of launches in order, and looks at what they have found of computed indices. A launch goes through
// one small function, which tells the trace and decides whether the caller's threads take part.
//
//     step(frame)
//       rows in [1, capacity]?  indices in range?          else an error code, nothing computed
//       counts[..] = items of each kind of range, for n rows
//       for each entry of the table: launch(frame, arguments, kernel, items, number, parallel)
//         trace begin
//         parallel_for(pool, body, {frame, arguments, kernel}, items)    or kernel(.., 0, items, 0)
//         trace end
//
// Invariant: launches run one after the other, each seeing all that earlier ones wrote:
// parallel_for returns when all items are done. Within a launch items are independent. So the
// number of threads changes no bit.
//
// The code does not grow with the model: a launch is an entry of 32 bytes and its arguments.
#include "codegen/emit_program.h"

#include <fmt/format.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>

#include <cstddef>
#include <map>
#include <string>

#include "codegen/emit.h"
#include "codegen/launch_arguments.h"

namespace gradus::codegen {

namespace {

using llvm::Value;

class ProgramEmitter {
 public:
  ProgramEmitter(llvm::Module& module, const KernelFunctions& functions, const Target& target)
      : module_(module), functions_(functions), target_(target), ir_(module.getContext()) {}
  void emit(const Unit& unit);

 private:
  llvm::Module& module_;
  const KernelFunctions& functions_;
  const Target& target_;
  llvm::IRBuilder<> ir_;
  llvm::Function* launch_ = nullptr;
  llvm::Function* body_ = nullptr;
  llvm::Function* step_ = nullptr;
  Value* frame_ = nullptr;
  Value* n_ = nullptr;

  llvm::Function* kernel(const kernel::Kernel& kernel);
  void emit_body_function();
  void emit_launch_function();
  void emit_workers_branch(llvm::Function* function, llvm::BasicBlock* serial,
                           llvm::BasicBlock* end);
  void emit_trace(llvm::Function* function, int32_t end);
  void emit_row_check(int64_t capacity);
  void emit_index_check(const plan::Program& program, const plan::IndexCheck& check);
  void emit_computed_check(const Unit& unit, const plan::ComputedCheck& check);
  void add_arguments(const Unit& unit, const plan::Launch& launch,
                     std::vector<uint64_t>& arguments);
  llvm::GlobalVariable* emit_constant(const std::string& name, llvm::Constant* data);
  struct LaunchTable {
    llvm::StructType* entry = nullptr;
    llvm::GlobalVariable* entries = nullptr;
    llvm::GlobalVariable* arguments = nullptr;   // of all launches, one after the other
    std::vector<const kernel::Kernel*> counted;  // for each count of items, a kernel that has it
  };
  LaunchTable make_table(const Unit& unit);
  void emit_launches(const Unit& unit);
  void return_if(Value* condition, int32_t code);
  Value* field(Value* base, size_t offset, llvm::Type* type) {
    return ir_.CreateLoad(type, at(base, offset));
  }
  Value* at(Value* base, size_t offset) {
    return ir_.CreateConstInBoundsGEP1_64(ir_.getInt8Ty(), base, offset);
  }
  llvm::BasicBlock* block(const char* name, llvm::Function* function) {
    return llvm::BasicBlock::Create(module_.getContext(), name, function);
  }
  llvm::Function* make(const std::string& name, llvm::Type* result,
                       const std::vector<llvm::Type*>& arguments, bool external);
  llvm::FunctionType* kernel_type();
};

// What parallel_for hands to the body: the frame, the launch's arguments, the kernel.
constexpr size_t kArgsFrame = 0, kArgsLaunch = 8, kArgsKernel = 16, kArgsBytes = 24;

// A launch goes to the threads if it is likely to take longer than this alone. Waking a thread and
// waiting for it takes about 2 us. Copies of medium size gain too, as each core has caches of its
// own; very large ones wait for the one memory.
constexpr double kParallelSeconds = 2e-6;
constexpr double kParallelBytesLow = 64 << 10, kParallelBytesHigh = 32 << 20;

/// Vector arithmetic alone, by throughput: a division takes about 4 multiply-adds' time, a math
/// function some 8. Memory is left to the bounds on bytes.
double serial_seconds(const kernel::Kernel& kernel, const Target& target) {
  const kernel::Cost& cost = kernel.cost;
  double a_second = target.gigahertz * 1e9 * target.lanes;
  double work = cost.fma / target.fma_per_cycle + cost.simple / target.fma_per_cycle +
                cost.divide * 4 + cost.transcendental * 8;
  return work / a_second;
}

bool worth_threads(const kernel::Kernel& kernel, const Target& target) {
  double bytes = kernel.cost.bytes;
  return serial_seconds(kernel, target) > kParallelSeconds ||
         (bytes > kParallelBytesLow && bytes < kParallelBytesHigh);
}

llvm::FunctionType* ProgramEmitter::kernel_type() {
  llvm::Type* pointer = ir_.getPtrTy();
  llvm::Type* i64 = ir_.getInt64Ty();
  return llvm::FunctionType::get(ir_.getVoidTy(), {pointer, pointer, i64, i64, ir_.getInt32Ty()},
                                 false);
}

llvm::Function* ProgramEmitter::make(const std::string& name, llvm::Type* result,
                                     const std::vector<llvm::Type*>& arguments, bool external) {
  auto linkage = external ? llvm::GlobalValue::ExternalLinkage : llvm::GlobalValue::InternalLinkage;
  auto* type = llvm::FunctionType::get(result, arguments, false);
  llvm::Function* function = llvm::Function::Create(type, linkage, name, module_);
  function->setDoesNotThrow();
  ir_.SetInsertPoint(block("entry", function));
  return function;
}

/// In this module or another, which is linked with it.
llvm::Function* ProgramEmitter::kernel(const kernel::Kernel& kernel) {
  const std::string& symbol = functions_.of(kernel).symbol;
  if (llvm::Function* function = module_.getFunction(symbol)) return function;
  auto* function =
      llvm::Function::Create(kernel_type(), llvm::GlobalValue::ExternalLinkage, symbol, module_);
  function->setVisibility(llvm::GlobalValue::HiddenVisibility);
  return function;
}

/// body(args, begin, end, worker): what the threads call.
void ProgramEmitter::emit_body_function() {
  llvm::Type* pointer = ir_.getPtrTy();
  llvm::Type* i64 = ir_.getInt64Ty();
  body_ = make("gradus.body", ir_.getVoidTy(), {pointer, i64, i64, ir_.getInt32Ty()}, false);
  Value* args = body_->getArg(0);
  ir_.CreateCall(kernel_type(), field(args, kArgsKernel, pointer),
                 {field(args, kArgsFrame, pointer), field(args, kArgsLaunch, pointer),
                  body_->getArg(1), body_->getArg(2), body_->getArg(3)});
  ir_.CreateRetVoid();
}

void ProgramEmitter::emit_trace(llvm::Function* function, int32_t end) {
  Value* frame = function->getArg(0);
  Value* trace = field(frame, offsetof(gradus_frame, trace), ir_.getPtrTy());
  llvm::BasicBlock* tell = block("tell", function);
  llvm::BasicBlock* next = block("told", function);
  ir_.CreateCondBr(ir_.CreateIsNull(trace), next, tell);
  ir_.SetInsertPoint(tell);
  auto* type = llvm::FunctionType::get(ir_.getVoidTy(),
                                       {ir_.getPtrTy(), ir_.getInt32Ty(), ir_.getInt32Ty()}, false);
  Value* context = field(frame, offsetof(gradus_frame, trace_context), ir_.getPtrTy());
  ir_.CreateCall(type, trace,
                 {context, function->getArg(4), ir_.getInt32(static_cast<uint32_t>(end))});
  ir_.CreateBr(next);
  ir_.SetInsertPoint(next);
}

/// launch(frame, arguments, kernel, items, launch, parallel): `parallel` where threads may pay.
void ProgramEmitter::emit_launch_function() {
  emit_body_function();
  llvm::Type* pointer = ir_.getPtrTy();
  llvm::Type* i32 = ir_.getInt32Ty();
  launch_ = make("gradus.launch", ir_.getVoidTy(),
                 {pointer, pointer, pointer, ir_.getInt64Ty(), i32, ir_.getInt1Ty()}, false);
  launch_->addFnAttr(llvm::Attribute::NoInline);
  emit_trace(launch_, 0);
  llvm::BasicBlock* serial = block("serial", launch_);
  llvm::BasicBlock* end = block("end", launch_);
  emit_workers_branch(launch_, serial, end);
  ir_.SetInsertPoint(serial);
  ir_.CreateCall(kernel_type(), launch_->getArg(2),
                 {launch_->getArg(0), launch_->getArg(1), ir_.getInt64(0), launch_->getArg(3),
                  ir_.getInt32(0)});
  ir_.CreateBr(end);
  ir_.SetInsertPoint(end);
  emit_trace(launch_, 1);
  ir_.CreateRetVoid();
}

void ProgramEmitter::emit_workers_branch(llvm::Function* function, llvm::BasicBlock* serial,
                                         llvm::BasicBlock* end) {
  llvm::Type* pointer = ir_.getPtrTy();
  Value* frame = function->getArg(0);
  Value* items = function->getArg(3);
  Value* parallel_for = field(frame, offsetof(gradus_frame, parallel_for), pointer);
  Value* workers = field(frame, offsetof(gradus_frame, workers), ir_.getInt32Ty());
  Value* several = ir_.CreateAnd(ir_.CreateICmpSGT(items, ir_.getInt64(1)),
                                 ir_.CreateICmpSGT(workers, ir_.getInt32(1)));
  several = ir_.CreateAnd(several, ir_.CreateIsNotNull(parallel_for));
  llvm::BasicBlock* threads = block("threads", function);
  ir_.CreateCondBr(ir_.CreateAnd(several, function->getArg(5)), threads, serial);
  ir_.SetInsertPoint(threads);
  Value* args = ir_.CreateAlloca(llvm::ArrayType::get(ir_.getInt8Ty(), kArgsBytes));
  llvm::cast<llvm::AllocaInst>(args)->setAlignment(llvm::Align(8));
  ir_.CreateStore(frame, at(args, kArgsFrame));
  ir_.CreateStore(function->getArg(1), at(args, kArgsLaunch));
  ir_.CreateStore(function->getArg(2), at(args, kArgsKernel));
  auto* type = llvm::FunctionType::get(ir_.getVoidTy(),
                                       {pointer, pointer, pointer, ir_.getInt64Ty()}, false);
  Value* pool = field(frame, offsetof(gradus_frame, pool), pointer);
  ir_.CreateCall(type, parallel_for, {pool, body_, args, items});
  ir_.CreateBr(end);
}

/// Returns `code` where the condition holds.
void ProgramEmitter::return_if(Value* condition, int32_t code) {
  llvm::BasicBlock* bad = block("bad", step_);
  llvm::BasicBlock* good = block("good", step_);
  ir_.CreateCondBr(condition, bad, good);
  ir_.SetInsertPoint(bad);
  ir_.CreateRet(ir_.getInt32(static_cast<uint32_t>(code)));
  ir_.SetInsertPoint(good);
}

void ProgramEmitter::emit_row_check(int64_t capacity) {
  // n - 1 is below the capacity as an unsigned number: one test for both ends.
  Value* before = ir_.CreateSub(n_, ir_.getInt64(1));
  return_if(ir_.CreateICmpUGE(before, ir_.getInt64(static_cast<uint64_t>(capacity))),
            GRADUS_BAD_ROWS);
}

/// One pass over the input before anything runs: kernels then gather without tests. A negative
/// index is large as an unsigned number, so one compare does for both ends. The loop has no early
/// exit.
void ProgramEmitter::emit_index_check(const plan::Program& program, const plan::IndexCheck& check) {
  const plan::Buffer& buffer = program.buffers[check.input];
  llvm::Type* i64 = ir_.getInt64Ty();
  int64_t fixed = 1;
  Value* count = ir_.getInt64(1);
  for (const Dim& dim : buffer.type.shape) {
    fixed *= dim.value;
    if (dim.batch) count = n_;
  }
  count = ir_.CreateMul(count, ir_.getInt64(static_cast<uint64_t>(fixed)));
  bool wide = buffer.type.dtype == DType::I64;
  llvm::Type* type = wide ? i64 : ir_.getInt32Ty();
  Value* blocks = field(frame_, offsetof(gradus_frame, blocks), ir_.getPtrTy());
  Value* data = field(blocks, static_cast<size_t>(buffer.block) * 8, ir_.getPtrTy());
  llvm::BasicBlock* before = ir_.GetInsertBlock();
  llvm::BasicBlock* loop = block("check", step_);
  llvm::BasicBlock* done = block("checked", step_);
  ir_.CreateBr(loop);
  ir_.SetInsertPoint(loop);
  llvm::PHINode* i = ir_.CreatePHI(i64, 2);
  llvm::PHINode* bad = ir_.CreatePHI(ir_.getInt1Ty(), 2);
  Value* index = ir_.CreateLoad(type, ir_.CreateInBoundsGEP(type, data, i));
  auto* limit = llvm::ConstantInt::get(type, static_cast<uint64_t>(check.limit));
  Value* found = ir_.CreateOr(bad, ir_.CreateICmpUGE(index, limit));
  Value* next = ir_.CreateAdd(i, ir_.getInt64(1));
  i->addIncoming(ir_.getInt64(0), before);
  i->addIncoming(next, loop);
  bad->addIncoming(ir_.getFalse(), before);
  bad->addIncoming(found, loop);
  ir_.CreateCondBr(ir_.CreateICmpSLT(next, count), loop, done);
  ir_.SetInsertPoint(done);
  return_if(found, GRADUS_BAD_INDEX);
}

void ProgramEmitter::emit_computed_check(const Unit& unit, const plan::ComputedCheck& check) {
  const auto arena = static_cast<size_t>(unit.program->arena_block);
  Value* blocks = field(frame_, offsetof(gradus_frame, blocks), ir_.getPtrTy());
  Value* base = field(blocks, arena * 8, ir_.getPtrTy());
  const auto offset = static_cast<size_t>(unit.plan->offset_of(check.first));
  Value* row = field(base, offset, ir_.getInt32Ty());
  return_if(ir_.CreateICmpNE(row, ir_.getInt32(static_cast<uint32_t>(kNoRow))),
            GRADUS_BAD_COMPUTED_INDEX + static_cast<int32_t>(check.number));
}

/// Block and first byte per slot, then the bytes of one worker's scratch, then the kernel's own.
void ProgramEmitter::add_arguments(const Unit& unit, const plan::Launch& launch,
                                   std::vector<uint64_t>& arguments) {
  const plan::Program& program = *unit.program;
  const kernel::Kernel& kernel = program.kernels[launch.kernel];
  for (size_t s = 0; s < kernel.slots.size(); ++s) {
    const kernel::Slot& slot = kernel.slots[kernel::SlotId(s)];
    bool scratch = slot.space == kernel::SlotSpace::Worker;
    int64_t block = program.worker_block;
    int64_t offset = 0;
    if (!scratch) {
      const plan::Buffer& buffer = program.buffers[launch.buffers[s]];
      bool arena = buffer.kind == plan::BufferKind::Arena;
      block = arena ? program.arena_block : buffer.block;
      offset = arena ? unit.plan->offset_of(launch.buffers[s]) : 0;
      offset += slot.offset * dtype_size(slot.dtype);
    }
    arguments.push_back(static_cast<uint64_t>(block));
    arguments.push_back(static_cast<uint64_t>(offset));
  }
  arguments.push_back(static_cast<uint64_t>(program.worker_bytes));
  for (int64_t own : launch_arguments(kernel)) arguments.push_back(static_cast<uint64_t>(own));
}

llvm::GlobalVariable* ProgramEmitter::emit_constant(const std::string& name, llvm::Constant* data) {
  return new llvm::GlobalVariable(module_, data->getType(), true,
                                  llvm::GlobalValue::InternalLinkage, data, name);
}

/// The loops over items, in arguments: kernels whose are equal have equally many items.
std::vector<int64_t> item_range(const kernel::Kernel& kernel) {
  std::vector<int64_t> range;
  auto add = [&](const kernel::Affine& affine) {
    range.insert(range.end(), {affine.constant, affine.per_n});
  };
  for (const kernel::Loop* loop : par_nest(kernel)) {
    add(loop->from);
    add(loop->to.value);
    range.insert(range.end(), {loop->to.divisor, loop->step, loop->to.cap ? 1 : 0});
    if (loop->to.cap) add(*loop->to.cap);
  }
  return range;
}

/// What the loop over launches reads of each: its function, where its arguments begin, which of the
/// counts of items is its, and whether threads may pay.
ProgramEmitter::LaunchTable ProgramEmitter::make_table(const Unit& unit) {
  LaunchTable out;
  llvm::Type* i64 = ir_.getInt64Ty();
  out.entry = llvm::StructType::get(ir_.getPtrTy(), i64, i64, i64);
  std::vector<uint64_t> arguments;
  std::vector<llvm::Constant*> entries;
  std::map<std::vector<int64_t>, size_t> counts;
  for (const plan::Launch& launch : unit.program->launches) {
    const kernel::Kernel& kernel = unit.program->kernels[launch.kernel];
    auto [count, fresh] = counts.emplace(item_range(kernel), counts.size());
    if (fresh) out.counted.push_back(&kernel);
    entries.push_back(llvm::ConstantStruct::get(
        out.entry,
        {this->kernel(kernel), ir_.getInt64(arguments.size()), ir_.getInt64(count->second),
         ir_.getInt64(worth_threads(kernel, target_) ? 1 : 0)}));
    add_arguments(unit, launch, arguments);
  }
  auto* type = llvm::ArrayType::get(out.entry, entries.size());
  out.entries = emit_constant(unit.symbol + ".launches", llvm::ConstantArray::get(type, entries));
  out.arguments = emit_constant(unit.symbol + ".arguments",
                                llvm::ConstantDataArray::get(module_.getContext(), arguments));
  return out;
}

/// A loop over the table, so that the code does not grow with the number of launches.
void ProgramEmitter::emit_launches(const Unit& unit) {
  if (unit.program->launches.empty()) return;
  LaunchTable table = make_table(unit);
  llvm::Type* i64 = ir_.getInt64Ty();
  Value* counts = ir_.CreateAlloca(llvm::ArrayType::get(i64, table.counted.size()));
  for (size_t i = 0; i < table.counted.size(); ++i) {
    ir_.CreateStore(emit_item_count(ir_, *table.counted[i], n_), at(counts, 8 * i));
  }
  llvm::BasicBlock* before = ir_.GetInsertBlock();
  llvm::BasicBlock* loop = block("launch", step_);
  llvm::BasicBlock* done = block("launched", step_);
  ir_.CreateBr(loop);
  ir_.SetInsertPoint(loop);
  llvm::PHINode* number = ir_.CreatePHI(i64, 2);
  Value* entry = ir_.CreateInBoundsGEP(table.entry, table.entries, number);
  Value* count = ir_.CreateInBoundsGEP(i64, counts, field(entry, 16, i64));
  ir_.CreateCall(launch_,
                 {frame_, ir_.CreateInBoundsGEP(i64, table.arguments, field(entry, 8, i64)),
                  field(entry, 0, ir_.getPtrTy()), ir_.CreateLoad(i64, count),
                  ir_.CreateTrunc(number, ir_.getInt32Ty()),
                  ir_.CreateTrunc(field(entry, 24, i64), ir_.getInt1Ty())});
  Value* next = ir_.CreateAdd(number, ir_.getInt64(1));
  number->addIncoming(ir_.getInt64(0), before);
  number->addIncoming(next, loop);
  Value* more = ir_.CreateICmpULT(next, ir_.getInt64(unit.program->launches.size()));
  ir_.CreateCondBr(more, loop, done);
  ir_.SetInsertPoint(done);
}

void ProgramEmitter::emit(const Unit& unit) {
  if (!launch_) emit_launch_function();
  const plan::Program& program = *unit.program;
  step_ = make(unit.symbol, ir_.getInt32Ty(), {ir_.getPtrTy()}, true);
  frame_ = step_->getArg(0);
  n_ = field(frame_, offsetof(gradus_frame, rows), ir_.getInt64Ty());
  emit_row_check(program.capacity);
  for (const plan::IndexCheck& check : program.checks) emit_index_check(program, check);
  emit_launches(unit);
  for (const plan::ComputedCheck& check : program.computed_checks) emit_computed_check(unit, check);
  ir_.CreateRet(ir_.getInt32(GRADUS_OK));
}

}  // namespace

void emit_steps(llvm::Module& module, const std::vector<Unit>& units,
                const KernelFunctions& functions, const Target& target) {
  ProgramEmitter emitter(module, functions, target);
  for (const Unit& unit : units) emitter.emit(unit);
}

void emit_kernels(llvm::Module& module,
                  const std::vector<const KernelFunctions::Function*>& kernels,
                  const Target& target) {
  for (const KernelFunctions::Function* function : kernels) {
    llvm::Function* made = KernelEmitter(module, target, *function->kernel).emit(function->symbol);
    made->setLinkage(llvm::GlobalValue::ExternalLinkage);
    made->setVisibility(llvm::GlobalValue::HiddenVisibility);
  }
}

void emit_units(llvm::Module& module, const std::vector<Unit>& units, const Target& target) {
  KernelFunctions functions(units);
  for (const auto& [kernel, symbol, weight] : functions.all()) {
    KernelEmitter(module, target, *kernel).emit(symbol);
  }
  emit_steps(module, units, functions, target);
}

}  // namespace gradus::codegen
