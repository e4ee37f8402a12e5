// One kernel becomes one LLVM function. The emitter follows the loop tree and decides nothing that
// could change a bit; SSA values only, no memory but the slots. Internal to this folder.
//
//   void kernel(const gradus_frame* frame, const int64_t* arguments, int64_t begin, int64_t end,
//               int32_t worker)
//
// arguments[2s], arguments[2s+1]: block and byte offset of slot s; arguments[2S]: bytes of one
// worker's scratch; then what launches of one function differ in (launch_arguments.h). Work is done
// on items [begin, end) of the `par` loops.
//
// Addresses are base + sum of (axis * bytes) + constant, added from the outermost axis inwards;
// each partial sum is made once, where its axis becomes known, and shared by all accesses (`gep`):
//
//     function    p0 = base of the slot
//       loop i      p1 = p0 + i * 2048                 shared by all that reads this row
//         loop k      p2 = p1 + k * 4
//           ...         load [p2], load [p2 + 32], load [p2 + 64]
//
// So hoisting and strength reduction need no pass of LLVM's: an instruction is put at the hoist
// point of the innermost axis that it depends on. A hoist point is the jump into a block; whatever
// stands before it runs once for each entry of the block, not once for each statement in it.
#pragma once

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "codegen/scalar_llvm.h"
#include "kernel/kernel.h"
#include "support/target.h"

namespace gradus::codegen {

/// The value of an axis at the place of emission: base + delta. What is computed from the base may
/// be placed before `hoist`. Vectors of an unrolled loop share the base and differ in delta, so
/// that they share one address register and differ in its displacement.
struct AxisValue {
  llvm::Value* base = nullptr;  // null: zero
  int64_t delta = 0;
  llvm::Instruction* hoist = nullptr;
  int depth = 0;
};

/// constant + per_n * n + sum of coefficient * axis, in elements.
struct Linear {
  int64_t constant = 0;
  int64_t per_n = 0;
  std::vector<kernel::Affine::Term> terms;
  void add(const kernel::Affine& affine, int64_t times);
  int64_t coefficient(kernel::AxisId axis) const;
};

/// The vector at hand in a lanes loop or a tile: `live` lanes from the axis's value on. The others
/// are dead: computed like the live ones, never stored and never folded.
struct Lanes {
  kernel::AxisId axis;          // invalid: scalar code
  llvm::Value* mask = nullptr;  // null: all lanes live
  int live = 0;                 // the number of live lanes where it is known, else 0
  size_t vector_index = 0;      // number of the vector in its loop
};

class KernelEmitter {
 public:
  KernelEmitter(llvm::Module& module, const Target& target, const kernel::Kernel& kernel);
  llvm::Function* emit(const std::string& name);

 private:
  using Value = llvm::Value;
  using LoopBody = std::function<void(Value* at, llvm::Instruction* hoist)>;

  llvm::Module& module_;
  const Target& target_;
  const kernel::Kernel& kernel_;
  llvm::IRBuilder<> ir_;
  LlvmScalars scalars_;
  llvm::Function* function_ = nullptr;
  Value* frame_ = nullptr;
  Value* n_ = nullptr;
  Value* begin_ = nullptr;
  Value* end_ = nullptr;
  llvm::Instruction* entry_end_ = nullptr;
  std::vector<Value*> bases_;  // per slot
  std::map<const void*, Value*> arguments_;  // of the launch, by their places in the kernel
  std::vector<bool> packed_;   // per slot: read by row and column of its panels
  std::vector<std::vector<Value*>> registers_;  // per slot: its vectors; none where it is in memory
  IdVector<kernel::AxisId, AxisValue> axes_;
  IdVector<kernel::ValueId, Value*> values_;
  IdVector<kernel::ValueId, std::vector<Value*>> held_;  // per vector of a held loop
  int depth_ = 0;
  Lanes lanes_;
  std::vector<Value*> next_item_;  // its place on the item axes, until its rows are prefetched
  llvm::Instruction* next_item_known_ = nullptr;
  // Sums and products of addresses that are there already, by the place that they were made for.
  std::map<std::tuple<Value*, Value*, int64_t, llvm::Instruction*>, Value*> steps_;
  std::map<std::tuple<Value*, int64_t, llvm::Instruction*>, Value*> products_;

