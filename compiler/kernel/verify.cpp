// The invariants of a kernel, in the order in which its text shows them:
//   slots: as many strides as extents; worker slots have fixed extents and aligned places;
//   loops: `par` outermost and perfectly nested, `lanes` innermost; an axis stands in one loop at a
//   time; values: defined once, before their uses, in a scope that encloses them (or held); types:
//   those of the operator's row; accesses have an index per extent, stores follow the lanes.
//
// What it cannot see are values of indices: whether an access stays in its slot depends on data and
// on n. The interpreter checks that at run time (run.cpp).
//
// One walk in text order. A value is Undefined, then Visible from its statement to the end of its
// scope; a held one can be Visible again in later lanes loops of the same range; then Gone. A value
// is thus never read where another iteration, or none, has made it.
#include <fmt/format.h>

#include <type_traits>

#include "graph/op.h"
#include "kernel/scratch.h"
#include "kernel/text.h"
#include "kernel/walk.h"

namespace gradus::kernel {

namespace {

struct Breach {
  std::string message;
};

class Verifier {
 public:
  explicit Verifier(const Kernel& kernel) : kernel_(kernel) {}
  void run();

 private:
  enum class Visibility : uint8_t { Undefined, Visible, Held, Gone };
  struct HeldValue {
    ValueId id;
    Affine from;
    Bound to;
    int64_t step;
  };

  const Kernel& kernel_;
  IdVector<ValueId, Visibility> values_;
  IdVector<AxisId, bool> axes_;
  IdVector<SlotId, bool> packed_;
  std::vector<ValueId> scope_;  // visible values, in order of definition
  std::vector<HeldValue> held_;
  const Loop* lanes_ = nullptr;  // the lanes loop around
  const Tile* tile_ = nullptr;   // the tile whose epilogue this is
  bool items_only_ = true;       // nothing but `par` so far

  /// A message that is put together is given as a function: most are never read.
  template <typename Message>
  void require(bool holds, Message message) const {
    if (holds) return;
    if constexpr (std::is_invocable_v<Message>) {
      throw Breach{message()};
    } else {
      throw Breach{message};
    }
  }
  void slot(const Slot& slot) const;
  void define(ValueId id);
  void use(ValueId id) const;
  DType type(const Operand& operand) const {
    return operand.value.valid() ? kernel_.values[operand.value] : operand.dtype;
  }
  void enter(AxisId axis);
  void leave(AxisId axis) { axes_[axis] = false; }
  void leave_scope(size_t begin);
  void affine(const Affine& affine) const;
  void bound(const Bound& bound) const;
  void access(const Access& access) const;
  void writable(SlotId slot) const;
  bool follows(const Access& access, AxisId axis) const;

