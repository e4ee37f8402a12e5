// Kernel text in: affine sums, slots and whole kernels. Whatever the text, the answer is a
// kernel that verifies or a message with its place.
//
// Recursive descent with one token of look-ahead, one function for each line of the grammar. It
// accepts what print.cpp writes and little else, so that print(read(text)) is the text again.
// Numbers are bounded where they are read: later passes multiply them without asking.
#include <fmt/format.h>

#include <cstdlib>

#include "kernel/scratch.h"
#include "kernel/text.h"
#include "kernel/text/reader.h"

namespace gradus::kernel {

double Reader::number() {
  Token token = take();
  if (token.kind != TokenKind::Number) fail(token, "a number");
  return std::strtod(std::string(token.text).c_str(), nullptr);
}

Dim Reader::dim() {
  if (!accept("n")) return Dim::fixed(integer());
  return Dim::batches(accept("*") ? integer() : 1);
}

std::vector<int64_t> Reader::integers() {
  std::vector<int64_t> result;
  expect("[");
  while (!is("]")) {
    result.push_back(signed_integer());
    if (!accept(",")) break;
  }
  expect("]");
  return result;
}

AxisId Reader::define_axis() {
  Token token = take_kind(TokenKind::Word, "the name of an axis");
  auto [place, added] = axes_.try_emplace(std::string(token.text));
  if (added) place->second = kernel_.axes.push_back({std::string(token.text)});
  return place->second;
}

ValueId Reader::define_value() {
  Token token = take_kind(TokenKind::Value, "a value");
  auto [place, added] = values_.try_emplace(std::string(token.text));
  if (!added) problem(token.span, fmt::format("`%{}` is defined twice", token.text));
  place->second = kernel_.values.push_back(DType::F32);
  return place->second;
}

void Reader::define_dtype(ValueId id) {
  expect(":");
  kernel_.values[id] = dtype();
}

ValueId Reader::value() {
  Token token = take_kind(TokenKind::Value, "a value");
  auto found = values_.find(token.text);
  if (found == values_.end()) {
    problem(token.span, fmt::format("`%{}` is not defined before this line", token.text));
  }
  return found->second;
}

SlotId Reader::slot() {
  Token token = take_kind(TokenKind::Word, "the name of a slot");
  auto found = slots_.find(token.text);
  if (found == slots_.end()) fail(token, "the name of a slot");
  return found->second;
}

void Reader::add_term(Affine& sum, ValueId* loaded, bool negative) {
  Token token = peek();
  if (token.kind == TokenKind::Value) {
    if (!loaded || loaded->valid() || negative) fail(token, "an axis or a number");
    *loaded = value();
    return;
  }
  int64_t sign = negative ? -1 : 1;
  int64_t* place = &sum.constant;
  if (token.kind == TokenKind::Number) {
    sum.constant += sign * integer();
  } else {
    take_kind(TokenKind::Word, "an axis or a number");
    auto found = axes_.find(token.text);
    if (token.text != "n" && found == axes_.end()) fail(token, "the name of an axis");
    int64_t factor = sign * (accept("*") ? integer() : 1);
    if (token.text == "n") {
      place = &sum.per_n;
    } else {
      auto at = sum.terms.begin();
      while (at != sum.terms.end() && at->axis < found->second) ++at;
      if (at == sum.terms.end() || at->axis != found->second) {
        at = sum.terms.insert(at, {found->second, 0});
      }
      place = &at->coefficient;
    }
    *place += factor;
  }
  if (*place > kMaxNumber || *place < -kMaxNumber) problem(token.span, "the sum grows too large");
}

Affine Reader::sum(ValueId* loaded) {
  Affine result;
  bool negative = accept("-");
  for (;;) {
    add_term(result, loaded, negative);
    if (accept("+")) {
      negative = false;
    } else if (accept("-")) {
      negative = true;
    } else {
      break;
    }
  }
  std::erase_if(result.terms, [](const Affine::Term& term) { return term.coefficient == 0; });
  return result;
}

Bound Reader::bound() {
  Bound result;
  if (accept("ceil")) {
    expect("(");
    result.value = affine();
    expect("/");
    Token token = peek();
    result.divisor = integer();
    if (result.divisor < 1) fail(token, "a divisor of at least 1");
    expect(")");
  } else {
    result.value = affine();
  }
  if (accept("max")) result.cap = affine();
  return result;
}

Access Reader::access() {
  Access result;
  result.slot = slot();
  expect("[");
  while (!is("]")) {
    Index index;
    index.affine = sum(&index.loaded);
    result.indices.push_back(std::move(index));
    if (!accept(",")) break;
  }
  expect("]");
  return result;
}

/// A constant of a given float type: the text is rounded once, to that type.
double Reader::float_constant(DType type) {
  bool negative = accept("-");
  Token token = take();
  std::string text(token.text);
  bool fits = token.kind == TokenKind::Number || text == "inf" || text == "nan";
  if (!fits) fail(token, "a number");
  double size =
      type == DType::F32 ? std::strtof(text.c_str(), nullptr) : std::strtod(text.c_str(), nullptr);
  return negative ? -size : size;
}

Operand Reader::operand() {
  if (peek().kind == TokenKind::Value) return {value(), 0, DType::F32};
  if (accept("true")) return {{}, 1, DType::Bool};
  if (accept("false")) return {{}, 0, DType::Bool};
  bool i64 = is("i64");
  if (i64 || is("f64")) {
    take();
    expect("(");
    double inner = i64 ? static_cast<double>(signed_integer()) : float_constant(DType::F64);
    expect(")");
    return {{}, inner, i64 ? DType::I64 : DType::F64};
  }
  const Token& digits = is("-") ? peek_next() : peek();
  bool whole = digits.kind == TokenKind::Number &&
               digits.text.find_first_of(".eE") == std::string_view::npos;
  if (whole) return {{}, static_cast<double>(signed_integer()), DType::I32};
  return {{}, float_constant(DType::F32), DType::F32};
}

void Reader::schedule_field() {
  Schedule& s = kernel_.schedule;
  const std::map<std::string_view, int64_t*> numbers = {
      {"block", &s.block}, {"rows", &s.rows}, {"unroll", &s.unroll}, {"mr", &s.mr},
      {"nv", &s.nv},       {"mc", &s.mc},     {"nc", &s.nc},         {"kc", &s.kc}};
  Token name = take_kind(TokenKind::Word, "a field of the schedule");
  expect("=");
  auto found = numbers.find(name.text);
  if (found != numbers.end()) {
    *found->second = integer();
  } else if (name.text == "held" || name.text == "swapped") {
    (name.text == "held" ? s.held : s.swapped) = is("true");
    if (!accept("true")) expect("false");
  } else if (name.text == "epilogue") {
    s.block_epilogue = is("block");
    if (!accept("block")) expect("tile");
  } else if (name.text == "pack") {
    s.pack_left = is("left") || is("both");
    s.pack_right = is("right") || is("both");
    if (!accept("none") && !s.pack_left && !s.pack_right) fail(peek(), "none, left, right or both");
    if (s.pack_left || s.pack_right) take();
  } else {
    fail(name, "a field of the schedule");
  }
}

void Reader::schedule() {
  if (!accept("{")) return;
  while (!is("}")) schedule_field();
  expect("}");
}

void Reader::slot_line() {
  Token name = take();
  Slot slot;
  slot.name = std::string(name.text);
  expect(":");
  slot_kind(slot);
  slot.dtype = dtype();
  expect("[");
  while (!is("]")) {
    slot.extents.push_back(dim());
    if (!accept(",")) break;
  }
  expect("]");
  if (!checked_count(slot.extents)) problem(name.span, "the slot is too large");
  slot.strides = dense_slot_strides(slot.extents);
  if (accept("strides")) slot.strides = integers();
  if (accept("offset")) slot.offset = signed_integer();
  if (accept("at")) slot.worker_offset = integer();
  SlotId id(kernel_.slots.size());
  if (accept("may")) {
    expect("share");
    do shares_.push_back({id, take_kind(TokenKind::Word, "the name of a slot")});
    while (accept(","));
  }
  if (accept("result")) slot.result = static_cast<int32_t>(integer() % INT32_MAX);
  if (accept("node")) slot.value = NodeId(static_cast<size_t>(integer()));
  end_line();
  if (!slots_.emplace(slot.name, id).second) {
    problem(name.span, fmt::format("`{}` is declared twice", name.text));
  }
  kernel_.slots.push_back(std::move(slot));
}

void Reader::origin_lines() {
  if (accept("cost")) {
    Cost& cost = kernel_.cost;
    const std::map<std::string_view, double*> fields = {{"fma", &cost.fma},
                                                        {"simple", &cost.simple},
                                                        {"divide", &cost.divide},
                                                        {"transcendental", &cost.transcendental},
                                                        {"bytes", &cost.bytes}};
    while (peek().kind != TokenKind::End) {
      Token name = take();
      expect("=");
      auto field = fields.find(name.text);
      if (field == fields.end() && name.text != "items") fail(name, "a field of the cost");
      if (name.text == "items") {
        cost.items = integer();
      } else {
        *field->second = number();
      }
    }
    end_line();
  }
  if (line_ < lines_.size() && is("nodes") && peek_next().text == "[") {
    take();
    for (int64_t node : integers()) kernel_.nodes.push_back(NodeId(static_cast<size_t>(node)));
    end_line();
  }
}

void Reader::finish_slots() {
  for (auto& [id, token] : shares_) {
    auto found = slots_.find(token.text);
    if (found == slots_.end()) fail(token, "the name of a slot");
    kernel_.slots[id].may_share.push_back(found->second);
  }
  shares_.clear();
}

Kernel Reader::read_kernel() {
  kernel_ = {};
  axes_.clear();
  slots_.clear();
  values_.clear();
  shares_.clear();
  Span header = peek().span;
  if (lines_[line_].depth != 0) problem(header, "a kernel begins at the start of a line");
  expect("kernel");
  kernel_.name = std::string(take_kind(TokenKind::Name, "the kernel's name, `@name`").text);
  kernel_.cls = cluster_class();
  schedule();
  expect(":");
  end_line();
  if (line_ < lines_.size() && lines_[line_].depth == 1) origin_lines();
  while (line_ < lines_.size() && lines_[line_].depth == 1 && peek().kind == TokenKind::Word &&
         peek_next().text == ":") {
    slot_line();
  }
  finish_slots();
  if (line_ < lines_.size() && lines_[line_].depth > 0) kernel_.body = body(1);
  kernel_.worker_bytes = scratch_end(kernel_);
  if (std::optional<std::string> breach = verify_kernel(kernel_)) problem(header, *breach);
  return std::move(kernel_);
}

std::vector<Kernel> Reader::read() {
  std::vector<Kernel> kernels;
  while (line_ < lines_.size()) kernels.push_back(read_kernel());
  return kernels;
}

std::optional<std::vector<Kernel>> read_kernels(const SourceMap& sources, int32_t file,
                                                DiagEngine& diags) {
  size_t before = diags.count();
  std::vector<TextLine> lines = lex_lines(sources, file, diags);
  if (diags.count() != before) return std::nullopt;
  try {
    return Reader(std::move(lines), diags).read();
  } catch (const Stop&) {
    return std::nullopt;
  }
}

}  // namespace gradus::kernel
