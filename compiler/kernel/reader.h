// The parser of kernel text, by recursive descent over lines; internal to read.cpp (words, slots,
// whole kernels) and read_statements.cpp (what stands in a body).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/kernel.h"
#include "kernel/token.h"
#include "support/diag.h"

namespace gradus::kernel {

/// Thrown after a message was given; ends the reading.
struct Stop {};

class Reader {
 public:
  Reader(std::vector<TextLine> lines, DiagEngine& diags)
      : lines_(std::move(lines)), diags_(diags) {}
  std::vector<Kernel> read();

 private:
  std::vector<TextLine> lines_;
  DiagEngine& diags_;
  size_t line_ = 0;
  size_t at_ = 0;
  Kernel kernel_;
  std::map<std::string, AxisId, std::less<>> axes_;
  std::map<std::string, SlotId, std::less<>> slots_;
  std::map<std::string, ValueId, std::less<>> values_;
  std::vector<std::pair<SlotId, Token>> shares_;

  // Tokens.
  const Token& peek() const { return lines_[line_].tokens[at_]; }
  const Token& peek_next() const {
    return peek().kind == TokenKind::End ? peek() : lines_[line_].tokens[at_ + 1];
  }
  Token take() {
    Token token = peek();
    if (token.kind != TokenKind::End) ++at_;
    return token;
  }
  [[noreturn]] void fail(const Token& token, const std::string& expected);
  [[noreturn]] void problem(Span span, std::string message);
  bool is(std::string_view text) const {
    return peek().text == text && peek().kind != TokenKind::Value && peek().kind != TokenKind::Name;
  }
  bool accept(std::string_view text) {
    if (!is(text)) return false;
    take();
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) fail(peek(), fmt::format("`{}`", text));
  }
  Token take_kind(TokenKind kind, std::string_view expected) {
    if (peek().kind != kind) fail(peek(), std::string(expected));
    return take();
  }
  void end_line();

  // Parts.
  int64_t integer();
  int64_t signed_integer() { return accept("-") ? -integer() : integer(); }
  double number();
  DType dtype();
  Dim dim();
  std::vector<int64_t> integers();
  AxisId define_axis();
  ValueId define_value();
  void define_dtype(ValueId id);
  ValueId value();
  SlotId slot();
  void add_term(Affine& sum, ValueId* loaded, bool negative);
  Affine sum(ValueId* loaded);
  Affine affine() { return sum(nullptr); }
  Bound bound();
  Access access();
  Operand operand();
  double float_constant(DType type);

  // Statements.
  std::vector<Stmt> body(int depth);
  Stmt statement(int depth);
  Stmt assignment();
  Stmt let();
  Stmt load();
  Stmt loop(LoopKind kind, int depth);
  Stmt tile(int depth);
  Stmt pack();
  Micro micro();

  // Kernels.
  Kernel read_kernel();
  void schedule();
  void schedule_field();
  void slot_line();
  void origin_lines();
  void finish_slots();
};

}  // namespace gradus::kernel
