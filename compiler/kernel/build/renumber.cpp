// One overload for each kind of statement; what has no number is not mentioned. Indices are changed
// before their access, so that the access's own change (another slot, another form) sees new
// numbers only.
#include "kernel/build/renumber.h"

#include <algorithm>

namespace gradus::kernel {

namespace {

class Renumberer {
 public:
  explicit Renumberer(const Renumbering& to) : to_(to) {}

  void body(std::vector<Stmt>& stmts) {
    for (Stmt& stmt : stmts) {
      std::visit([&](auto& statement) { change(statement); }, stmt.body);
    }
  }

 private:
  const Renumbering& to_;

  void change(AxisId& id) {
    if (id.valid()) id = to_.axes[id];
  }
  void change(ValueId& id) {
    if (id.valid()) id = to_.values[id];
  }
  void change(Operand& operand) { change(operand.value); }
  void change(Affine& affine) {
    for (Affine::Term& term : affine.terms) {
      change(term.axis);
      if (to_.scaled.valid() && term.axis == to_.scaled) term.coefficient *= to_.scale;
    }
    std::ranges::sort(affine.terms, {}, &Affine::Term::axis);
  }
  void change(Bound& bound) {
    change(bound.value);
    if (bound.cap) change(*bound.cap);
  }
  void change(Access& access) {
    for (Index& index : access.indices) {
      change(index.affine);
      change(index.loaded);
    }
    to_.access(access);
  }
  void change(std::optional<Access>& access) {
    if (access) change(*access);
  }

  void change(Loop& loop) {
    change(loop.axis);
    change(loop.from);
    change(loop.to);
    for (FoldResult& fold : loop.folds) change(fold.result);
    body(loop.body);
  }
  void change(Let& let) {
    change(let.result);
    for (Operand& operand : let.operands) change(operand);
  }
  void change(IndexOf& index) {
    change(index.result);
    change(index.affine);
  }
  void change(Load& load) {
    change(load.result);
    change(load.from);
    change(load.where);
  }
  void change(Store& store) {
    change(store.to);
    change(store.value);
  }
  void change(Fold& fold) {
    change(fold.into);
    change(fold.value);
  }
  void change(Micro& micro) {
    change(micro.result);
    change(micro.k);
    change(micro.k_from);
    change(micro.k_to);
    change(micro.left);
    change(micro.right);
    change(micro.carry);
    change(micro.totals);
    change(micro.k0);
    change(micro.k_extent);
  }
  void change(Tile& tile) {
    change(tile.i);
    change(tile.i_from);
    change(tile.i_to);
    change(tile.j);
    change(tile.j_from);
    change(tile.j_to);
    change(tile.micro);
    body(tile.epilogue);
  }
  void change(Pack& pack) {
    pack.to = to_.slot(pack.to);
    change(pack.from);
    change(pack.row_axis);
    change(pack.row_from);
    change(pack.row_to);
    change(pack.column_axis);
    change(pack.column_from);
    change(pack.column_to);
  }
  void change(If& branch) {
    change(branch.condition);
    body(branch.body);
  }
};

}  // namespace

void renumber(std::vector<Stmt>& body, const Renumbering& to) { Renumberer(to).body(body); }

}  // namespace gradus::kernel