  void body(const std::vector<Stmt>& stmts);
  void scoped(const std::vector<Stmt>& stmts);
  void check(const Loop& loop);
  void check(const Let& let);
  void check(const IndexOf& index);
  void check(const Load& load);
  void check(const Store& store);
  void check(const Fold& fold);
  void check(const Tile& tile);
  void check(const Pack& pack);
  void check(const If& branch);
  void lanes_body(const Loop& loop);
  void micro(const Micro& micro);
};

void Verifier::slot(const Slot& slot) const {
  require(slot.strides.size() == slot.extents.size(), [&] {
    return fmt::format("slot `{}` has another number of strides than extents", slot.name);
  });
  for (SlotId other : slot.may_share) {
    require(other.valid() && other.index() < kernel_.slots.size(), [&] {
      return fmt::format("slot `{}` may share with one that is not there", slot.name);
    });
  }
  if (slot.space != SlotSpace::Worker) return;
  for (Dim extent : slot.extents) {
    require(!extent.batch, [&] {
      return fmt::format("worker slot `{}` has a size known at run time only", slot.name);
    });
  }
  require(slot.worker_offset >= 0 && slot.worker_offset % 64 == 0,
          [&] { return fmt::format("worker slot `{}` is not aligned", slot.name); });
}

void Verifier::define(ValueId id) {
  require(id.valid() && id.index() < values_.size(), "a value that is not in the kernel's list");
  require(values_[id] == Visibility::Undefined, "a value is defined twice");
  values_[id] = Visibility::Visible;
  scope_.push_back(id);
}

void Verifier::use(ValueId id) const {
  require(id.valid() && id.index() < values_.size(), "a value that is not in the kernel's list");
  require(values_[id] == Visibility::Visible, "a value is used where it is not defined");
}

void Verifier::enter(AxisId axis) {
  require(axis.valid() && axis.index() < axes_.size(), "an axis that is not in the kernel's list");
  require(!axes_[axis], [&] {
    return fmt::format("axis `{}` stands in two loops at once", kernel_.axes[axis].name);
  });
  axes_[axis] = true;
}

void Verifier::leave_scope(size_t begin) {
  for (size_t i = begin; i < scope_.size(); ++i) values_[scope_[i]] = Visibility::Gone;
  scope_.resize(begin);
}

void Verifier::affine(const Affine& affine) const {
  for (const Affine::Term& term : affine.terms) {
    require(term.axis.valid() && term.axis.index() < axes_.size() && axes_[term.axis],
            "an axis is used outside its loop");
    require(term.coefficient != 0, "a term with coefficient 0");
  }
}

void Verifier::bound(const Bound& bound) const {
  affine(bound.value);
  require(bound.divisor >= 1, "a bound divided by less than 1");
  if (bound.cap) affine(*bound.cap);
}

void Verifier::access(const Access& access) const {
  require(access.slot.valid() && access.slot.index() < kernel_.slots.size(),
          "a slot that is not in the kernel's list");
  const Slot& slot = kernel_.slots[access.slot];
  size_t expected = packed_[access.slot] ? 2 : slot.extents.size();
  require(access.indices.size() == expected, [&] {
    return fmt::format("slot `{}` is read or written with {} indices, it has {}", slot.name,
                       access.indices.size(), expected);
  });
  for (const Index& index : access.indices) {
    affine(index.affine);
    if (!index.loaded.valid()) continue;
    use(index.loaded);
    require(is_integer(kernel_.values[index.loaded]), "an index that is no integer");
  }
}

void Verifier::writable(SlotId id) const {
  const Slot& slot = kernel_.slots[id];
  require(slot.space == SlotSpace::Worker || slot.dir != SlotDir::In,
          [&] { return fmt::format("slot `{}` is written but declared `in`", slot.name); });
}

/// Lanes that store to one element would race: which of them stays is nobody's choice.
bool Verifier::follows(const Access& access, AxisId axis) const {
  for (const Index& index : access.indices) {
    // A loaded index may differ in each lane; what it is made of is not asked here.
    if (index.loaded.valid()) return true;
    for (const Affine::Term& term : index.affine.terms) {
      if (term.axis == axis) return true;
    }
  }
  return false;
}

void Verifier::body(const std::vector<Stmt>& stmts) {
  for (const Stmt& stmt : stmts) {
    std::visit([&](const auto& s) { check(s); }, stmt.body);
  }
}

/// A body whose values are not seen after it.
void Verifier::scoped(const std::vector<Stmt>& stmts) {
  size_t begin = scope_.size();
  size_t held = held_.size();
  body(stmts);
  leave_scope(begin);
  for (size_t i = held; i < held_.size(); ++i) values_[held_[i].id] = Visibility::Gone;
  held_.resize(held);
}

void Verifier::check(const Loop& loop) {
  require(!lanes_, "a loop inside `lanes`");
  require(!tile_, "a loop in the epilogue of a tile");
  require(loop.step >= 1, "a step of less than 1");
  affine(loop.from);
  bound(loop.to);
  if (loop.kind == LoopKind::Par) {
    require(items_only_, "a `par` loop inside another kind of loop");
    const Loop* inner = loop.body.empty() ? nullptr : std::get_if<Loop>(&loop.body.front().body);
    items_only_ = inner && inner->kind == LoopKind::Par;
    require(!items_only_ || loop.body.size() == 1, "`par` loops are not perfectly nested");
  } else {
    items_only_ = false;
  }
  require(loop.kind == LoopKind::Lanes || (loop.folds.empty() && !loop.held),
          "only `lanes` loops hold and fold");
  enter(loop.axis);
  if (loop.kind == LoopKind::Lanes) {
    lanes_body(loop);
  } else {
    scoped(loop.body);
  }
  leave(loop.axis);
}

/// Values of held loops are lent to a loop of the same range: vector v there is vector v here. With
/// another range a value's lanes would be other columns.
void Verifier::lanes_body(const Loop& loop) {
  std::vector<ValueId> borrowed;
  for (const HeldValue& value : held_) {
    if (value.from != loop.from || value.to != loop.to || value.step != loop.step) continue;
    values_[value.id] = Visibility::Visible;
    borrowed.push_back(value.id);
  }
  size_t begin = scope_.size();
  lanes_ = &loop;
  body(loop.body);
  lanes_ = nullptr;
  std::vector<ValueId> made(scope_.begin() + static_cast<std::ptrdiff_t>(begin), scope_.end());
  leave_scope(begin);
  for (ValueId id : borrowed) values_[id] = Visibility::Held;
  if (loop.held) {
    for (ValueId id : made) {
      values_[id] = Visibility::Held;
      held_.push_back({id, loop.from, loop.to, loop.step});
    }
  }
  for (const FoldResult& fold : loop.folds) {
    require(op_def(fold.op).cls == OpClass::Reduce, "a fold that is no reduction");
    define(fold.result);
    require(fold.op != OpKind::Argmax || kernel_.values[fold.result] == DType::I32,
            "argmax gives an i32");
  }
}

void Verifier::check(const Let& let) {
  std::vector<TensorType> types;
  for (const Operand& operand : let.operands) {
    if (operand.value.valid()) use(operand.value);
    types.push_back({type(operand), {}});
  }
  define(let.result);
  TensorType given{kernel_.values[let.result], {}};
  const OpDef& def = op_def(let.op);
  require(def.cls == OpClass::Pointwise || def.cls == OpClass::Leaf,
          [&] { return fmt::format("`{}` is no operation on single elements", def.name); });
  if (let.op == OpKind::RandomBits) {
    require(types.size() == 1 && types[0].dtype == DType::I32 && given.dtype == DType::I32,
            "`random_bits` takes an i32 and gives one");
    return;
  }
  if (def.cls == OpClass::Leaf) {
    require(types.empty(), [&] { return fmt::format("`{}` takes no operands", def.name); });
    return;
  }
  require(def.arity == static_cast<int>(types.size()), [&] {
    return fmt::format("`{}` takes {} operands, found {}", def.name, def.arity, types.size());
  });
  ShapeResult result = def.shape(types, Attrs{}, &given);
  if (const ShapeProblem* problem = std::get_if<ShapeProblem>(&result)) {
    throw Breach{fmt::format("`{}`: {}", def.name, problem->message)};
  }
  require(std::get<TensorType>(result).dtype == given.dtype, [&] {
    return fmt::format("`{}` gives {}, found {}", def.name,
                       dtype_name(std::get<TensorType>(result).dtype), dtype_name(given.dtype));
  });
}

void Verifier::check(const IndexOf& index) {
  affine(index.affine);
  define(index.result);
  require(kernel_.values[index.result] == DType::I32, "`index` gives an i32");
}

void Verifier::check(const Load& load) {
  access(load.from);
  if (load.where.valid()) {
    use(load.where);
    require(kernel_.values[load.where] == DType::Bool, "the condition of a load is no bool");
  }
  define(load.result);
  require(kernel_.values[load.result] == kernel_.slots[load.from.slot].dtype,
          "a load of another type than its slot's");
}

void Verifier::check(const Store& store) {
  access(store.to);
  writable(store.to.slot);
  if (store.value.value.valid()) use(store.value.value);
  require(type(store.value) == kernel_.slots[store.to.slot].dtype,
          "a store of another type than its slot's");
  require(!lanes_ || follows(store.to, lanes_->axis), "a store that does not follow the lanes");
  require(!tile_ || follows(store.to, tile_->j), "a store that does not follow the tile's lanes");
}

void Verifier::check(const Fold& fold) {
  require(lanes_, "a fold outside `lanes`");
  bool declared = false;
  for (const FoldResult& result : lanes_->folds) {
    if (result.result != fold.into) continue;
    declared = true;
    require(result.op == OpKind::Argmax || type(fold.value) == kernel_.values[fold.into],
            "a fold of another type than its result's");
  }
  require(declared, "a fold into a value that the loop does not declare");
  if (fold.value.value.valid()) use(fold.value.value);
}

void Verifier::micro(const Micro& micro) {
  affine(micro.k_from);
  bound(micro.k_to);
  affine(micro.k_extent);
  enter(micro.k);
  access(micro.left);
  access(micro.right);
  leave(micro.k);
  require(!micro.totals || micro.carry, "totals without a carry");
  require(!micro.carry || micro.k0.valid(), "a carry without blocks");
  require(micro.chunk >= 1, "a chunk of less than 1");
  if (micro.k0.valid()) affine(Affine::of(micro.k0));
  for (const std::optional<Access>* kept : {&micro.carry, &micro.totals}) {
    if (!*kept) continue;
    access(**kept);
    writable((*kept)->slot);
  }
  for (SlotId slot : {micro.left.slot, micro.right.slot}) {
    require(kernel_.slots[slot].dtype == DType::F32, "a product of another type than f32");
  }
}

void Verifier::check(const Tile& tile) {
  require(!lanes_ && !tile_, "a tile inside `lanes` or another tile");
  require(tile.i_step >= 1 && tile.j_step >= 1, "a step of less than 1");
  affine(tile.i_from);
  bound(tile.i_to);
  enter(tile.i);
  affine(tile.j_from);
  bound(tile.j_to);
  enter(tile.j);
  micro(tile.micro);
  size_t begin = scope_.size();
  define(tile.micro.result);
  require(kernel_.values[tile.micro.result] == DType::F32, "a tile of another type than f32");
  tile_ = &tile;
  body(tile.epilogue);
  tile_ = nullptr;
  leave_scope(begin);
  leave(tile.j);
  leave(tile.i);
}

void Verifier::check(const Pack& pack) {
  require(!lanes_ && !tile_, "a pack inside `lanes` or a tile");
  require(pack.to.valid() && pack.to.index() < kernel_.slots.size(),
          "a slot that is not in the kernel's list");
  const Slot& to = kernel_.slots[pack.to];
  require(to.space == SlotSpace::Worker && to.extents.size() == 3,
          "a pack goes to a worker slot of panels, rows and columns");
  require(pack.width >= 1 && to.extents[2].value == pack.width,
          "the panels have another width than their slot");
  affine(pack.row_from);
  bound(pack.row_to);
  affine(pack.column_from);
  bound(pack.column_to);
  enter(pack.row_axis);
  enter(pack.column_axis);
  access(pack.from);
  require(kernel_.slots[pack.from.slot].dtype == to.dtype, "a pack changes no types");
  leave(pack.column_axis);
  leave(pack.row_axis);
}

void Verifier::check(const If& branch) {
  require(!lanes_ && !tile_, "`if` inside `lanes` or a tile");
  use(branch.condition);
  require(kernel_.values[branch.condition] == DType::Bool, "the condition of an `if` is no bool");
  items_only_ = false;
  scoped(branch.body);
}

void Verifier::run() {
  for (const Slot& item : kernel_.slots) slot(item);
  values_.resize(kernel_.values.size(), Visibility::Undefined);
  axes_.resize(kernel_.axes.size(), false);
  packed_.resize(kernel_.slots.size(), false);
  walk(kernel_.body, [&](const Stmt& stmt) {
    const Pack* pack = std::get_if<Pack>(&stmt.body);
    if (pack && pack->to.valid() && pack->to.index() < packed_.size()) packed_[pack->to] = true;
  });
  require(scratch_end(kernel_) <= kernel_.worker_bytes, "worker slots reach beyond worker_bytes");
  const Loop* first =
      kernel_.body.empty() ? nullptr : std::get_if<Loop>(&kernel_.body.front().body);
  items_only_ = first && first->kind == LoopKind::Par;
  require(!items_only_ || kernel_.body.size() == 1, "`par` loops are not perfectly nested");
  body(kernel_.body);
}

}  // namespace

std::optional<std::string> verify_kernel(const Kernel& kernel) {
  try {
    Verifier(kernel).run();
  } catch (const Breach& breach) {
    return breach.message;
  }
  return std::nullopt;
}

}  // namespace gradus::kernel
