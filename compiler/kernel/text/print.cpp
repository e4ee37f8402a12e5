// Kernel text out. Axes and values are numbered in the order of the text, so that reading the text
// and printing it again gives the same bytes; equal names are made different by a number.
//
// The canonical form leaves out all that does not reach the code: names, costs, nodes. Kernels
// whose canonical texts are equal share one function.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "graph/op.h"
#include "graph/text.h"
#include "kernel/scratch.h"
#include "kernel/text.h"
#include "kernel/walk.h"

namespace gradus::kernel {

namespace {

/// Words that stand where an axis may stand.
const std::set<std::string> kReserved = {"n", "max", "ceil", "step", "held", "panels", "padded"};

}  // namespace

std::string word_text(const std::string& name) {
  std::string word;
  for (char c : name) {
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    word += plain || (c == '.' && !word.empty() && word.back() != '.') ? c : '_';
  }
  while (!word.empty() && word.back() == '.') word.pop_back();
  if (word.empty() || (word[0] >= '0' && word[0] <= '9') || kReserved.count(word))
    word = "_" + word;
  return word;
}

namespace {

/// `name` as a word of kernel text that is not in `used`, and is added to it.
std::string unique_name(const std::string& name, std::set<std::string>& used) {
  const std::string word = word_text(name);
  std::string result = word;
  for (int number = 2; !used.insert(result).second; ++number) {
    result = fmt::format("{}_{}", word, number);
  }
  return result;
}

std::string dim_text(Dim dim) {
  if (!dim.batch) return std::to_string(dim.value);
  return dim.value == 1 ? "n" : fmt::format("n*{}", dim.value);
}

std::string integers_text(const std::vector<int64_t>& values) {
  return fmt::format("[{}]", fmt::join(values, ","));
}

class Printer {
 public:
  Printer(const Kernel& kernel, bool canonical) : kernel_(kernel), canonical_(canonical) {
    name_slots();
    number(kernel.body);
  }

  std::string print();

 private:
  const Kernel& kernel_;
  bool canonical_;  // for sharing: no names of its own, no origin
  std::string out_;
  std::vector<std::string> slot_names_;
  std::set<std::string> used_axis_names_;
  IdVector<AxisId, std::string> axis_names_;
  IdVector<AxisId, size_t> axis_order_;
  IdVector<ValueId, size_t> value_numbers_;
  size_t axis_count_ = 0;
  size_t value_count_ = 0;

  void name_slots();
  void define(AxisId axis);
  void define(ValueId value);
  void number(const std::vector<Stmt>& body);
  void number(const Stmt& stmt);

  void line(int depth, const std::string& text) {
    out_.append(2 * static_cast<size_t>(depth), ' ');
    out_ += text;
    out_ += '\n';
  }
  void header();
  void slot(const Slot& slot, const std::string& name);
  void body(int depth, const std::vector<Stmt>& stmts);
  void statement(int depth, const Stmt& stmt);
  void loop(int depth, const Loop& loop);
  void tile(int depth, const Tile& tile);

