// Words, whole numbers and element types of line-based text.
#include "kernel/text/line_reader.h"

#include <charconv>

namespace gradus::kernel {

void LineReader::problem(Span span, std::string message) {
  diags_.error(Diag::GraphSyntax, span, std::move(message));
  throw Stop{};
}

void LineReader::fail(const Token& token, const std::string& expected) {
  std::string found =
      token.kind == TokenKind::End ? "the end of the line" : fmt::format("`{}`", token.text);
  problem(token.span, fmt::format("found {}, expected {}", found, expected));
}

void LineReader::end_line() {
  if (peek().kind != TokenKind::End) fail(peek(), "the end of the line");
  ++line_;
  at_ = 0;
}

int64_t LineReader::integer(int64_t most) {
  Token token = take_kind(TokenKind::Number, "a whole number");
  int64_t result = 0;
  auto [end, error] =
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), result);
  if (end != token.text.data() + token.text.size() || error == std::errc::invalid_argument) {
    fail(token, "a whole number");
  }
  if (error != std::errc{} || result > most) {
    problem(token.span, fmt::format("found {}, expected at most {}", token.text, most));
  }
  return result;
}

DType LineReader::dtype() {
  Token token = take_kind(TokenKind::Word, "an element type");
  std::optional<DType> result = dtype_from_name(token.text);
  if (!result) fail(token, "an element type");
  return *result;
}

ClusterClass LineReader::cluster_class() {
  Token token = take_kind(TokenKind::Word, "the kernel's class");
  for (ClusterClass cls : kClusterClasses) {
    if (cluster_class_name(cls) == token.text) return cls;
  }
  fail(token, "the kernel's class");
}

void LineReader::slot_kind(Slot& slot) {
  if (accept("worker")) {
    slot.space = SlotSpace::Worker;
    slot.dir = SlotDir::InOut;
  } else if (accept("out")) {
    slot.dir = SlotDir::Out;
  } else if (accept("inout")) {
    slot.dir = SlotDir::InOut;
  } else if (!accept("in")) {
    fail(peek(), "in, out, inout or worker");
  }
}

}  // namespace gradus::kernel
