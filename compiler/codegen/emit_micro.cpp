// Matrix products: the grid of register tiles, and the microkernel: mr rows of nv vectors that stay
// in registers over all of an inner loop, which loads nv vectors of the right operand and repeats
// mr elements of the left, in ascending k.
//
//     for k:   b0 = load B[k, 0..]   b1 = load B[k, 1..]
//              a = broadcast A[0, k]     c00 += a * b0     c01 += a * b1
//              a = broadcast A[1, k]     c10 += a * b0     c11 += a * b1
//              ...                                           mr * nv independent chains
//
// Invariant: each sum of C is one chain of multiply-adds in ascending k, rounded once a step. The
// tile's shape decides which sums run side by side, never the order within one. k is therefore
// neither unrolled into several accumulators nor split between threads.
//
// At the edges of the grid, code for a whole tile serves as well:
//
//     +----+----+--+      columns: as many vectors as are left, the last one masked; each remainder
//     |    |    |m |      that there can be has code of its own
//     +----+----+--+
//     | rr | rr |rm|      rows: those beyond the last read the last row again and are not stored
//     +----+----+--+
//
// So no load leaves its operand. Where K is cut in blocks, partial tiles wait in scratch:
// tile_start loads them, finish_blocks stores them or runs the epilogue.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>
#include <set>

#include "codegen/emit.h"
#include "support/check.h"
#include "support/round.h"

