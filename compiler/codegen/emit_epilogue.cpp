// The statements under a microkernel, on the finished tile while it is in registers. What depends
// on the column alone is done once a vector, what depends on the row alone once a row.
//
//     nothing   scale = 1 / n                        once a tile
//     column    bias[j]                              once a vector, kept for all rows
//     row       mask[i]                              once a row
//     both      relu(c[i,j] * scale + bias[j])       once a row and vector, then the store
//
// Invariant: statements keep their order within a group, and a group runs after all that its
// statements can read: the sets that they depend on only grow along a chain of uses.
#include <algorithm>

#include "codegen/emit.h"
#include "support/check.h"

namespace gradus::codegen {

using kernel::Stmt;
using llvm::Value;

namespace {

uint8_t bits(auto depends) { return static_cast<uint8_t>(depends); }

kernel::ValueId result_of(const Stmt& stmt) {
  if (auto* s = std::get_if<kernel::Let>(&stmt.body)) return s->result;
  if (auto* s = std::get_if<kernel::IndexOf>(&stmt.body)) return s->result;
  if (auto* s = std::get_if<kernel::Load>(&stmt.body)) return s->result;
  return {};
}

}  // namespace

KernelEmitter::Depends KernelEmitter::depends(
    const kernel::Tile& tile, const Stmt& stmt,
    const std::map<kernel::ValueId, Depends>& known) const {
  uint8_t found = 0;
  auto on_value = [&](kernel::ValueId id) {
    auto place = known.find(id);
    if (id.valid() && place != known.end()) found |= bits(place->second);
  };
  auto on_affine = [&](const kernel::Affine& affine) {
    for (const kernel::Affine::Term& term : affine.terms) {
      if (term.axis == tile.i) found |= bits(Depends::Row);
      if (term.axis == tile.j) found |= bits(Depends::Column);
    }
  };
  if (auto* s = std::get_if<kernel::Let>(&stmt.body)) {
    for (const kernel::Operand& each : s->operands) on_value(each.value);
  } else if (auto* index = std::get_if<kernel::IndexOf>(&stmt.body)) {
    on_affine(index->affine);
  } else if (auto* load = std::get_if<kernel::Load>(&stmt.body)) {
    on_value(load->where);
    for (const kernel::Index& each : load->from.indices) {
      on_affine(each.affine);
      on_value(each.loaded);
    }
  } else {
    GRADUS_CHECK(std::holds_alternative<kernel::Store>(stmt.body),
                 "an epilogue of plain statements");
    return Depends::Both;
  }
  return static_cast<Depends>(found);
}

/// What a statement reads or writes if those are the tile's own elements of a matrix whose columns
/// lie side by side.
const kernel::Access* KernelEmitter::tile_access(const kernel::Tile& tile, const Stmt& stmt) const {
  const auto* load = std::get_if<kernel::Load>(&stmt.body);
  const auto* store = std::get_if<kernel::Store>(&stmt.body);
  if (!load && !store) return nullptr;
  const kernel::Access& access = load ? load->from : store->to;
  if (kernel_.slots[access.slot].space == kernel::SlotSpace::Worker) return nullptr;
  for (const kernel::Index& each : access.indices) {
    if (each.loaded.valid()) return nullptr;
  }
  const Linear place = linear(access);
  return place.coefficient(tile.i) != 0 && place.coefficient(tile.j) == 1 ? &access : nullptr;
}

/// What the epilogue reads and writes of the tile's own elements is prefetched before the sums,
/// which take long enough for it to come.
void KernelEmitter::prefetch_epilogue(const MicroTile& micro) {
  for (const Stmt& stmt : micro.tile->epilogue) {
    const kernel::Access* access = tile_access(*micro.tile, stmt);
    if (!access) continue;
    const kernel::Slot& slot = kernel_.slots[access->slot];
    const bool write = std::holds_alternative<kernel::Store>(stmt.body);
    // What is read as well has been prefetched; what is cache-resident needs none.
    if (write && (slot.dir == kernel::SlotDir::InOut || !exceeds_l2())) continue;
    int64_t vector_bytes = target_.lanes * dtype_size(slot.dtype);
    int64_t vectors_of_line = std::max<int64_t>(1, kCacheLine / vector_bytes);
    for (int64_t row = 0; row < micro.tile->i_step; ++row) {
      set_row(micro, row, true);
      for (int64_t vector = 0; vector < micro.vectors; vector += vectors_of_line) {
        set_column(micro, vector);
        prefetch(address(*access), 3, write);
      }
    }
  }
  lanes_ = {};
}

void KernelEmitter::emit_epilogue(const MicroTile& micro) {
  const kernel::Tile& tile = *micro.tile;
  std::map<kernel::ValueId, Depends> known = {{tile.micro.result, Depends::Both}};
  std::map<Depends, std::vector<const Stmt*>> groups;
  for (const Stmt& stmt : tile.epilogue) {
    Depends how = depends(tile, stmt, known);
    groups[how].push_back(&stmt);
    if (result_of(stmt).valid()) known[result_of(stmt)] = how;
  }
  auto run = [&](Depends how) {
    for (const Stmt* stmt : groups[how]) {
      std::visit([&](const auto& statement) { emit(statement); }, stmt->body);
    }
  };
  lanes_ = {};
  run(Depends::None);
  auto vectors = static_cast<size_t>(micro.vectors);
  std::map<kernel::ValueId, std::vector<Value*>> columns;
  for (size_t v = 0; v < vectors; ++v) {
    set_column(micro, static_cast<int64_t>(v));
    run(Depends::Column);
    for (const Stmt* stmt : groups[Depends::Column]) {
      columns[result_of(*stmt)].push_back(values_[result_of(*stmt)]);
    }
  }
  for_rows(micro, [&](int64_t row) {
    set_row(micro, row, false);
    lanes_ = {};
    run(Depends::Row);
    for (size_t v = 0; v < vectors; ++v) {
      set_column(micro, static_cast<int64_t>(v));
      values_[tile.micro.result] = micro.sums[static_cast<size_t>(row)][v];
      for (const auto& [id, values] : columns) values_[id] = values[v];
      run(Depends::Both);
    }
  });
  lanes_ = {};
}

}  // namespace gradus::codegen
