// Where elements lie, and how vectors of them are read and written. Nothing outside a slot is
// touched: what a vector has too many is masked, or done in smaller pieces where masked stores are
// slow.
//
//     stride along the lanes    load                      store
//     0                         one element, repeated     refused: lanes would race
//     1                         vector                    vector
//     other, or loaded index    gather                    scatter
//
//     vector of 5 live lanes of 8:   masked load, or pieces   [x x x x] [x]   of 4 and 1
//
// Dead lanes are not read even where the memory behind them exists: it may be another thread's, or
// beyond the end of a page. Bools are one byte in memory and one bit as values.
#include <fmt/format.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "codegen/emit.h"
#include "support/check.h"

namespace gradus::codegen {

using llvm::Value;

void Linear::add(const kernel::Affine& affine, int64_t times) {
  constant += affine.constant * times;
  per_n += affine.per_n * times;
  for (const kernel::Affine::Term& term : affine.terms) {
    auto same = std::find_if(terms.begin(), terms.end(),
                             [&](const auto& other) { return other.axis == term.axis; });
    if (same == terms.end()) {
      terms.push_back({term.axis, term.coefficient * times});
    } else {
      same->coefficient += term.coefficient * times;
    }
  }
}

int64_t Linear::coefficient(kernel::AxisId axis) const {
  for (const kernel::Affine::Term& term : terms) {
    if (term.axis == axis) return term.coefficient;
  }
  return 0;
}

Value* KernelEmitter::affine(const kernel::Affine& affine) {
  auto number = [&](int64_t value) { return ir_.getInt64(static_cast<uint64_t>(value)); };
  if (Value* sent = argument_at(&affine.constant)) return sent;
  int64_t constant = affine.constant;
  Value* sum = nullptr;
  auto plus = [&](Value* value, int64_t times) {
    Value* product = times == 1 ? value : ir_.CreateMul(value, number(times));
    sum = sum ? ir_.CreateAdd(sum, product) : product;
  };
  if (affine.per_n != 0) plus(n_, affine.per_n);
  for (const kernel::Affine::Term& term : affine.terms) {
    const AxisValue& axis = axes_[term.axis];
    constant += axis.delta * term.coefficient;
    if (axis.base) plus(axis.base, term.coefficient);
  }
  if (!sum) return number(constant);
  return constant == 0 ? sum : ir_.CreateAdd(sum, number(constant));
}

Value* KernelEmitter::bound(const kernel::Bound& bound) {
  Value* value = affine(bound.value);
  if (bound.divisor != 1) {
    auto divisor = static_cast<uint64_t>(bound.divisor);
    value = ir_.CreateSDiv(ir_.CreateAdd(value, ir_.getInt64(divisor - 1)), ir_.getInt64(divisor));
  }
  if (!caps(bound)) return value;
  Value* cap = affine(*bound.cap);
  return ir_.CreateSelect(ir_.CreateICmpSLT(value, cap), value, cap);
}

/// Elements from the base of the slot, without what was loaded.
Linear KernelEmitter::linear(const kernel::Access& access) const {
  const kernel::Slot& slot = kernel_.slots[access.slot];
  GRADUS_CHECK(access.indices.size() == slot.strides.size(),
               fmt::format("kernel @{}: `{}` has {} indices", kernel_.name, slot.name,
                           access.indices.size()));
  Linear sum;
  for (size_t d = 0; d < access.indices.size(); ++d) {
    sum.add(access.indices[d].affine, slot.strides[d]);
  }
  return sum;
}

/// One product for each (base, factor), made at the hoist point of the base's axis; `gep` below
/// does the same for the sum with a pointer. Both tables stand for common subexpression
/// elimination: what is found in them was emitted at a point that dominates every use.
Value* KernelEmitter::scaled(Value* base, int64_t bytes, llvm::Instruction* hoist) {
  if (bytes == 1) return base;
  Value*& product = products_[{base, bytes, hoist}];
  if (!product) {
    llvm::IRBuilderBase::InsertPointGuard guard(ir_);
    ir_.SetInsertPoint(hoist);
    product = ir_.CreateNSWMul(base, ir_.getInt64(static_cast<uint64_t>(bytes)));
  }
  return product;
}

Value* KernelEmitter::gep(Value* pointer, Value* base, int64_t bytes, llvm::Instruction* hoist) {
  Value*& step = steps_[{pointer, base, bytes, hoist}];
  if (!step) {
    Value* offset = scaled(base, bytes, hoist);
    llvm::IRBuilderBase::InsertPointGuard guard(ir_);
    ir_.SetInsertPoint(hoist);
    step = ir_.CreateInBoundsGEP(ir_.getInt8Ty(), pointer, offset);
  }
  return step;
}

Value* KernelEmitter::gep(Value* pointer, int64_t bytes) {
  if (bytes == 0) return pointer;
  return ir_.CreateInBoundsGEP(ir_.getInt8Ty(), pointer,
                               ir_.getInt64(static_cast<uint64_t>(bytes)));
}

/// Terms are added from the outermost axis inwards, so that accesses of one row share all but the
/// innermost sum; constants come last, as a displacement of the load.
Value* KernelEmitter::address(kernel::SlotId slot, Linear linear) {
  int64_t size = dtype_size(kernel_.slots[slot].dtype);
  Value* pointer = bases_[slot.index()];
  if (linear.per_n != 0) pointer = gep(pointer, n_, linear.per_n * size, entry_end_);
  std::sort(linear.terms.begin(), linear.terms.end(), [&](const auto& a, const auto& b) {
    return std::pair(axes_[a.axis].depth, a.axis) < std::pair(axes_[b.axis].depth, b.axis);
  });
  for (const kernel::Affine::Term& term : linear.terms) {
    const AxisValue& axis = axes_[term.axis];
    linear.constant += axis.delta * term.coefficient;
    if (axis.base && term.coefficient != 0) {
      pointer = gep(pointer, axis.base, term.coefficient * size, axis.hoist);
    }
  }
  return gep(pointer, linear.constant * size);
}

/// A packed slot is [panel][row][column in panel], read by row and column.
Value* KernelEmitter::packed_address(const kernel::Access& access) {
  const kernel::Slot& slot = kernel_.slots[access.slot];
  GRADUS_CHECK(access.indices.size() == 2, "a packed slot is read by row and column");
  Linear row;
  row.add(access.indices[0].affine, slot.strides[1]);
  auto width = static_cast<uint64_t>(slot.extents[2].value);
  int64_t size = dtype_size(slot.dtype);
  Value* column = affine(access.indices[1].affine);
  Value* panel = ir_.CreateUDiv(column, ir_.getInt64(width));
  Value* within = ir_.CreateURem(column, ir_.getInt64(width));
  Value* offset = ir_.CreateAdd(
      ir_.CreateMul(panel, ir_.getInt64(static_cast<uint64_t>(slot.strides[0] * size))),
      ir_.CreateMul(within, ir_.getInt64(static_cast<uint64_t>(slot.strides[2] * size))));
  return ir_.CreateInBoundsGEP(ir_.getInt8Ty(), address(access.slot, row), offset);
}

Value* KernelEmitter::loaded_offset(const kernel::Access& access) {
  const kernel::Slot& slot = kernel_.slots[access.slot];
  Value* sum = nullptr;
  for (size_t d = 0; d < access.indices.size(); ++d) {
    if (!access.indices[d].loaded.valid()) continue;
    scalars_.clear();
    DType dtype = kernel_.values[access.indices[d].loaded];
    Scalar index =
        scalars_.convert(scalars_.wrap(current(access.indices[d].loaded), dtype), DType::I64);
    Scalar stride = scalars_.wrap(ir_.getInt64(static_cast<uint64_t>(slot.strides[d])), DType::I64);
    Scalar offset = scalars_.mul(index, stride);
    if (sum) offset = scalars_.add(scalars_.wrap(sum, DType::I64), offset);
    sum = scalars_.value(offset);
  }
  return sum;
}

/// The address of the element, or of the first lane's. Loaded indices are scalars.
Value* KernelEmitter::address(const kernel::Access& access) {
  if (packed_[access.slot.index()] && access.indices.size() == 2) return packed_address(access);
  Value* pointer = address(access.slot, linear(access));
  Value* loaded = loaded_offset(access);
  if (!loaded) return pointer;
  int64_t size = dtype_size(kernel_.slots[access.slot].dtype);
  Value* bytes = ir_.CreateMul(loaded, ir_.getInt64(static_cast<uint64_t>(size)));
  return ir_.CreateInBoundsGEP(ir_.getInt8Ty(), pointer, bytes);
}

/// Elements from one lane to the next, by the affine part of the indices.
int64_t KernelEmitter::lane_stride(const kernel::Access& access) const {
  return lanes_.axis.valid() ? linear(access).coefficient(lanes_.axis) : 0;
}

Value* KernelEmitter::element_addresses(const kernel::Access& access) {
  int64_t size = dtype_size(kernel_.slots[access.slot].dtype);
  Value* pointer = address(access.slot, linear(access));
  Value* offsets = lane_numbers(ir_.getInt64Ty(), lane_stride(access) * size);
  if (Value* loaded = loaded_offset(access)) {
    Value* bytes = ir_.CreateMul(
        loaded, llvm::ConstantInt::get(loaded->getType(), static_cast<uint64_t>(size)));
    offsets = ir_.CreateAdd(offsets, scalars_.splat(bytes, width()));
  }
  return ir_.CreateGEP(ir_.getInt8Ty(), pointer, offsets);
}

/// lane * times, in every lane.
Value* KernelEmitter::lane_numbers(llvm::Type* element, int64_t times) {
  std::vector<llvm::Constant*> numbers;
  for (int64_t lane = 0; lane < target_.lanes; ++lane) {
    numbers.push_back(
        llvm::ConstantInt::getSigned(llvm::cast<llvm::IntegerType>(element), lane * times));
  }
  return llvm::ConstantVector::get(numbers);
}

Value* KernelEmitter::from_memory(Value* value, DType dtype) {
  if (dtype != DType::Bool) return value;
  return ir_.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
}

Value* KernelEmitter::to_memory(Value* value, DType dtype) {
  if (dtype != DType::Bool) return value;
  llvm::Type* byte = ir_.getInt8Ty();
  if (auto* vector = llvm::dyn_cast<llvm::VectorType>(value->getType())) {
    byte = llvm::VectorType::get(byte, vector->getElementCount());
  }
  return ir_.CreateZExt(value, byte);
}

/// The lanes that take part: live ones where `where` holds. Null: all.
Value* KernelEmitter::active_mask(Value* where) {
  if (!where) return lanes_.mask;
  Value* all = scalars_.splat(where, width());
  return lanes_.mask ? ir_.CreateAnd(lanes_.mask, all) : all;
}

void KernelEmitter::emit(const kernel::Load& load) {
  const std::vector<Value*>& registers = registers_[load.from.slot.index()];
  if (!registers.empty()) return define(load.result, registers[lanes_.vector_index]);
  DType dtype = kernel_.slots[load.from.slot].dtype;
  Value* where = load.where.valid() ? current(load.where) : nullptr;
  Value* loaded = loaded_offset(load.from);
  auto is_vector = [](Value* value) { return value && value->getType()->isVectorTy(); };
  int64_t stride = lane_stride(load.from);
  if (stride == 0 && !is_vector(loaded) && !is_vector(where)) {
    return define(load.result, load_scalar(load, dtype));
  }
  Value* default_value =
      scalars_.splat(to_memory(scalars_.constant_value(dtype, load.default_value), dtype), width());
  if (stride == 1 && !is_vector(loaded)) {
    return define(load.result, load_vector(address(load.from), dtype, where, default_value));
  }
  Value* mask = active_mask(where);
  if (!mask)
    mask = llvm::Constant::getAllOnesValue(scalars_.splat(ir_.getTrue(), width())->getType());
  Value* gathered = ir_.CreateMaskedGather(default_value->getType(), element_addresses(load.from),
                                           llvm::Align(static_cast<uint64_t>(dtype_size(dtype))),
                                           mask, default_value);
  define(load.result, from_memory(gathered, dtype));
}

Value* KernelEmitter::load_scalar(const kernel::Load& load, DType dtype) {
  llvm::Type* type = scalars_.memory_type(dtype);
  if (!load.where.valid()) return from_memory(ir_.CreateLoad(type, address(load.from)), dtype);
  Value* default_value = to_memory(scalars_.constant_value(dtype, load.default_value), dtype);
  Value* condition = current(load.where);
  Value* pointer = address(load.from);
  llvm::BasicBlock* origin = ir_.GetInsertBlock();
  llvm::BasicBlock* present = new_block("present");
  llvm::BasicBlock* join = new_block("join");
  ir_.CreateCondBr(condition, present, join);
  ir_.SetInsertPoint(present);
  Value* read = ir_.CreateLoad(type, pointer);
  ir_.CreateBr(join);
  ir_.SetInsertPoint(join);
  llvm::PHINode* merged = ir_.CreatePHI(type, 2);
  merged->addIncoming(default_value, origin);
  merged->addIncoming(read, present);
  return from_memory(merged, dtype);
}

Value* KernelEmitter::load_vector(Value* pointer, DType dtype, Value* where, Value* default_value) {
  auto* type =
      llvm::FixedVectorType::get(scalars_.memory_type(dtype), static_cast<unsigned>(width()));
  llvm::Align align(static_cast<uint64_t>(dtype_size(dtype)));
  Value* mask = active_mask(where);
  if (!mask) return from_memory(ir_.CreateAlignedLoad(type, pointer, align), dtype);
  if (!where && lanes_.live > 0 && !target_.cheap_masks) {
    return from_memory(load_pieces(pointer, dtype, lanes_.live), dtype);
  }
  return from_memory(ir_.CreateMaskedLoad(type, pointer, align, mask, default_value), dtype);
}

/// Pieces of powers of two, joined to one vector; the other lanes are zero.
Value* KernelEmitter::load_pieces(Value* pointer, DType dtype, int live) {
  llvm::Type* element = scalars_.memory_type(dtype);
  int64_t size = dtype_size(dtype);
  Value* whole = llvm::Constant::getNullValue(
      llvm::FixedVectorType::get(element, static_cast<unsigned>(width())));
  int done = 0;
  for (int piece = width(); piece >= 1; piece /= 2) {
    if (done + piece > live) continue;
    Value* place = gep(pointer, done * size);
    llvm::Align align(static_cast<uint64_t>(size));
    if (piece == 1) {
      Value* read = ir_.CreateAlignedLoad(element, place, align);
      whole = ir_.CreateInsertElement(whole, read, static_cast<uint64_t>(done));
    } else {
      auto* type = llvm::FixedVectorType::get(element, static_cast<unsigned>(piece));
      Value* read = ir_.CreateAlignedLoad(type, place, align);
      std::vector<int> widen, merge;
      for (int lane = 0; lane < width(); ++lane) {
        widen.push_back(lane < piece ? lane : -1);
        bool inside = lane >= done && lane < done + piece;
        merge.push_back(inside ? width() + lane - done : lane);
      }
      whole = ir_.CreateShuffleVector(whole, ir_.CreateShuffleVector(read, widen), merge);
    }
    done += piece;
  }
  return whole;
}

void KernelEmitter::store_pieces(Value* pointer, Value* value, int live) {
  auto* vector = llvm::cast<llvm::FixedVectorType>(value->getType());
  int64_t size = vector->getScalarSizeInBits() / 8;
  llvm::Align align(static_cast<uint64_t>(size));
  int done = 0;
  for (int piece = static_cast<int>(vector->getNumElements()); piece >= 1; piece /= 2) {
    if (done + piece > live) continue;
    Value* place = gep(pointer, done * size);
    if (piece == 1) {
      Value* element = ir_.CreateExtractElement(value, static_cast<uint64_t>(done));
      ir_.CreateAlignedStore(element, place, align);
    } else {
      std::vector<int> lanes;
      for (int lane = 0; lane < piece; ++lane) lanes.push_back(done + lane);
      ir_.CreateAlignedStore(ir_.CreateShuffleVector(value, lanes), place, align);
    }
    done += piece;
  }
}

void KernelEmitter::store_vector(Value* pointer, DType dtype, Value* value) {
  llvm::Align align(static_cast<uint64_t>(dtype_size(dtype)));
  Value* stored = to_memory(value, dtype);
  if (!lanes_.mask) {
    ir_.CreateAlignedStore(stored, pointer, align);
  } else if (lanes_.live > 0 && !target_.cheap_masks) {
    store_pieces(pointer, stored, lanes_.live);
  } else {
    ir_.CreateMaskedStore(stored, pointer, align, lanes_.mask);
  }
}

void KernelEmitter::emit(const kernel::Store& store) {
  DType dtype = kernel_.slots[store.to.slot].dtype;
  Value* value = scalars_.splat(operand(store.value), width());
  std::vector<Value*>& registers = registers_[store.to.slot.index()];
  if (!registers.empty()) {
    registers[lanes_.vector_index] = value;
    return;
  }
  if (!lanes_.axis.valid()) {
    llvm::Align align(static_cast<uint64_t>(dtype_size(dtype)));
    Value* pointer = address(store.to);
    ir_.CreateAlignedStore(to_memory(value, dtype), pointer, align);
    return;
  }
  Value* loaded = loaded_offset(store.to);
  bool scattered = loaded && loaded->getType()->isVectorTy();
  int64_t stride = lane_stride(store.to);
  GRADUS_CHECK(stride != 0 || scattered, "a store in a lanes loop that all lanes share");
  if (stride == 1 && !scattered) return store_vector(address(store.to), dtype, value);
  Value* mask = lanes_.mask;
  if (!mask)
    mask = llvm::Constant::getAllOnesValue(scalars_.splat(ir_.getTrue(), width())->getType());
  ir_.CreateMaskedScatter(to_memory(value, dtype), element_addresses(store.to),
                          llvm::Align(static_cast<uint64_t>(dtype_size(dtype))), mask);
}

}  // namespace gradus::codegen