  // emit_kernel.cpp: the frame, items, statements.
  void make_function(const std::string& name);
  void make_bases(Value* arguments, Value* worker);
  void load_arguments(Value* arguments);
  Value* argument_at(const void* place) const;
  void emit_body(const std::vector<kernel::Stmt>& body);
  void emit(const kernel::Loop& loop);
  void emit(const kernel::Let& let);
  void emit(const kernel::IndexOf& index);
  void emit(const kernel::Load& load);
  void emit(const kernel::Store& store);
  void emit(const kernel::Fold& fold);
  void emit(const kernel::Tile& tile);
  void emit(const kernel::Pack& pack);
  void emit(const kernel::If& branch);
  void emit_items(const kernel::Loop& loop);
  void emit_item_loop(const std::vector<const kernel::Loop*>& nest);
  std::vector<Value*> item_after(const std::vector<const kernel::Loop*>& nest,
                                 const std::vector<Value*>& at, const std::vector<Value*>& from,
                                 const std::vector<Value*>& to);
  void emit_seq(const kernel::Loop& loop);
  Scalar leaf(const kernel::Let& let);
  Scalar random_bits(Scalar seed, Scalar stream, Scalar step, Scalar index);
  Value* frame_field(size_t offset, llvm::Type* type);
  Value* current(kernel::ValueId id) const;
  Value* operand(const kernel::Operand& operand);
  Scalar wrap(const kernel::Operand& operand);
  void define(kernel::ValueId id, Value* value);
  int width() const { return lanes_.axis.valid() ? target_.lanes : 1; }

  // emit_loop.cpp: loops with carried values; lanes loops in vectors and tails.
  std::vector<Value*> emit_loop(
      Value* from, Value* to, int64_t step, std::vector<Value*> carried, bool runs,
      const std::function<std::vector<Value*>(Value* at, llvm::Instruction* hoist,
                                              const std::vector<Value*>& carried)>& body);
  void emit_loop(Value* from, Value* to, int64_t step, const LoopBody& body);
  void emit_if(Value* condition, const std::function<void()>& body);
  void set_axis(kernel::AxisId axis, Value* base, int64_t delta, llvm::Instruction* hoist);
  void set_axis(kernel::AxisId axis, AxisValue value);
  void emit_lanes(const kernel::Loop& loop);
  void emit_static_range(const kernel::Loop& loop, Value* from, int64_t count);
  std::optional<int64_t> constant_length(const kernel::Loop& loop) const;
  void emit_dynamic_range(const kernel::Loop& loop, Value* from, Value* to);
  void emit_main(const kernel::Loop& loop, Value* from, Value* to);
  void emit_vectors(const kernel::Loop& loop, Value* base, llvm::Instruction* hoist, int64_t delta,
                    int64_t elements);
  void emit_last_vector(const kernel::Loop& loop, Value* at, Value* to, size_t vector_index);
  Value* end_of_vectors(Value* from, Value* to);
  int64_t vectors_per_iteration(const kernel::Loop& loop) const;
  bool uses_registers(const std::vector<kernel::Stmt>& body, size_t slot) const;
  bool works_on_held(const kernel::Loop& loop) const;
  /// Ends the block with a jump to a new one and answers the jump: what depends on values known
  /// here and on nothing later is inserted before it.
  llvm::Instruction* new_hoist_point();
  void emit_vector(const kernel::Loop& loop, Lanes lanes);
  Value* mask_below(Value* count);  // lanes l < count, i64
  llvm::Constant* mask_below(int count);
  void emit_if_folding(Value* condition, const std::function<void()>& body);

  // emit_fold.cpp: accumulators of the lanes loop at hand.
  struct FoldState {
    const kernel::FoldResult* fold = nullptr;
    DType dtype = DType::F32;  // of the folded value
    size_t first = 0;          // its accumulators in accumulators_
  };
  std::vector<FoldState> folds_;
  std::vector<Value*> accumulators_;  // per fold: values, then indices of Argmax
  size_t fold_vectors() const;        // vectors that hold the 32 lanes of a sum
  void start_folds(const kernel::Loop& loop);
  std::vector<Value*> fold_identities() const;
  llvm::Constant* fold_identity(const FoldState& state) const;
  void finish_folds();
  Value* combine(OpKind op, DType dtype, Value* x, Value* y);
  void combine_argmax(DType dtype, Value*& value, Value*& index, Value* other, Value* other_index);
  Value* finish_fold(const FoldState& state);
  void emit_chunks(const kernel::Loop& loop, int64_t from, int64_t count);
  void emit_level(const kernel::Loop& loop, llvm::Value* from, int64_t count, int level);
  void add_chunk(std::vector<Value*>& totals, Value* chunk);