namespace gradus::codegen {

using llvm::Value;

/// The value modulo `modulus`, where it is the same at every iteration of the loops around: each
/// term moves in multiples of the modulus, so only its start counts.
std::optional<int64_t> KernelEmitter::residue(const Linear& linear, int64_t modulus) const {
  if (linear.per_n % modulus != 0) return std::nullopt;
  int64_t sum = linear.constant;
  for (const kernel::Affine::Term& term : linear.terms) {
    auto [start, step] = axis_steps_[term.axis];
    if (term.coefficient == 0) continue;
    if (step == 0 || term.coefficient * step % modulus != 0) return std::nullopt;
    sum += term.coefficient * start;
  }
  return (sum % modulus + modulus) % modulus;
}

/// What may be left over when the range is cut in steps; -1 among them: anything. A range that ends
/// at its block or at the extent has two: 0 inside, and the extent's own remainder in the last
/// block. Each gets code of its own, with constant masks.
std::vector<int64_t> KernelEmitter::remainders(const kernel::Affine& from, const kernel::Bound& to,
                                               int64_t step) const {
  std::set<int64_t> found;
  auto look = [&](const kernel::Affine& end) {
    Linear length;
    length.add(end, 1);
    length.add(from, -1);
    found.insert(residue(length, step).value_or(-1));
  };
  if (to.divisor != 1) return {-1};
  look(to.value);
  if (to.cap) look(*to.cap);
  return {found.begin(), found.end()};
}

void KernelEmitter::emit(const kernel::Tile& tile) {
  Value* i_to = bound(tile.i_to);
  bool whole = remainders(tile.i_from, tile.i_to, tile.i_step) == std::vector<int64_t>{0};
  GRADUS_CHECK(tile.j_step % target_.lanes == 0, "a tile of whole vectors");
  emit_loop(affine(tile.i_from), i_to, tile.i_step, [&](Value* at, llvm::Instruction* hoist) {
    MicroTile micro;
    micro.tile = &tile;
    micro.i = {at, 0, hoist, depth_};
    set_axis(tile.i, micro.i);
    if (!whole) set_rows(micro, i_to);
    emit_columns(micro, affine(tile.j_from), bound(tile.j_to));
  });
}

/// Rows beyond the last read the last again.
void KernelEmitter::set_rows(MicroTile& micro, Value* i_to) {
  llvm::IRBuilderBase::InsertPointGuard guard(ir_);
  ir_.SetInsertPoint(micro.i.hoist);
  micro.rows = ir_.CreateSub(i_to, micro.i.base);
  Value* last = ir_.CreateSub(i_to, ir_.getInt64(1));
  for (int64_t row = 0; row < micro.tile->i_step; ++row) {
    Value* index = row == 0 ? micro.i.base
                            : ir_.CreateAdd(micro.i.base, ir_.getInt64(static_cast<uint64_t>(row)));
    if (row > 0) index = ir_.CreateBinaryIntrinsic(llvm::Intrinsic::smin, index, last);
    micro.row_index.push_back(index);
  }
}

void KernelEmitter::emit_columns(MicroTile micro, Value* j_from, Value* j_to) {
  const kernel::Tile& tile = *micro.tile;
  int64_t step = tile.j_step;
  Value* width = ir_.getInt64(static_cast<uint64_t>(step));
  std::vector<int64_t> rests = remainders(tile.j_from, tile.j_to, step);
  Value* length = ir_.CreateSub(j_to, j_from);
  if (tile.padded) rests = {0};
  bool even = rests == std::vector<int64_t>{0};
  Value* rest = even ? nullptr : ir_.CreateURem(length, width);
  Value* whole = even ? j_to : ir_.CreateSub(j_to, rest);
  emit_loop(j_from, whole, step,
            [&](Value* at, llvm::Instruction* hoist) { emit_micro(micro, at, hoist, step); });
  for (int64_t columns : rests) {
    if (columns == 0) continue;
    Value* zero = ir_.getInt64(0);
    Value* some = columns > 0 ? ir_.CreateICmpEQ(rest, ir_.getInt64(static_cast<uint64_t>(columns)))
                              : ir_.CreateICmpNE(rest, zero);
    // Where anything may be left, that covers what is known as well.
    if (columns < 0 || rests.front() >= 0) {
      emit_if(some, [&] {
        ++depth_;
        micro.columns = columns > 0 ? nullptr : rest;
        emit_micro(micro, whole, new_hoist_point(), columns > 0 ? columns : step);
        --depth_;
      });
    }
  }
}

void KernelEmitter::emit_micro(MicroTile micro, Value* j, llvm::Instruction* hoist,
                               int64_t columns) {
  micro.j = {j, 0, hoist, depth_};
  micro.vectors = ceil_div(columns, target_.lanes);
  int64_t last = columns - (micro.vectors - 1) * target_.lanes;
  micro.live = micro.columns ? 0 : static_cast<int>(last);
  if (!micro.tile->micro.k0.valid()) prefetch_epilogue(micro);
  emit_inner(micro);
  finish_blocks(micro);
  lanes_ = {};
}

void KernelEmitter::set_row(const MicroTile& micro, int64_t row, bool clamped) {
  AxisValue at = micro.i;
  if (clamped && micro.rows) {
    at.base = micro.row_index[static_cast<size_t>(row)];
  } else {
    at.delta += row;
  }
  set_axis(micro.tile->i, at);
}

void KernelEmitter::set_column(const MicroTile& micro, int64_t vector) {
  AxisValue at = micro.j;
  at.delta += vector * target_.lanes;
  set_axis(micro.tile->j, at);
  lanes_ = {};
  lanes_.axis = micro.tile->j;
  lanes_.vector_index = static_cast<size_t>(vector);
  if (micro.columns) {
    Value* before = ir_.getInt64(static_cast<uint64_t>(vector * target_.lanes));
    lanes_.mask = mask_below(ir_.CreateSub(micro.columns, before));
    return;
  }
  lanes_.live = vector + 1 == micro.vectors ? micro.live : target_.lanes;
  if (lanes_.live < target_.lanes) lanes_.mask = mask_below(lanes_.live);
}

/// Bytes from one step of k to the next.
int64_t KernelEmitter::inner_stride(const kernel::Access& access, kernel::AxisId k) const {
  const kernel::Slot& slot = kernel_.slots[access.slot];
  int64_t size = dtype_size(slot.dtype);
  if (!packed_[access.slot.index()]) return linear(access).coefficient(k) * size;
  Linear row;
  row.add(access.indices[0].affine, slot.strides[1]);
  return row.coefficient(k) * size;
}

/// The rows of the left operand. Rows of a whole tile lie at constant distances from the first.
KernelEmitter::GemmOperand KernelEmitter::left_operand(const MicroTile& micro) {
  const kernel::Access& left = micro.tile->micro.left;
  const kernel::Slot& slot = kernel_.slots[left.slot];
  int64_t size = dtype_size(slot.dtype);
  int64_t count = micro.tile->i_step;
  bool packed = packed_[left.slot.index()];
  GemmOperand out;
  out.step = inner_stride(left, micro.tile->micro.k);
  // Panels are filled up with zeros: there every row can be read.
  bool steady = packed ? slot.extents[2].value % count == 0 : !micro.rows;
  set_row(micro, 0, !packed);
  Value* first = address(left);
  if (!packed) find_next_rows(micro, first, out);
  for (int64_t row = 0; row < count; ++row) {
    if (steady) {
      int64_t stride = packed ? slot.strides[2] : linear(left).coefficient(micro.tile->i);
      out.roots.push_back(first);
      out.offsets.push_back(row * stride * size);
      continue;
    }
    set_row(micro, row, !packed);
    out.roots.push_back(address(left));
    out.offsets.push_back(0);
  }
  return out;
}

KernelEmitter::GemmOperand KernelEmitter::right_operand(const MicroTile& micro) {
  const kernel::Access& right = micro.tile->micro.right;
  const kernel::Slot& slot = kernel_.slots[right.slot];
  int64_t size = dtype_size(slot.dtype);
  bool packed = packed_[right.slot.index()];
  GemmOperand out;
  out.step = inner_stride(right, micro.tile->micro.k);
  set_column(micro, 0);
  Value* first = address(right);
  int64_t panel = packed ? slot.extents[2].value : 0;
  GRADUS_CHECK(!packed || micro.tile->j_step % panel == 0 || panel % micro.tile->j_step == 0,
               "panels that tiles fit");
  if (!packed) out.lane = linear(right).coefficient(micro.tile->j);
  for (int64_t vector = 0; vector < micro.vectors; ++vector) {
    int64_t column = vector * target_.lanes;
    if (packed && micro.tile->j_step % panel == 0) {
      column = column / panel * slot.strides[0] + column % panel;
    }
    out.roots.push_back(first);
    out.offsets.push_back(column * out.lane * size);
  }
  return out;
}

/// Columns that do not lie side by side: one repeated element where there is one column only.
Value* KernelEmitter::load_strided(Value* pointer, DType dtype, int64_t stride) {
  auto lanes = static_cast<unsigned>(target_.lanes);
  if (stride == 1) return load_tile_vector(pointer, dtype);
  if (stride == 0) {
    return ir_.CreateVectorSplat(lanes, ir_.CreateLoad(scalars_.type(dtype), pointer));
  }
  auto* type = llvm::FixedVectorType::get(scalars_.type(dtype), lanes);
  Value* offsets = lane_numbers(ir_.getInt64Ty(), stride * dtype_size(dtype));
  Value* mask = lanes_.mask;
  if (!mask) mask = mask_below(target_.lanes);
  return ir_.CreateMaskedGather(type, ir_.CreateGEP(ir_.getInt8Ty(), pointer, offsets),
                                llvm::Align(static_cast<uint64_t>(dtype_size(dtype))), mask,
                                llvm::Constant::getNullValue(type));
}

/// A vector of a tile's columns; dead lanes are zero.
Value* KernelEmitter::load_tile_vector(Value* pointer, DType dtype) {
  auto* type = llvm::FixedVectorType::get(scalars_.type(dtype), static_cast<unsigned>(width()));
  llvm::Align align(static_cast<uint64_t>(dtype_size(dtype)));
  if (!lanes_.mask) return ir_.CreateAlignedLoad(type, pointer, align);
  if (lanes_.live > 0 && target_.lanes < 8) return load_pieces(pointer, dtype, lanes_.live);
  return ir_.CreateMaskedLoad(type, pointer, align, lanes_.mask,
                              llvm::Constant::getNullValue(type));
}

std::vector<Value*> KernelEmitter::load_tile(const MicroTile& micro, const kernel::Access& from) {
  std::vector<Value*> out;
  DType dtype = kernel_.slots[from.slot].dtype;
  for (int64_t row = 0; row < micro.tile->i_step; ++row) {
    set_row(micro, row, true);
    for (int64_t vector = 0; vector < micro.vectors; ++vector) {
      set_column(micro, vector);
      out.push_back(load_tile_vector(address(from), dtype));
    }
  }
  return out;
}

/// Zeros, or the partial tile that an earlier block of K left. A chunk of the sum starts at +0
/// again: what was summed before it waits in `totals`.
std::vector<Value*> KernelEmitter::tile_start(const MicroTile& micro) {
  const kernel::Micro& product = micro.tile->micro;
  auto* type = llvm::FixedVectorType::get(scalars_.type(kernel_.values[product.result]),
                                          static_cast<unsigned>(target_.lanes));
  auto count = static_cast<size_t>(micro.tile->i_step * micro.vectors);
  std::vector<Value*> zeros(count, llvm::Constant::getNullValue(type));
  if (!product.carry) return zeros;
  Value* chunk = ir_.getInt64(static_cast<uint64_t>(product.chunk));
  Value* fresh = ir_.CreateICmpEQ(ir_.CreateURem(affine(product.k_from), chunk), ir_.getInt64(0));
  std::vector<Value*> carried;
  llvm::BasicBlock* origin = ir_.GetInsertBlock();
  llvm::BasicBlock* then = nullptr;
  emit_if(ir_.CreateNot(fresh), [&] {
    carried = load_tile(micro, *product.carry);
    then = ir_.GetInsertBlock();
  });
  if (!then) return zeros;
  for (size_t i = 0; i < count; ++i) {
    llvm::PHINode* merged = ir_.CreatePHI(type, 2);
    merged->addIncoming(zeros[i], origin);
    merged->addIncoming(carried[i], then);
    carried[i] = merged;
  }
  return carried;
}

Value* KernelEmitter::multiply_add(Value* a, Value* b, Value* c) {
  scalars_.clear();
  DType dtype = c->getType()->getScalarType()->isDoubleTy() ? DType::F64 : DType::F32;
  return scalars_.value(
      scalars_.mul_add(scalars_.wrap(a, dtype), scalars_.wrap(b, dtype), scalars_.wrap(c, dtype)));
}

/// One step of k, an outer product. The shorter side of the tile is loaded as a whole, the longer
/// one element at a time: that takes min(mr, nv) + 1 registers beside the sums. The order is kept
/// by the code generator (module.cpp): loads moved forward would spill accumulators.
std::vector<Value*> KernelEmitter::inner_step(const MicroTile& micro, const GemmOperand& left,
                                              const GemmOperand& right, Value* k,
                                              llvm::Instruction* hoist, std::vector<Value*> sums) {
  const kernel::Micro& product = micro.tile->micro;
  DType dtype = kernel_.slots[product.left.slot].dtype;
  size_t vectors = right.roots.size();
  size_t rows = left.roots.size();
  auto row_of = [&](size_t r) -> Value* {
    Value* place = gep(gep(left.roots[r], k, left.step, hoist), left.offsets[r]);
    Value* element = ir_.CreateLoad(scalars_.type(dtype), place);
    return ir_.CreateVectorSplat(static_cast<unsigned>(target_.lanes), element);
  };
  auto column_of = [&](size_t v) -> Value* {
    set_column(micro, static_cast<int64_t>(v));
    if (packed_[product.right.slot.index()]) lanes_.mask = nullptr;
    Value* row = gep(right.roots[v], k, right.step, hoist);
    return load_strided(gep(row, right.offsets[v]), dtype, right.lane);
  };
  prefetch_operands(micro, left, right, k, hoist);
  bool wide = vectors > rows;
  std::vector<Value*> whole;
  for (size_t i = 0; i < (wide ? rows : vectors); ++i) {
    whole.push_back(wide ? row_of(i) : column_of(i));
  }
  for (size_t i = 0; i < (wide ? vectors : rows); ++i) {
    Value* one = wide ? column_of(i) : row_of(i);
    for (size_t other = 0; other < whole.size(); ++other) {
      Value*& sum = sums[wide ? other * vectors + i : i * vectors + other];
      sum = wide ? multiply_add(whole[other], one, sum) : multiply_add(one, whole[other], sum);
    }
  }
  return sums;
}

void KernelEmitter::emit_inner(MicroTile& micro) {
  const kernel::Micro& product = micro.tile->micro;
  DType dtype = kernel_.slots[product.left.slot].dtype;
  GRADUS_CHECK(is_float(dtype), "a product of floats");
  std::vector<Value*> start = tile_start(micro);
  set_row(micro, 0, false);
  Value* from = affine(product.k_from);
  Value* count = ir_.CreateSub(bound(product.k_to), from);
  ++depth_;
  set_axis(product.k, from, 0, new_hoist_point());
  GemmOperand left = left_operand(micro);
  GemmOperand right = right_operand(micro);
  --depth_;
  auto vectors = static_cast<size_t>(micro.vectors);
  auto body = [&](Value* k, llvm::Instruction* hoist, const std::vector<Value*>& carried) {
    return inner_step(micro, left, right, k, hoist, carried);
  };
  std::vector<Value*> sums = emit_loop(ir_.getInt64(0), count, 1, start, true, body);
  micro.sums.clear();
  for (size_t r = 0; r < left.roots.size(); ++r) {
    auto row = sums.begin() + static_cast<std::ptrdiff_t>(r * vectors);
    micro.sums.emplace_back(row, row + static_cast<std::ptrdiff_t>(vectors));
  }
}

/// The body for each row that is there; rows ascend, so the first missing one ends it. One test a
/// row, and none where the tiles divide the rows.
void KernelEmitter::for_rows(const MicroTile& micro, const std::function<void(int64_t)>& body) {
  llvm::BasicBlock* done = micro.rows ? new_block("rows") : nullptr;
  for (int64_t row = 0; row < micro.tile->i_step; ++row) {
    if (micro.rows && row > 0) {
      llvm::BasicBlock* next = new_block("row");
      Value* there = ir_.CreateICmpSGT(micro.rows, ir_.getInt64(static_cast<uint64_t>(row)));
      ir_.CreateCondBr(there, next, done);
      ir_.SetInsertPoint(next);
    }
    body(row);
  }
  if (!done) return;
  ir_.CreateBr(done);
  ir_.SetInsertPoint(done);
}

void KernelEmitter::store_tile(const MicroTile& micro, const kernel::Access& to) {
  DType dtype = kernel_.slots[to.slot].dtype;
  for_rows(micro, [&](int64_t row) {
    set_row(micro, row, false);
    for (int64_t vector = 0; vector < micro.vectors; ++vector) {
      set_column(micro, vector);
      Value* sum = micro.sums[static_cast<size_t>(row)][static_cast<size_t>(vector)];
      store_vector(address(to), dtype, sum);
    }
  });
}

/// Adds what earlier chunks gave, where `condition` holds.
void KernelEmitter::add_totals(MicroTile& micro, Value* condition) {
  std::vector<Value*> added;
  llvm::BasicBlock* origin = ir_.GetInsertBlock();
  llvm::BasicBlock* then = nullptr;
  auto vectors = static_cast<size_t>(micro.vectors);
  emit_if(condition, [&] {
    added = load_tile(micro, *micro.tile->micro.totals);
    for (size_t i = 0; i < added.size(); ++i) {
      added[i] = ir_.CreateFAdd(added[i], micro.sums[i / vectors][i % vectors]);
    }
    then = ir_.GetInsertBlock();
  });
  for (size_t i = 0; i < added.size(); ++i) {
    Value*& sum = micro.sums[i / vectors][i % vectors];
    if (ir_.GetInsertBlock() == then) {
      sum = added[i];
      continue;
    }
    llvm::PHINode* merged = ir_.CreatePHI(sum->getType(), 2);
    merged->addIncoming(sum, origin);
    merged->addIncoming(added[i], then);
    sum = merged;
  }
}

/// After one block of K: the epilogue if it was the last, else the partial tile goes to scratch.
///
///     end of block      end of chunk     of K        what happens
///     yes               no               no          sums -> carry
///     yes               yes              no          totals + sums -> totals
///     yes               yes              yes         totals + sums -> epilogue
///
/// The first chunk has no totals to add: adding 0 to it could change the sign of a zero.
void KernelEmitter::finish_blocks(MicroTile& micro) {
  const kernel::Micro& product = micro.tile->micro;
  if (!product.k0.valid()) return emit_epilogue(micro);
  Value* end = bound(product.k_to);
  Value* chunk = ir_.getInt64(static_cast<uint64_t>(product.chunk));
  Value* last = ir_.CreateICmpSGE(end, affine(product.k_extent));
  Value* chunk_end = ir_.CreateICmpEQ(ir_.CreateURem(end, chunk), ir_.getInt64(0));
  Value* chunk_done = ir_.CreateOr(last, chunk_end);
  if (product.totals) {
    Value* later = ir_.CreateICmpSGE(affine(product.k_from), chunk);
    add_totals(micro, ir_.CreateAnd(chunk_done, later));
  }
  emit_if(ir_.CreateNot(last), [&] {
    Value* to_totals = product.totals ? chunk_done : ir_.getFalse();
    if (product.totals) emit_if(to_totals, [&] { store_tile(micro, *product.totals); });
    if (product.carry)
      emit_if(ir_.CreateNot(to_totals), [&] { store_tile(micro, *product.carry); });
  });
  emit_if(last, [&] { emit_epilogue(micro); });
}

}  // namespace gradus::codegen