  std::string value(ValueId id) const { return "%" + std::to_string(value_numbers_[id]); }
  const std::string& axis(AxisId id) const { return axis_names_[id]; }
  std::string_view dtype(ValueId id) const { return dtype_name(kernel_.values[id]); }
  std::string affine(const Affine& affine) const;
  std::string bound(const Bound& bound) const;
  std::string range(const Affine& from, const Bound& to) const {
    return fmt::format("{}..{}", affine(from), bound(to));
  }
  std::string access(const Access& access) const;
  std::string operand(const Operand& operand) const;
  std::string constant(double value, DType dtype) const;
  std::string micro(const Micro& micro) const;
  std::string pack(const Pack& pack) const;
  std::string let(const Let& let) const;
  std::string load(const Load& load) const;
};

void Printer::name_slots() {
  if (!canonical_) slot_names_ = slot_names(kernel_);
  while (slot_names_.size() < kernel_.slots.size()) {
    slot_names_.push_back(fmt::format("s{}", slot_names_.size()));
  }
}

void Printer::define(AxisId id) {
  if (!axis_names_[id].empty()) return;
  std::string name = canonical_ ? fmt::format("a{}", axis_count_) : kernel_.axes[id].name;
  axis_names_[id] = unique_name(name, used_axis_names_);
  axis_order_[id] = axis_count_++;
}

void Printer::define(ValueId id) {
  if (id.valid() && value_numbers_[id] == SIZE_MAX) value_numbers_[id] = value_count_++;
}

void Printer::number(const std::vector<Stmt>& stmts) {
  axis_names_.resize(kernel_.axes.size());
  axis_order_.resize(kernel_.axes.size());
  value_numbers_.resize(kernel_.values.size(), SIZE_MAX);
  walk(stmts, [&](const Stmt& stmt) { number(stmt); });
}

void Printer::number(const Stmt& stmt) {
  std::visit(Overloaded{[&](const Loop& loop) {
                          define(loop.axis);
                          for (const FoldResult& fold : loop.folds) define(fold.result);
                        },
                        [&](const Let& let) { define(let.result); },
                        [&](const IndexOf& index) { define(index.result); },
                        [&](const Load& load) { define(load.result); },
                        [&](const Tile& tile) {
                          define(tile.i);
                          define(tile.j);
                          define(tile.micro.k);
                          define(tile.micro.result);
                        },
                        [&](const Pack& pack) {
                          define(pack.row_axis);
                          define(pack.column_axis);
                        },
                        [&](const auto&) {}},
             stmt.body);
}

std::string Printer::affine(const Affine& value) const {
  std::vector<Affine::Term> terms = value.terms;
  std::sort(terms.begin(), terms.end(), [&](const Affine::Term& a, const Affine::Term& b) {
    // Positive ones first: `k-k0`.
    return std::pair(a.coefficient < 0, axis_order_[a.axis]) <
           std::pair(b.coefficient < 0, axis_order_[b.axis]);
  });
  std::string out;
  auto add = [&](const std::string& name, int64_t factor) {
    if (factor == 0) return;
    out += factor < 0 ? "-" : out.empty() ? "" : "+";
    out += name;
    int64_t size = factor < 0 ? -factor : factor;
    if (size != 1) out += "*" + std::to_string(size);
  };
  for (const Affine::Term& term : terms) add(axis(term.axis), term.coefficient);
  add("n", value.per_n);
  if (out.empty()) return std::to_string(value.constant);
  if (value.constant == 0) return out;
  return out + (value.constant > 0 ? "+" : "") + std::to_string(value.constant);
}

std::string Printer::bound(const Bound& bound) const {
  std::string out = affine(bound.value);
  if (bound.divisor != 1) out = fmt::format("ceil({} / {})", out, bound.divisor);
  return bound.cap ? fmt::format("{} max {}", out, affine(*bound.cap)) : out;
}

// Most of the text is made by the next few: they append, which is several times faster than format.

std::string Printer::access(const Access& access) const {
  std::string out = slot_names_[access.slot.index()] + "[";
  for (size_t i = 0; i < access.indices.size(); ++i) {
    const Index& index = access.indices[i];
    const bool loaded = index.loaded.valid(), zero = index.affine == Affine{};
    if (i > 0) out += ',';
    if (!zero || !loaded) out += affine(index.affine);
    if (!zero && loaded) out += '+';
    if (loaded) out += value(index.loaded);
  }
  return out + "]";
}

std::string Printer::constant(double number, DType type) const {
  switch (type) {
    case DType::Bool:
      return number != 0 ? "true" : "false";
    case DType::I32:
      return std::to_string(static_cast<int64_t>(number));
    case DType::I64:
      return fmt::format("i64({})", static_cast<int64_t>(number));
    case DType::F32:
      return float_text(number, type);
    case DType::F64:
      return fmt::format("f64({})", float_text(number, type));
  }
  return "";
}

std::string Printer::operand(const Operand& operand) const {
  return operand.value.valid() ? value(operand.value) : constant(operand.constant, operand.dtype);
}

std::string Printer::let(const Let& let) const {
  std::string out = value(let.result) + " = ";
  out += op_def(let.op).name;
  const char* separator = " ";
  for (const Operand& item : let.operands) {
    out += separator + operand(item);
    separator = ", ";
  }
  if (let.op == OpKind::RandomBits) out += fmt::format(" {{stream={}}}", let.stream);
  out += " : ";
  return out += dtype(let.result);
}

std::string Printer::load(const Load& load) const {
  std::string out = value(load.result) + " = load " + access(load.from);
  if (load.where.valid()) {
    out += fmt::format(" where {} else {}", value(load.where),
                       constant(load.default_value, kernel_.values[load.result]));
  }
  out += " : ";
  return out += dtype(load.result);
}

std::string Printer::micro(const Micro& micro) const {
  std::string out =
      fmt::format("micro {} = sum {} {}: {} * {}", value(micro.result), axis(micro.k),
                  range(micro.k_from, micro.k_to), access(micro.left), access(micro.right));
  if (micro.carry) out += fmt::format(" carry {}", access(*micro.carry));
  if (micro.totals) {
    out += fmt::format(" totals {} chunk {}", access(*micro.totals), micro.chunk);
  }
  if (micro.k0.valid()) {
    out += fmt::format(" first {}==0 last {}", axis(micro.k0), affine(micro.k_extent));
  }
  return out;
}

std::string Printer::pack(const Pack& pack) const {
  return fmt::format("pack {} = {} {} {}, {} {} panels {}", slot_names_[pack.to.index()],
                     access(pack.from), axis(pack.row_axis), range(pack.row_from, pack.row_to),
                     axis(pack.column_axis), range(pack.column_from, pack.column_to), pack.width);
}

void Printer::loop(int depth, const Loop& loop) {
  static constexpr const char* kKinds[] = {"par", "seq", "lanes"};
  std::string text = fmt::format("{} {} {}", kKinds[static_cast<size_t>(loop.kind)],
                                 axis(loop.axis), range(loop.from, loop.to));
  if (loop.step != 1) text += fmt::format(" step {}", loop.step);
  if (loop.held) text += " held";
  if (loop.padded) text += " padded";
  const char* separator = " -> ";
  for (const FoldResult& fold : loop.folds) {
    text += fmt::format("{}{} = {} : {}", separator, value(fold.result), op_def(fold.op).name,
                        dtype(fold.result));
    separator = ", ";
  }
  line(depth, text);
  body(depth + 1, loop.body);
}

void Printer::tile(int depth, const Tile& tile) {
  line(depth,
       fmt::format("tile {} {} step {}, {} {} step {}{}", axis(tile.i),
                   range(tile.i_from, tile.i_to), tile.i_step, axis(tile.j),
                   range(tile.j_from, tile.j_to), tile.j_step, tile.padded ? " padded" : ""));
  line(depth + 1, micro(tile.micro));
  if (tile.epilogue.empty()) return;
  line(depth + 1, "at last");
  body(depth + 2, tile.epilogue);
}

void Printer::statement(int depth, const Stmt& stmt) {
  std::visit(
      Overloaded{
          [&](const Loop& s) { loop(depth, s); }, [&](const Let& s) { line(depth, let(s)); },
          [&](const IndexOf& s) {
            line(depth, fmt::format("{} = index {} : {}", value(s.result), affine(s.affine),
                                    dtype(s.result)));
          },
          [&](const Load& s) { line(depth, load(s)); },
          [&](const Store& s) { line(depth, "store " + access(s.to) + ", " + operand(s.value)); },
          [&](const Fold& s) {
            line(depth, fmt::format("fold {}, {}", value(s.into), operand(s.value)));
          },
          [&](const Tile& s) { tile(depth, s); }, [&](const Pack& s) { line(depth, pack(s)); },
          [&](const If& s) {
            line(depth, "if " + value(s.condition));
            body(depth + 1, s.body);
          }},
      stmt.body);
}

void Printer::body(int depth, const std::vector<Stmt>& stmts) {
  for (const Stmt& stmt : stmts) statement(depth, stmt);
}

void Printer::slot(const Slot& slot, const std::string& name) {
  static constexpr const char* kDirs[] = {"in", "out", "inout"};
  std::vector<std::string> extents;
  for (Dim dim : slot.extents) extents.push_back(dim_text(dim));
  bool worker = slot.space == SlotSpace::Worker;
  std::string text =
      fmt::format("{}: {} {}[{}]", name, worker ? "worker" : kDirs[static_cast<size_t>(slot.dir)],
                  dtype_name(slot.dtype), fmt::join(extents, ","));
  if (slot.strides != dense_slot_strides(slot.extents)) {
    text += " strides " + integers_text(slot.strides);
  }
  if (slot.offset != 0) text += fmt::format(" offset {}", slot.offset);
  if (worker) text += fmt::format(" at {}", slot.worker_offset);
  const char* separator = " may share ";
  for (SlotId other : slot.may_share) {
    text += separator + slot_names_[other.index()];
    separator = ", ";
  }
  if (slot.result >= 0 && !canonical_) text += fmt::format(" result {}", slot.result);
  if (slot.value.valid() && !canonical_) text += fmt::format(" node {}", slot.value.index());
  line(1, text);
}

void Printer::header() {
  std::string schedule = print_schedule(kernel_.schedule, kernel_.cls);
  line(0, fmt::format("kernel @{} {} {}:", word_text(canonical_ ? "k" : kernel_.name),
                      cluster_class_name(kernel_.cls), schedule));
  if (canonical_) return;
  const Cost& cost = kernel_.cost;
  line(1,
       fmt::format("cost fma={} simple={} divide={} transcendental={} bytes={} items={}", cost.fma,
                   cost.simple, cost.divide, cost.transcendental, cost.bytes, cost.items));
  if (kernel_.nodes.empty()) return;
  std::vector<int64_t> nodes;
  for (NodeId node : kernel_.nodes) nodes.push_back(static_cast<int64_t>(node.index()));
  line(1, "nodes " + integers_text(nodes));
}

std::string Printer::print() {
  header();
  for (size_t i = 0; i < kernel_.slots.size(); ++i) slot(kernel_.slots[SlotId(i)], slot_names_[i]);
  body(1, kernel_.body);
  return std::move(out_);
}

}  // namespace

std::vector<std::string> slot_names(const Kernel& kernel) {
  std::set<std::string> used;
  std::vector<std::string> names;
  for (const Slot& slot : kernel.slots) names.push_back(unique_name(slot.name, used));
  return names;
}

std::string print_schedule(const Schedule& s, ClusterClass cls) {
  switch (cls) {
    case ClusterClass::Pointwise:
    case ClusterClass::Scatter:
    case ClusterClass::Scalar:
      return fmt::format("{{block={} unroll={}}}", s.block, s.unroll);
    case ClusterClass::Rows:
    case ClusterClass::Strip:
      return fmt::format("{{rows={} unroll={} held={}}}", s.rows, s.unroll, s.held);
    case ClusterClass::Contract:
      break;
  }
  const char* packs[] = {"none", "left", "right", "both"};
  return fmt::format("{{mr={} nv={} mc={} nc={} kc={} pack={} epilogue={}{}}}", s.mr, s.nv, s.mc,
                     s.nc, s.kc, packs[s.pack_left + 2 * s.pack_right],
                     s.block_epilogue ? "block" : "tile", s.swapped ? " swapped=true" : "");
}

std::string print_kernel(const Kernel& kernel) { return Printer(kernel, false).print(); }

std::string sharing_key(const Kernel& kernel) { return Printer(kernel, true).print(); }

}  // namespace gradus::kernel
