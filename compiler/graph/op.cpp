// The table by kind and by name, and the random bits that evaluator and emitter share.
#include "graph/op.h"

#include <fmt/format.h>

#include <array>
#include <map>
#include <utility>

#include "graph/ops/rows.h"
#include "support/check.h"

namespace gradus {

namespace {

constexpr size_t kOpCount = 0
#define OP(name, cls) +1
#include "graph/ops.def"
#undef OP
    ;

struct Table {
  std::array<const OpDef*, kOpCount> rows = {};
  std::map<std::string_view, OpKind> by_name;

  Table() {
    for (std::span<const OpDef> group :
         {leaf_rows(), pointwise_rows(), reduce_rows(), contract_rows(), layout_rows(),
          indexed_rows(), derivative_rows()}) {
      for (const OpDef& row : group) {
        rows[static_cast<size_t>(row.kind)] = &row;
        by_name[row.name] = row.kind;
      }
    }
    for (const OpDef* row : rows) GRADUS_CHECK(row, "an operator of ops.def has no row");
  }
};

Table& table() {
  static Table instance;
  return instance;
}

Scalar rotate_left(ScalarBuilder& b, Scalar x, int count) {
  return b.bit_or(b.shift_left(x, count), b.shift_right_logical(x, 32 - count));
}

}  // namespace

const OpDef& op_def(OpKind kind) { return *table().rows[static_cast<size_t>(kind)]; }

std::span<const OpDef* const> all_ops() { return table().rows; }

std::optional<OpKind> op_from_name(std::string_view name) {
  auto found = table().by_name.find(name);
  if (found == table().by_name.end()) return std::nullopt;
  return found->second;
}

const OpDef* replace_op_def_for_test(OpKind kind, const OpDef* row) {
  return std::exchange(table().rows[static_cast<size_t>(kind)], row);
}

ShapeResult checked_type(TensorType type) {
  if (checked_count(type.shape)) return type;
  return ShapeProblem{
      fmt::format("{} is no size of a tensor: every size is at least 1, `batch` stands once, and "
                  "there are at most 2^62 elements",
                  to_string(type)),
      -1};
}

ShapeResult given_or_problem(const TensorType* given) {
  if (!given) return ShapeProblem{"the type of the result has to be given", -1};
  return checked_type(*given);
}

Scalar random_bits_scalar(ScalarBuilder& b, Scalar seed, Scalar stream, Scalar step, Scalar index) {
  constexpr int kRotations[8] = {13, 15, 26, 6, 17, 29, 16, 24};
  Scalar keys[3] = {seed, stream, b.bit_xor(b.bit_xor(seed, stream), b.bits(0x1BD11BDA))};
  Scalar x = b.add(step, keys[0]), y = b.add(index, keys[1]);
  for (int round = 0; round < 20; ++round) {
    x = b.add(x, y);
    y = b.bit_xor(rotate_left(b, y, kRotations[round % 8]), x);
    if (round % 4 != 3) continue;
    int injection = round / 4 + 1;
    x = b.add(x, keys[injection % 3]);
    y = b.add(b.add(y, keys[(injection + 1) % 3]), b.bits(static_cast<uint32_t>(injection)));
  }
  return x;
}

}  // namespace gradus