  // emit_access.cpp: addresses, loads, stores.
  Value* affine(const kernel::Affine& affine);
  Value* bound(const kernel::Bound& bound);
  Linear linear(const kernel::Access& access) const;
  Value* scaled(Value* base, int64_t bytes, llvm::Instruction* hoist);
  Value* gep(Value* pointer, Value* base, int64_t bytes, llvm::Instruction* hoist);
  Value* gep(Value* pointer, int64_t bytes);
  Value* address(kernel::SlotId slot, Linear linear);
  Value* packed_address(const kernel::Access& access);
  Value* address(const kernel::Access& access);
  Value* loaded_offset(const kernel::Access& access);  // elements, scalar or vector; may be null
  int64_t lane_stride(const kernel::Access& access) const;
  Value* element_addresses(const kernel::Access& access);  // a vector of pointers
  Value* from_memory(Value* value, DType dtype);
  Value* to_memory(Value* value, DType dtype);
  Value* load_scalar(const kernel::Load& load, DType dtype);
  Value* load_vector(Value* pointer, DType dtype, Value* where, Value* default_value);
  Value* load_pieces(Value* pointer, DType dtype, int live);
  void store_vector(Value* pointer, DType dtype, Value* value);
  void store_pieces(Value* pointer, Value* value, int live);
  Value* active_mask(Value* where);
  Value* lane_numbers(llvm::Type* element, int64_t times);

  // emit_micro.cpp, emit_epilogue.cpp: register tiles.
  struct MicroTile {
    const kernel::Tile* tile = nullptr;
    int64_t vectors = 0;
    int live = 0;                   // live lanes of the last vector; 0: `columns` says it
    Value* columns = nullptr;       // live columns where they are known at run time only
    Value* rows = nullptr;          // live rows where that may be fewer than all
    std::vector<Value*> row_index;  // then: the row, or the last there is, for each row of the tile
    AxisValue i, j;                 // of the tile's first element
    std::vector<std::vector<Value*>> sums;  // [row][vector]
  };
  /// An operand of a microkernel: the address of row (or vector) x at step k of the inner loop is
  /// roots[x] + k * step + offsets[x], in bytes.
  struct GemmOperand {
    std::vector<Value*> roots;
    std::vector<int64_t> offsets;
    int64_t step = 0;
    int64_t lane = 1;       // elements from one lane to the next
    Value* next = nullptr;  // the first row of another tile, to be prefetched meanwhile
    int64_t next_rows = 0, next_stride = 0;
  };
  enum class Depends : uint8_t { None = 0, Row = 1, Column = 2, Both = 3 };
  std::vector<int64_t> remainders(const kernel::Affine& from, const kernel::Bound& to,
                                  int64_t step) const;
  std::optional<int64_t> residue(const Linear& linear, int64_t modulus) const;
  void set_rows(MicroTile& micro, Value* i_to);
  void emit_columns(MicroTile micro, Value* j_from, Value* j_to);
  void emit_micro(MicroTile micro, Value* j, llvm::Instruction* hoist, int64_t columns);
  void set_row(const MicroTile& micro, int64_t row, bool clamped);
  void set_column(const MicroTile& micro, int64_t vector);
  int64_t inner_stride(const kernel::Access& access, kernel::AxisId k) const;
  GemmOperand left_operand(const MicroTile& micro);
  GemmOperand right_operand(const MicroTile& micro);
  Value* load_tile_vector(Value* pointer, DType dtype);
  Value* load_strided(Value* pointer, DType dtype, int64_t stride);
  std::vector<Value*> load_tile(const MicroTile& micro, const kernel::Access& from);
  std::vector<Value*> tile_start(const MicroTile& micro);
  std::vector<Value*> inner_step(const MicroTile& micro, const GemmOperand& left,
                                 const GemmOperand& right, Value* k, llvm::Instruction* hoist,
                                 std::vector<Value*> sums);
  void emit_inner(MicroTile& micro);
  Value* multiply_add(Value* a, Value* b, Value* c);
  void for_rows(const MicroTile& micro, const std::function<void(int64_t row)>& body);
  void store_tile(const MicroTile& micro, const kernel::Access& to);
  void finish_blocks(MicroTile& micro);
  void add_totals(MicroTile& micro, Value* condition);
  const kernel::Access* tile_access(const kernel::Tile& tile, const kernel::Stmt& stmt) const;
  void prefetch_epilogue(const MicroTile& micro);
  void emit_epilogue(const MicroTile& micro);
  Depends depends(const kernel::Tile& tile, const kernel::Stmt& stmt,
                  const std::map<kernel::ValueId, Depends>& known) const;
  llvm::BasicBlock* new_block(const char* name);

