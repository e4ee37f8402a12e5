// The interpreter: statement by statement, a lanes loop in blocks of up to 256 lanes, arithmetic by
// the operator table's rules on the exact scalar builder, sums by graph/sum_order.h. Scratch is
// poisoned before each item, so that no item lives on what another left.
//
// It is the meaning of kernel text: generated code must give the same bits (test/run). So it shares
// no code with the emitter but the scalar rules and the orders of sums, and it checks what the
// emitter trusts: every index against its extent, every byte against its buffer.
//
// A lanes loop runs in blocks of lanes, not in vectors: what a statement gives must not depend on
// the vector width. A fold gathers the elements of all blocks and reduces them once, in the one
// order.
#include "kernel/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

#include "graph/op.h"
#include "graph/sum_order.h"
#include "kernel/scratch.h"
#include "kernel/walk.h"
#include "scalar/scalar_concrete.h"
#include "support/round.h"

namespace gradus::kernel {

namespace {

using Bits = uint64_t;  // an element of any dtype in the low bytes

/// A value: one element, or one per lane of the block at hand.
struct Cell {
  std::vector<Bits> elements;
  Bits at(size_t lane) const { return elements.size() == 1 ? elements[0] : elements[lane]; }
};

class Interpreter {
 public:
  Interpreter(const Kernel& kernel, const std::vector<BufferView>& buffers,
              const RunContext& context);
  void run() { body(kernel_.body); }

 private:
  const Kernel& kernel_;
  const std::vector<BufferView>& buffers_;
  const RunContext& context_;
  ConcreteBuilder<float> builder_;
  std::vector<std::byte> scratch_;
  IdVector<SlotId, bool> packed_;
  IdVector<AxisId, int64_t> axes_;
  IdVector<ValueId, Cell> values_;
  std::map<ValueId, std::vector<Cell>> held_;  // per block of lanes
  std::map<ValueId, std::vector<Bits>> folded_;
  // The lanes of the block at hand; one lane that moves no axis outside of `lanes`.
  AxisId lane_axis_;
  int64_t lane_step_ = 1;
  size_t lane_count_ = 1;

  int64_t value_of(const Affine& affine, size_t lane = 0) const;
  int64_t value_of(const Bound& bound) const;
  std::byte* address(const Access& access, size_t lane);
  std::byte* element(const Access& access, const std::vector<int64_t>& indices);
  Bits read(const Access& access, size_t lane);
  void write(const Access& access, size_t lane, Bits bits);
  Bits constant_bits(DType dtype, double value);
  Bits operand_bits(const Operand& operand, size_t lane);
  Scalar to_builder(DType dtype, const Cell& cell);
  Scalar to_scalar(const Operand& operand);
  Scalar integer_to_builder(DType dtype, int64_t value);
  Cell from_builder(Scalar value);
  Scalar leaf(const Let& let);

