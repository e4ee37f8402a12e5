// Packing: a matrix is copied into panels of `width` columns, rows one after the other within a
// panel, the last panel filled up with zeros. Rows of a source whose columns lie side by side are
// copied in vectors; a source whose rows lie side by side is transposed in square blocks.
//
// As in Goto & van de Geijn (2008): the copy costs one read and one write for each
// element of B, and the microkernel then reads it mc / mr times from consecutive lines. The zeros
// let it read whole vectors in the last panel; their products land in lanes that are never stored.
//
// A block of 4 x 4 is transposed in two stages, each swapping the off-diagonal squares:
//
//     a b c d        a b | i j        a e i m
//     e f g h   ->   e f | m n   ->   b f j n
//     i j k l        ----+----        c g k o
//     m n o p        c d | k l        d h l p
//                    g h | o p
//
// log2(size) stages of `size` shuffles, where one element at a time takes size * size loads.
#include <llvm/IR/Constants.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "codegen/emit.h"
#include "support/check.h"

namespace gradus::codegen {

using llvm::Value;

void KernelEmitter::emit(const kernel::Pack& pack) {
  const kernel::Slot& slot = kernel_.slots[pack.to];
  GRADUS_CHECK(slot.extents.size() == 3 && slot.extents[2].value == pack.width,
               "panels of a width");
  auto width = static_cast<uint64_t>(pack.width);
  Value* columns = ir_.CreateSub(bound(pack.column_to), affine(pack.column_from));
  Value* rows = ir_.CreateSub(bound(pack.row_to), affine(pack.row_from));
  Value* rounded = ir_.CreateAdd(columns, ir_.getInt64(width - 1));
  Value* panels = ir_.CreateUDiv(rounded, ir_.getInt64(width));
  Linear source = linear(pack.from);
  bool even = remainders(pack.column_from, pack.column_to, pack.width) == std::vector<int64_t>{0};
  emit_loop(ir_.getInt64(0), panels, 1, [&](Value* number, llvm::Instruction* hoist) {
    Value* before = scaled(number, pack.width, hoist);
    Panel panel{&pack, nullptr, nullptr, rows, ir_.CreateSub(columns, before), depth_, nullptr};
    panel.first = ir_.CreateAdd(affine(pack.column_from), before);
    panel.hoist = new_hoist_point();
    panel.to =
        gep(bases_[pack.to.index()], number, slot.strides[0] * dtype_size(slot.dtype), hoist);
    if (source.coefficient(pack.column_axis) == 1) {
      Value* whole = even ? ir_.getTrue() : ir_.CreateICmpSGE(panel.columns, ir_.getInt64(width));
      emit_if(whole, [&] { pack_rows(panel, true); });
      emit_if(ir_.CreateNot(whole), [&] { pack_rows(panel, false); });
    } else if (source.coefficient(pack.row_axis) == 1) {
      pack_transposed(panel);
    } else {
      pack_elements(panel, ir_.getInt64(0), 0, pack.width);
    }
  });
}

/// The row axis of the source at `row`, counted from the first.
void KernelEmitter::set_pack_row(const Panel& panel, Value* row, llvm::Instruction* hoist) {
  llvm::IRBuilderBase::InsertPointGuard guard(ir_);
  ir_.SetInsertPoint(hoist);
  Value* at = ir_.CreateAdd(affine(panel.pack->row_from), row);
  set_axis(panel.pack->row_axis, {at, 0, hoist, panel.depth + 1});
}

void KernelEmitter::set_pack_column(const Panel& panel, int64_t column) {
  set_axis(panel.pack->column_axis, {panel.first, column, panel.hoist, panel.depth});
}

Value* KernelEmitter::panel_address(const Panel& panel, Value* row, int64_t row_delta,
                                    int64_t column) {
  const kernel::Slot& slot = kernel_.slots[panel.pack->to];
  int64_t size = dtype_size(slot.dtype);
  Value* bytes = ir_.CreateMul(row, ir_.getInt64(static_cast<uint64_t>(slot.strides[1] * size)));
  Value* start = ir_.CreateInBoundsGEP(ir_.getInt8Ty(), panel.to, bytes);
  return gep(start, (row_delta * slot.strides[1] + column * slot.strides[2]) * size);
}

void KernelEmitter::pack_rows(const Panel& panel, bool whole) {
  emit_loop(ir_.getInt64(0), panel.rows, 1, [&](Value* row, llvm::Instruction* hoist) {
    set_pack_row(panel, row, hoist);
    int64_t column = 0;
    for (int64_t piece = target_.lanes; piece >= 1; piece /= 2) {
      while (column + piece <= panel.pack->width) {
        pack_row_piece(panel, row, column, piece, whole);
        column += piece;
      }
    }
  });
}

void KernelEmitter::pack_row_piece(const Panel& panel, Value* row, int64_t column, int64_t piece,
                                   bool whole) {
  DType dtype = kernel_.slots[panel.pack->to].dtype;
  llvm::Align align(static_cast<uint64_t>(dtype_size(dtype)));
  auto lanes = static_cast<unsigned>(piece);
  auto* type = llvm::FixedVectorType::get(scalars_.memory_type(dtype), lanes);
  set_pack_column(panel, column);
  Value* from = address(panel.pack->from);
  Value* to = panel_address(panel, row, 0, column);
  Value* read = nullptr;
  if (whole) {
    read = ir_.CreateAlignedLoad(type, from, align);
  } else {
    std::vector<llvm::Constant*> numbers;
    for (unsigned lane = 0; lane < lanes; ++lane) {
      numbers.push_back(ir_.getInt64(static_cast<uint64_t>(column) + lane));
    }
    Value* mask = ir_.CreateICmpSGT(ir_.CreateVectorSplat(lanes, panel.columns),
                                    llvm::ConstantVector::get(numbers));
    read = ir_.CreateMaskedLoad(type, from, align, mask, llvm::Constant::getNullValue(type));
  }
  ir_.CreateAlignedStore(read, to, align);
}

/// Columns in blocks of the largest square that the width is made of; what is left of the rows one
/// by one, and so a block whose columns are not all there.
void KernelEmitter::pack_transposed(const Panel& panel) {
  const kernel::Pack& pack = *panel.pack;
  const kernel::Slot& slot = kernel_.slots[pack.to];
  int size = std::min(target_.lanes, 8);
  while (pack.width % size != 0) size /= 2;
  auto number = [&](int64_t value) { return ir_.getInt64(static_cast<uint64_t>(value)); };
  Value* blocked = ir_.CreateAnd(panel.rows, number(-size));
  emit_loop(number(0), number(pack.width), size, [&](Value* column, llvm::Instruction* hoist) {
    Panel block = panel;
    block.to = gep(panel.to, column, slot.strides[2] * dtype_size(slot.dtype), hoist);
    block.first = ir_.CreateAdd(panel.first, column);
    block.columns = ir_.CreateSub(panel.columns, column);
    block.depth = depth_;
    block.hoist = new_hoist_point();
    Value* there = ir_.CreateICmpSGE(block.columns, number(size));
    Value* done = ir_.CreateSelect(there, blocked, number(0));
    emit_loop(number(0), done, size, [&](Value* row, llvm::Instruction* inner) {
      set_pack_row(block, row, inner);
      pack_block(block, row, 0, size);
    });
    pack_elements(block, done, 0, size);
  });
}

/// size x size elements: `size` vectors along the rows of the source become as many along its
/// columns.
void KernelEmitter::pack_block(const Panel& panel, Value* row, int64_t column, int size) {
  DType dtype = kernel_.slots[panel.pack->to].dtype;
  llvm::Align align(static_cast<uint64_t>(dtype_size(dtype)));
  auto* type = llvm::FixedVectorType::get(scalars_.memory_type(dtype), static_cast<unsigned>(size));
  std::vector<Value*> lines;
  for (int i = 0; i < size; ++i) {
    set_pack_column(panel, column + i);
    lines.push_back(ir_.CreateAlignedLoad(type, address(panel.pack->from), align));
  }
  // Each stage swaps the off-diagonal blocks of squares of twice the size.
  for (int half = 1; half < size; half *= 2) {
    std::vector<int> lower, upper;
    for (int lane = 0; lane < size; ++lane) {
      bool right = (lane & half) != 0;
      lower.push_back(right ? size + lane - half : lane);
      upper.push_back(right ? size + lane : lane + half);
    }
    for (int i = 0; i < size; ++i) {
      if ((i & half) != 0) continue;
      auto a = static_cast<size_t>(i);
      auto b = static_cast<size_t>(i + half);
      Value* low = ir_.CreateShuffleVector(lines[a], lines[b], lower);
      lines[b] = ir_.CreateShuffleVector(lines[a], lines[b], upper);
      lines[a] = low;
    }
  }
  for (int i = 0; i < size; ++i) {
    ir_.CreateAlignedStore(lines[static_cast<size_t>(i)], panel_address(panel, row, i, column),
                           align);
  }
}

/// One by one, zeros where the source has no column.
void KernelEmitter::pack_elements(const Panel& panel, Value* row_from, int64_t column_from,
                                  int64_t column_to) {
  const kernel::Pack& pack = *panel.pack;
  const kernel::Slot& slot = kernel_.slots[pack.to];
  llvm::Type* type = scalars_.memory_type(slot.dtype);
  auto number = [&](int64_t value) { return ir_.getInt64(static_cast<uint64_t>(value)); };
  emit_loop(row_from, panel.rows, 1, [&](Value* row, llvm::Instruction* hoist) {
    set_pack_row(panel, row, hoist);
    emit_loop(number(column_from), number(column_to), 1, [&](Value* column, llvm::Instruction*) {
      Value* at = ir_.CreateAdd(panel.first, column);
      set_axis(pack.column_axis, {at, 0, new_hoist_point(), depth_});
      int64_t size = dtype_size(slot.dtype);
      Value* place = ir_.CreateInBoundsGEP(ir_.getInt8Ty(), panel_address(panel, row, 0, 0),
                                           ir_.CreateMul(column, number(slot.strides[2] * size)));
      Value* there = ir_.CreateICmpSLT(column, panel.columns);
      llvm::BasicBlock* origin = ir_.GetInsertBlock();
      llvm::BasicBlock* then = nullptr;
      Value* read = nullptr;
      emit_if(there, [&] {
        read = ir_.CreateLoad(type, address(pack.from));
        then = ir_.GetInsertBlock();
      });
      llvm::PHINode* value = ir_.CreatePHI(type, 2);
      value->addIncoming(llvm::Constant::getNullValue(type), origin);
      value->addIncoming(read, then);
      ir_.CreateStore(value, place);
    });
  });
}

}  // namespace gradus::codegen
