// Characters of kernel text to tokens. Depth comes from the spaces before a line, so the text needs
// no brackets; a token never crosses a line's end.
#include "kernel/text/lexer.h"

#include <fmt/format.h>

namespace gradus::kernel {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

class Lexer {
 public:
  Lexer(std::string_view text, int32_t file, DiagEngine& diags)
      : text_(text), file_(file), diags_(diags) {}

  std::vector<TextLine> lex() {
    while (at_ < text_.size() && !failed_) line();
    return std::move(lines_);
  }

 private:
  std::string_view text_;
  int32_t file_;
  DiagEngine& diags_;
  std::vector<TextLine> lines_;
  size_t at_ = 0;
  bool failed_ = false;

  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\n';
  }
  Span span(size_t begin) const {
    return {file_, static_cast<uint32_t>(begin), static_cast<uint32_t>(at_)};
  }
  void fail(size_t begin, std::string message) {
    if (!failed_) diags_.error(Diag::GraphSyntax, span(begin), std::move(message));
    failed_ = true;
  }

  void line();
  Token token();
  void word();
  void number();
  void quoted();
};

void Lexer::line() {
  size_t begin = at_;
  while (peek() == ' ') ++at_;
  size_t indent = at_ - begin;
  TextLine line;
  while (peek() != '\n' && !failed_) {
    if (peek() == ' ' || peek() == '\r') {
      ++at_;
    } else if (peek() == '/' && peek(1) == '/') {
      while (peek() != '\n') ++at_;
    } else {
      line.tokens.push_back(token());
    }
  }
  if (!line.tokens.empty()) {
    if (indent % 2 != 0)
      fail(begin, fmt::format("found {} spaces, expected an even number", indent));
    line.depth = static_cast<int>(indent / 2);
    line.tokens.push_back({TokenKind::End, "", span(at_)});
    lines_.push_back(std::move(line));
  }
  ++at_;
}

void Lexer::word() {
  while (is_letter(peek()) || is_digit(peek()) ||
         (peek() == '.' && (is_letter(peek(1)) || is_digit(peek(1)) || peek(1) == '_'))) {
    ++at_;
  }
}

void Lexer::number() {
  while (is_digit(peek())) ++at_;
  if (peek() == '.' && peek(1) != '.') {
    ++at_;
    while (is_digit(peek())) ++at_;
  }
  bool sign = peek(1) == '-' || peek(1) == '+';
  if ((peek() == 'e' || peek() == 'E') && is_digit(peek(sign ? 2 : 1))) {
    at_ += sign ? 2 : 1;
    while (is_digit(peek())) ++at_;
  }
}

void Lexer::quoted() {
  size_t begin = at_++;
  while (peek() != '"' && peek() != '\n') at_ += peek() == '\\' && peek(1) != '\n' ? 2 : 1;
  if (peek() != '"') return fail(begin, "the quotes are not closed");
  ++at_;
}

Token Lexer::token() {
  size_t begin = at_;
  size_t text_begin = at_;
  TokenKind kind = TokenKind::Symbol;
  char c = peek();
  if (is_letter(c)) {
    kind = TokenKind::Word;
    word();
  } else if (is_digit(c)) {
    kind = TokenKind::Number;
    number();
  } else if (c == '%' || c == '@') {
    kind = c == '%' ? TokenKind::Value : TokenKind::Name;
    text_begin = ++at_;
    word();
    if (at_ == text_begin)
      fail(begin, fmt::format("found `{}` alone, expected a name after it", c));
  } else if (c == '"') {
    kind = TokenKind::Quoted;
    quoted();
  } else {
    std::string_view two = text_.substr(at_, 2);
    at_ += two == ".." || two == "==" || two == "->" ? 2 : 1;
    if (at_ == begin + 1 && std::string_view(":,;=[]{}()*+-/#").find(c) == std::string_view::npos) {
      fail(begin, "a character that begins no token");
    }
  }
  return {kind, text_.substr(text_begin, at_ - text_begin), span(begin)};
}

}  // namespace

std::vector<TextLine> lex_lines(const SourceMap& sources, int32_t file, DiagEngine& diags) {
  return Lexer(sources.file(file).text, file, diags).lex();
}

}  // namespace gradus::kernel