  void body(const std::vector<Stmt>& stmts) {
    for (const Stmt& stmt : stmts) std::visit([&](const auto& s) { execute(s); }, stmt.body);
  }
  void execute(const Loop& loop);
  void lanes(const Loop& loop);
  void lanes_block(const Loop& loop, size_t block);
  Bits reduce(const FoldResult& fold, const std::vector<Bits>& elements);
  template <typename Real>
  Bits reduce_sum(const std::vector<Bits>& elements) const;
  Bits reduce_argmax(DType dtype, const std::vector<Bits>& elements);
  bool less(DType dtype, Bits a, Bits b);
  void execute(const Let& let);
  void execute(const IndexOf& index);
  void execute(const Load& load);
  void execute(const Store& store);
  void execute(const Fold& fold);
  void execute(const Tile& tile);
  void execute(const Pack& pack);
  void execute(const If& branch);
  struct InnerRange {
    int64_t from, to;
  };
  bool product(const Micro& micro, InnerRange range, float& result);
  float inner(const Micro& micro, int64_t from, int64_t to, float start);
};

Interpreter::Interpreter(const Kernel& kernel, const std::vector<BufferView>& buffers,
                         const RunContext& context)
    : kernel_(kernel),
      buffers_(buffers),
      context_(context),
      builder_(context.fused_multiply_add),
      scratch_(static_cast<size_t>(kernel.worker_bytes), std::byte{0xff}),
      packed_(kernel.slots.size(), false),
      axes_(kernel.axes.size(), 0),
      values_(kernel.values.size()) {
  walk(kernel.body, [&](const Stmt& stmt) {
    if (const Pack* pack = std::get_if<Pack>(&stmt.body)) packed_[pack->to] = true;
  });
}

int64_t Interpreter::value_of(const Affine& affine, size_t lane) const {
  int64_t result = affine.constant + affine.per_n * context_.n;
  for (const Affine::Term& term : affine.terms) {
    int64_t at = axes_[term.axis];
    if (term.axis == lane_axis_) at += static_cast<int64_t>(lane) * lane_step_;
    result += term.coefficient * at;
  }
  return result;
}

int64_t Interpreter::value_of(const Bound& bound) const {
  int64_t value = value_of(bound.value);
  if (bound.divisor != 1) {
    value = value >= 0 ? (value + bound.divisor - 1) / bound.divisor : -(-value / bound.divisor);
  }
  return bound.cap ? std::min(value, value_of(*bound.cap)) : value;
}

std::byte* Interpreter::element(const Access& access, const std::vector<int64_t>& indices) {
  const Slot& slot = kernel_.slots[access.slot];
  int64_t place = slot.offset;
  for (size_t i = 0; i < indices.size(); ++i) {
    GRADUS_CHECK(
        indices[i] >= 0 && indices[i] < slot.extents[i].at(context_.n),
        fmt::format("kernel @{}: index {} of slot `{}` is {}, outside its {}", kernel_.name, i,
                    slot.name, indices[i], slot.extents[i].at(context_.n)));
    place += indices[i] * slot.strides[i];
  }
  bool worker = slot.space == SlotSpace::Worker;
  int64_t size = dtype_size(slot.dtype);
  int64_t begin = place * size + (worker ? slot.worker_offset : 0);
  size_t bytes = worker ? scratch_.size() : buffers_[access.slot.index()].bytes;
  GRADUS_CHECK(begin >= 0 && begin + size <= static_cast<int64_t>(bytes),
               fmt::format("kernel @{}: byte {} of slot `{}` is outside its buffer of {}",
                           kernel_.name, begin, slot.name, bytes));
  void* base = worker ? scratch_.data() : buffers_[access.slot.index()].data;
  return static_cast<std::byte*>(base) + begin;
}

std::byte* Interpreter::address(const Access& access, size_t lane) {
  std::vector<int64_t> indices;
  for (const Index& index : access.indices) {
    int64_t at = value_of(index.affine, lane);
    if (index.loaded.valid()) {
      Bits loaded = values_[index.loaded].at(lane);
      bool wide = kernel_.values[index.loaded] == DType::I64;
      at += wide ? static_cast<int64_t>(loaded) : static_cast<int32_t>(loaded);
    }
    indices.push_back(at);
  }
  if (packed_[access.slot]) {
    int64_t width = kernel_.slots[access.slot].extents[2].value;
    GRADUS_CHECK(indices[1] >= 0, "a column of a pack before its first");
    indices = {indices[1] / width, indices[0], indices[1] % width};
  }
  return element(access, indices);
}

Bits Interpreter::read(const Access& access, size_t lane) {
  Bits bits = 0;
  std::memcpy(&bits, address(access, lane),
              static_cast<size_t>(dtype_size(kernel_.slots[access.slot].dtype)));
  return bits;
}

void Interpreter::write(const Access& access, size_t lane, Bits bits) {
  std::memcpy(address(access, lane), &bits,
              static_cast<size_t>(dtype_size(kernel_.slots[access.slot].dtype)));
}

Scalar Interpreter::to_builder(DType dtype, const Cell& cell) {
  Scalar result = builder_.fresh(dtype);
  size_t size = static_cast<size_t>(dtype_size(dtype));
  auto* lanes = builder_.lanes<uint8_t>(result);
  for (size_t lane = 0; lane < lane_count_; ++lane) {
    Bits bits = cell.at(lane);
    std::memcpy(lanes + lane * size, &bits, size);
  }
  return result;
}

Cell Interpreter::from_builder(Scalar value) {
  Cell cell{std::vector<Bits>(lane_count_, 0)};
  size_t size = static_cast<size_t>(dtype_size(value.dtype));
  const auto* lanes = builder_.lanes<uint8_t>(value);
  for (size_t lane = 0; lane < lane_count_; ++lane) {
    std::memcpy(&cell.elements[lane], lanes + lane * size, size);
  }
  return cell;
}

Bits Interpreter::constant_bits(DType dtype, double value) {
  builder_.reset(static_cast<int>(lane_count_));
  return from_builder(builder_.constant(dtype, value)).at(0);
}

Bits Interpreter::operand_bits(const Operand& operand, size_t lane) {
  if (operand.value.valid()) return values_[operand.value].at(lane);
  return constant_bits(operand.dtype, operand.constant);
}

Scalar Interpreter::integer_to_builder(DType dtype, int64_t value) {
  return builder_.constant(dtype, static_cast<double>(value));
}

/// Facts of the step: one number each.
Scalar Interpreter::to_scalar(const Operand& operand) {
  if (!operand.value.valid()) return builder_.constant(operand.dtype, operand.constant);
  return to_builder(kernel_.values[operand.value], values_[operand.value]);
}

Scalar Interpreter::leaf(const Let& let) {
  DType dtype = kernel_.values[let.result];
  const StepFact fact = op_def(let.op).fact;
  if (fact != StepFact::None) return integer_to_builder(dtype, step_fact(context_, fact));
  if (let.op == OpKind::RandomBits) {
    Scalar index = to_scalar(let.operands[0]);
    return random_bits_scalar(builder_, builder_.bits(context_.seed),
                              builder_.bits(static_cast<uint32_t>(let.stream)),
                              builder_.bits(static_cast<uint32_t>(context_.step)), index);
  }
  check_failed(__FILE__, __LINE__, "leaf", std::string(op_def(let.op).name));
}

void Interpreter::execute(const Let& let) {
  const OpDef& def = op_def(let.op);
  builder_.reset(static_cast<int>(lane_count_));
  if (def.cls == OpClass::Leaf) {
    values_[let.result] = from_builder(leaf(let));
    return;
  }
  std::vector<Scalar> operands;
  for (const Operand& operand : let.operands) {
    operands.push_back(to_scalar(operand));
  }
  values_[let.result] = from_builder(def.scalar(builder_, operands, kernel_.values[let.result]));
}

void Interpreter::execute(const IndexOf& index) {
  Cell cell;
  for (size_t lane = 0; lane < lane_count_; ++lane) {
    cell.elements.push_back(static_cast<uint32_t>(value_of(index.affine, lane)));
  }
  values_[index.result] = std::move(cell);
}

void Interpreter::execute(const Load& load) {
  Cell cell;
  Bits default_value = constant_bits(kernel_.values[load.result], load.default_value);
  for (size_t lane = 0; lane < lane_count_; ++lane) {
    bool present = !load.where.valid() || values_[load.where].at(lane) != 0;
    cell.elements.push_back(present ? read(load.from, lane) : default_value);
  }
  values_[load.result] = std::move(cell);
}

void Interpreter::execute(const Store& store) {
  for (size_t lane = 0; lane < lane_count_; ++lane) {
    write(store.to, lane, operand_bits(store.value, lane));
  }
}

void Interpreter::execute(const Fold& fold) {
  std::vector<Bits>& elements = folded_[fold.into];
  for (size_t lane = 0; lane < lane_count_; ++lane) {
    elements.push_back(operand_bits(fold.value, lane));
  }
}

void Interpreter::execute(const If& branch) {
  if (values_[branch.condition].at(0) != 0) body(branch.body);
}

void Interpreter::execute(const Loop& loop) {
  if (loop.kind == LoopKind::Lanes) {
    lanes(loop);
    return;
  }
  const Loop* inner = loop.body.empty() ? nullptr : std::get_if<Loop>(&loop.body.front().body);
  bool item = loop.kind == LoopKind::Par && !(inner && inner->kind == LoopKind::Par);
  int64_t to = value_of(loop.to);
  for (int64_t at = value_of(loop.from); at < to; at += loop.step) {
    axes_[loop.axis] = at;
    if (item) std::fill(scratch_.begin(), scratch_.end(), std::byte{0xff});
    body(loop.body);
  }
}

void Interpreter::lanes_block(const Loop& loop, size_t block) {
  for (auto& [value, blocks] : held_) {
    if (block < blocks.size()) values_[value] = blocks[block];
  }
  body(loop.body);
  if (!loop.held) return;
  walk(loop.body, [&](const Stmt& stmt) {
    ValueId made;
    if (auto* s = std::get_if<Let>(&stmt.body)) made = s->result;
    if (auto* s = std::get_if<IndexOf>(&stmt.body)) made = s->result;
    if (auto* s = std::get_if<Load>(&stmt.body)) made = s->result;
    if (!made.valid()) return;
    std::vector<Cell>& blocks = held_[made];
    if (blocks.size() <= block) blocks.resize(block + 1);
    blocks[block] = values_[made];
  });
}

void Interpreter::lanes(const Loop& loop) {
  for (const FoldResult& fold : loop.folds) folded_[fold.result].clear();
  int64_t from = value_of(loop.from);
  int64_t to = value_of(loop.to);
  int64_t count = to > from ? ceil_div(to - from, loop.step) : 0;
  lane_axis_ = loop.axis;
  lane_step_ = loop.step;
  for (int64_t first = 0; first < count; first += kScalarBlock) {
    lane_count_ = static_cast<size_t>(std::min<int64_t>(kScalarBlock, count - first));
    axes_[loop.axis] = from + first * loop.step;
    lanes_block(loop, static_cast<size_t>(first / kScalarBlock));
  }
  lane_axis_ = {};
  lane_count_ = 1;
  for (const FoldResult& fold : loop.folds) {
    values_[fold.result] = {{reduce(fold, folded_[fold.result])}};
  }
}

template <typename Real>
Bits Interpreter::reduce_sum(const std::vector<Bits>& elements) const {
  Real total = sum_lanes<Real>(static_cast<int64_t>(elements.size()), [&](int64_t i) {
    Real value;
    std::memcpy(&value, &elements[static_cast<size_t>(i)], sizeof value);
    return value;
  });
  Bits bits = 0;
  std::memcpy(&bits, &total, sizeof total);
  return bits;
}

bool Interpreter::less(DType dtype, Bits a, Bits b) {
  builder_.reset(1);
  Scalar left = to_builder(dtype, {{a}});
  return from_builder(builder_.less(left, to_builder(dtype, {{b}}))).at(0) != 0;
}

/// The first of the largest elements; a NaN is larger than any number.
Bits Interpreter::reduce_argmax(DType dtype, const std::vector<Bits>& elements) {
  size_t best = 0;
  auto is_nan = [&](Bits bits) {
    if (dtype == DType::F32)
      return std::bit_cast<float>(static_cast<uint32_t>(bits)) !=
             std::bit_cast<float>(static_cast<uint32_t>(bits));
    if (dtype == DType::F64) return std::bit_cast<double>(bits) != std::bit_cast<double>(bits);
    return false;
  };
  for (size_t i = 1; i < elements.size(); ++i) {
    bool larger = less(dtype, elements[best], elements[i]) ||
                  (is_nan(elements[i]) && !is_nan(elements[best]));
    if (larger) best = i;
  }
  return best;
}

Bits Interpreter::reduce(const FoldResult& fold, const std::vector<Bits>& elements) {
  DType dtype = kernel_.values[fold.result];
  if (fold.op == OpKind::Sum && dtype == DType::F32) return reduce_sum<float>(elements);
  if (fold.op == OpKind::Sum && dtype == DType::F64) return reduce_sum<double>(elements);
  if (fold.op == OpKind::Argmax) {
    DType compared = dtype;
    walk(kernel_.body, [&](const Stmt& stmt) {
      const Fold* s = std::get_if<Fold>(&stmt.body);
      if (!s || s->into != fold.result) return;
      compared = s->value.value.valid() ? kernel_.values[s->value.value] : s->value.dtype;
    });
    return reduce_argmax(compared, elements);
  }
  const OpDef& def = op_def(fold.op);
  if (elements.empty()) return constant_bits(dtype, def.identity);
  Bits total = elements[0];
  for (size_t i = 1; i < elements.size(); ++i) {
    builder_.reset(1);
    const std::vector<Scalar> both = {to_builder(dtype, {{total}}),
                                      to_builder(dtype, {{elements[i]}})};
    total = from_builder(def.combine(builder_, both, dtype)).at(0);
  }
  return total;
}

/// The chain over k from `start`. Addresses are linear in k, so the ends are checked for all: that
/// leaves two loads and one step for each term, which is what makes whole models affordable here.
float Interpreter::inner(const Micro& micro, int64_t from, int64_t to, float start) {
  if (from >= to) return start;
  auto at = [&](const Access& access, int64_t k) {
    axes_[micro.k] = k;
    return address(access, 0);
  };
  int64_t last = to - 1;
  const std::byte* left = at(micro.left, from);
  const std::byte* right = at(micro.right, from);
  std::ptrdiff_t left_step = from == last ? 0 : at(micro.left, from + 1) - left;
  std::ptrdiff_t right_step = from == last ? 0 : at(micro.right, from + 1) - right;
  GRADUS_CHECK(at(micro.left, last) == left + left_step * (last - from) &&
                   at(micro.right, last) == right + right_step * (last - from),
               "a product whose operands are not linear in k");
  float total = start;
  for (int64_t k = from; k < to; ++k) {
    float a;
    float b;
    std::memcpy(&a, left + left_step * (k - from), sizeof a);
    std::memcpy(&b, right + right_step * (k - from), sizeof b);
    total = product_step(a, b, total, context_.fused_multiply_add);
  }
  return total;
}

/// One element of a tile; false where more blocks of K follow.
bool Interpreter::product(const Micro& micro, InnerRange range, float& result) {
  const auto [from, to] = range;
  int64_t extent = micro.k0.valid() ? value_of(micro.k_extent) : to;
  auto load = [&](const Access& access) {
    return std::bit_cast<float>(static_cast<uint32_t>(read(access, 0)));
  };
  bool fresh = !micro.carry || from % micro.chunk == 0;
  float sum = inner(micro, from, to, fresh ? 0.0F : load(*micro.carry));
  bool last = to >= extent;
  bool chunk_done = last || to % micro.chunk == 0;
  if (micro.totals && chunk_done && from >= micro.chunk) sum = load(*micro.totals) + sum;
  result = sum;
  if (last) return true;
  const std::optional<Access>& kept = micro.totals && chunk_done ? micro.totals : micro.carry;
  GRADUS_CHECK(kept.has_value(), "a block of K that is not the last, without a carry");
  write(*kept, 0, std::bit_cast<uint32_t>(sum));
  return false;
}

/// Element by element, not tile by tile: a tile's shape must not matter. Only ranges that depend on
/// i are those of the tile's first row, as kernel.h says.
void Interpreter::execute(const Tile& tile) {
  const int64_t i_from = value_of(tile.i_from);
  const int64_t i_to = value_of(tile.i_to);
  for (int64_t i = i_from; i < i_to; ++i) {
    // Ranges of k and j see the first row of the tile, all else the row itself.
    axes_[tile.i] = i - (i - i_from) % tile.i_step;
    const InnerRange inner{value_of(tile.micro.k_from), value_of(tile.micro.k_to)};
    const int64_t j_to = value_of(tile.j_to);
    for (int64_t j = value_of(tile.j_from); j < j_to; ++j) {
      axes_[tile.i] = i;
      axes_[tile.j] = j;
      float result = 0;
      if (!product(tile.micro, inner, result)) continue;
      values_[tile.micro.result] = {{std::bit_cast<uint32_t>(result)}};
      body(tile.epilogue);
    }
  }
}

void Interpreter::execute(const Pack& pack) {
  const Slot& slot = kernel_.slots[pack.to];
  int64_t row_from = value_of(pack.row_from);
  int64_t row_to = value_of(pack.row_to);
  int64_t column_from = value_of(pack.column_from);
  int64_t column_to = value_of(pack.column_to);
  int64_t columns = column_to - column_from;
  int64_t padded = round_up(columns, pack.width);
  size_t size = static_cast<size_t>(dtype_size(slot.dtype));
  Access to{pack.to, {}};
  for (int64_t row = 0; row < row_to - row_from; ++row) {
    for (int64_t column = 0; column < padded; ++column) {
      std::byte* target = element(to, {column / pack.width, row, column % pack.width});
      if (column >= columns) {
        std::memset(target, 0, size);
        continue;
      }
      axes_[pack.row_axis] = row_from + row;
      axes_[pack.column_axis] = column_from + column;
      std::memcpy(target, address(pack.from, 0), size);
    }
  }
}

}  // namespace

void run_kernel(const Kernel& kernel, const std::vector<BufferView>& buffers,
                const RunContext& context) {
  GRADUS_CHECK(buffers.size() == kernel.slots.size(), "one buffer per slot");
  Interpreter(kernel, buffers, context).run();
}

}  // namespace gradus::kernel
