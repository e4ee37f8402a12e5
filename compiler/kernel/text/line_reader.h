// What readers of line-based text share: the next token, what is accepted and expected there, and
// the message with its place where it is something else. Kernel text and program text are read with
// it.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/cluster.h"
#include "kernel/kernel.h"
#include "kernel/text/lexer.h"
#include "support/diag.h"

namespace gradus::kernel {

/// Thrown after a message was given; ends the reading.
struct Stop {};

class LineReader {
 public:
  LineReader(std::vector<TextLine> lines, DiagEngine& diags)
      : lines_(std::move(lines)), diags_(diags) {}

 protected:
  /// Sizes and coefficients stay below this, so that sums of products of them fit 64 bits.
  static constexpr int64_t kMaxNumber = int64_t{1} << 40;

  std::vector<TextLine> lines_;
  DiagEngine& diags_;
  size_t line_ = 0;
  size_t at_ = 0;

  bool at_end() const { return line_ == lines_.size(); }
  /// Whether there is a line of this depth to read.
  bool at_depth(int depth) const { return !at_end() && lines_[line_].depth == depth; }
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

  int64_t integer(int64_t most = kMaxNumber);
  int64_t signed_integer() { return accept("-") ? -integer() : integer(); }
  DType dtype();
  ClusterClass cluster_class();
  /// in, out, inout or worker.
  void slot_kind(Slot& slot);
};

}  // namespace gradus::kernel