  // emit_prefetch.cpp: lines are brought into a cache before they are needed.
  struct Matrix {
    size_t slot = 0;
    int64_t stride = 0;  // bytes from row to row
    int64_t bytes = 0;   // of a row
  };
  void prefetch(Value* address, unsigned locality = 3, bool write = false);
  std::vector<Matrix> item_matrices(int64_t rows) const;
  void prefetch_next_item(const kernel::Loop& loop, Value* row, llvm::Instruction* hoist);
  Value* unbounded_gep(Value* pointer, int64_t bytes);
  bool exceeds_l2() const;
  void find_next_rows(const MicroTile& micro, Value* first, GemmOperand& left);
  void prefetch_operands(const MicroTile& micro, const GemmOperand& left, const GemmOperand& right,
                         Value* k, llvm::Instruction* hoist);
  void prefetch_columns(const GemmOperand& left, const GemmOperand& right, Value* k, int64_t steps,
                        unsigned locality, llvm::Instruction* hoist);

  // emit_pack.cpp: panels.
  struct Panel {
    const kernel::Pack* pack = nullptr;
    Value* to = nullptr;       // its first element
    Value* first = nullptr;    // its first column in the source
    Value* rows = nullptr;     // rows to copy
    Value* columns = nullptr;  // columns that exist from its first on; may exceed the width
    int depth = 0;
    llvm::Instruction* hoist = nullptr;
  };
  void set_pack_row(const Panel& panel, Value* row, llvm::Instruction* hoist);
  void set_pack_column(const Panel& panel, int64_t column);
  Value* panel_address(const Panel& panel, Value* row, int64_t row_delta, int64_t column);
  void pack_rows(const Panel& panel, bool whole);
  void pack_row_piece(const Panel& panel, Value* row, int64_t column, int64_t piece, bool whole);
  void pack_transposed(const Panel& panel);
  void pack_block(const Panel& panel, Value* row, int64_t column, int size);
  void pack_elements(const Panel& panel, Value* row_from, int64_t column_from, int64_t column_to);

  IdVector<kernel::AxisId, std::pair<int64_t, int64_t>>
      axis_steps_;  // start and step, where constant
  std::map<kernel::AxisId, std::optional<int64_t>> largest_;  // value, where constant
  void note_range(const kernel::Loop& loop);
  std::optional<int64_t> last_of(const kernel::Loop& loop) const;
  /// Of all that it takes where axes are in their ranges.
  std::optional<int64_t> largest(const kernel::Affine& affine) const;
  /// Whether the cap of a bound is ever below its value.
  bool caps(const kernel::Bound& bound) const;
};

/// The number of items of a kernel for n rows, computed at the builder's place; 1 without `par`.
llvm::Value* emit_item_count(llvm::IRBuilder<>& ir, const kernel::Kernel& kernel, llvm::Value* n);
/// min(ceil((constant + per_n * n) / divisor), cap) of a bound without axes.
llvm::Value* emit_fixed_bound(llvm::IRBuilder<>& ir, const kernel::Bound& bound, llvm::Value* n);
llvm::Value* emit_fixed_affine(llvm::IRBuilder<>& ir, const kernel::Affine& affine, llvm::Value* n);
/// The perfect nest of `par` loops at the top of a kernel, outermost first.
std::vector<const kernel::Loop*> par_nest(const kernel::Kernel& kernel);

}  // namespace gradus::codegen
