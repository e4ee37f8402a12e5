// One pass over the bytes. A newline is dropped inside round and square brackets, and after a token
// that cannot end a statement (an operator, a comma).
#include "lang/lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "lang/foreign_syntax.h"

namespace gradus::lang {

namespace {

constexpr std::string_view kKeywords[] = {"include", "const",  "fn",    "model",  "data",   "train",
                                          "let",     "param",  "state", "layer",  "return", "if",
                                          "else",    "repeat", "as",    "output", "metric", "loss",
                                          "true",    "false",  "and",   "or",     "not"};
constexpr std::string_view kPredefined[] = {"batch", "training", "step", "steps",
                                            "epoch", "pi",       "inf"};

// Longer symbols first: the first that fits is taken.
constexpr std::string_view kSymbols[] = {"...", "->", "==", "!=", "<=", ">=", "+", "-",
                                         "*",   "/",  "@",  "^",  "<",  ">",  "=", "(",
                                         ")",   "[",  "]",  "{",  "}",  ",",  ":", "."};
constexpr std::string_view kContinuing[] = {"->", "==", "!=", "<=", ">=", "+", "-", "*",
                                            "/",  "@",  "^",  "<",  ">",  "=", ",", ":"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_small(char c) { return (c >= 'a' && c <= 'z') || c == '_'; }
bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }
bool is_word(char c) { return is_small(c) || is_capital(c) || is_digit(c); }

/// Sequences as long as their first byte says; nothing is said of what they stand for.
bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t size = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (size == 0 || at + size > text.size()) return false;
    for (size_t i = 1; i < size; ++i) {
      if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return false;
    }
    at += size;
  }
  return true;
}

template <size_t N>
bool holds(const std::string_view (&list)[N], std::string_view word) {
  return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

class Lexer {
 public:
  Lexer(const SourceMap& sources, int32_t file, DiagEngine& diags)
      : text_(sources.file(file).text),
        name_(sources.file(file).name),
        file_(file),
        diags_(&diags) {}

  TokenList run() {
    if (text_.size() > kMostBytes) return refuse(fmt::format("{} bytes", text_.size()), kMostBytes);
    while (at_ < text_.size()) {
      if (list_.tokens.size() >= kMostTokens) return refuse("more tokens", kMostTokens);
      next();
    }
    add(TokenKind::End, at_, at_);
    return std::move(list_);
  }

 private:
  /// A token takes several times the memory of its text, and no model is written that long.
  static constexpr size_t kMostBytes = size_t{16} << 20, kMostTokens = size_t{4} << 20;

  /// Without its place: the line may be all of the file.
  TokenList refuse(const std::string& found, size_t most) {
    diags_->error(Diag::TooLarge, {},
                  fmt::format("`{}` has {}, at most {} are read as a model", name_, found, most));
    list_ = {};
    text_ = {};
    add(TokenKind::End, at_ = 0, 0);
    return std::move(list_);
  }

  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  Span span(size_t from, size_t to) const {
    return {file_, static_cast<uint32_t>(from), static_cast<uint32_t>(to)};
  }

  void add(TokenKind kind, size_t from, size_t to) {
    Token token{kind, span(from, to), text_.substr(from, to - from), false};
    if (kind == TokenKind::String) token.text = text_.substr(from + 1, to - from - 2);
    if (kind == TokenKind::Name) token.keyword = is_keyword(token.text);
    list_.tokens.push_back(token);
    at_ = to;
  }

  void next() {
    char c = peek();
    if (c == '\n') return newline();
    if (c == ';') return add(TokenKind::Newline, at_, at_ + 1);
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
      return;
    }
    if (c == '/' && peek(1) == '/') return comment();
    if (is_small(c) || is_capital(c)) return word();
    if (is_digit(c)) return number();
    if (c == '"') return string();
    symbol();
  }

  void newline() {
    bool continues = !list_.tokens.empty() && list_.tokens.back().kind == TokenKind::Symbol &&
                     holds(kContinuing, list_.tokens.back().text);
    bool continues_word = !list_.tokens.empty() && list_.tokens.back().kind == TokenKind::Name &&
                          (list_.tokens.back().text == "and" || list_.tokens.back().text == "or" ||
                           list_.tokens.back().text == "not");
    bool bracketed = !open_.empty() && open_.back() != '{';
    if (continues || continues_word || bracketed) {
      ++at_;
    } else {
      add(TokenKind::Newline, at_, at_ + 1);
    }
  }

  void comment() {
    size_t end = std::min(text_.find('\n', at_), text_.size());
    size_t line = text_.rfind('\n', at_);
    size_t begin = line == std::string_view::npos ? 0 : line + 1;
    bool own = text_.find_first_not_of(" \t\r", begin) == at_;
    size_t last = end > at_ && text_[end - 1] == '\r' ? end - 1 : end;
    list_.comments.push_back({span(at_, last), own});
    at_ = end;
  }

  void word() {
    size_t end = at_;
    while (end < text_.size() && is_word(text_[end])) ++end;
    add(is_capital(peek()) ? TokenKind::Size : TokenKind::Name, at_, end);
  }

  size_t digits(size_t from) const {
    while (from < text_.size() && is_digit(text_[from])) ++from;
    return from;
  }

  void number() {
    size_t end = digits(at_);
    if (end + 1 < text_.size() && text_[end] == '.' && is_digit(text_[end + 1]))
      end = digits(end + 1);
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      size_t sign = end + 1;
      if (sign < text_.size() && (text_[sign] == '+' || text_[sign] == '-')) ++sign;
      if (sign < text_.size() && is_digit(text_[sign])) end = digits(sign);
    }
    add(TokenKind::Number, at_, end);
  }

  void string() {
    size_t end = text_.find_first_of("\"\n", at_ + 1);
    if (end == std::string_view::npos || text_[end] == '\n') {
      end = std::min(end, text_.size());
      diags_->error(Diag::UnclosedString, span(at_, end), "a string without its closing `\"`");
      list_.tokens.push_back(
          {TokenKind::String, span(at_, end), text_.substr(at_ + 1, end - at_ - 1), false});
      at_ = end;
      return;
    }
    if (!is_utf8(text_.substr(at_, end - at_))) {
      diags_->error(Diag::UnexpectedCharacter, span(at_, end + 1), "a string that is no UTF-8");
    }
    add(TokenKind::String, at_, end + 1);
  }

  void symbol() {
    const std::string_view rest = text_.substr(at_);
    auto own = std::ranges::find_if(kSymbols, [&](auto symbol) { return rest.starts_with(symbol); });
    std::string_view symbol = own == std::end(kSymbols) ? std::string_view() : *own;
    // `!=` is ours, `**` is told as one.
    if (auto foreign = foreign_symbol_at(rest); foreign.size() > symbol.size()) symbol = foreign;
    if (symbol.empty()) return unexpected();
    track(symbol);
    add(TokenKind::Symbol, at_, at_ + symbol.size());
  }

  void unexpected() {
    size_t end = at_ + 1;  // the whole of a multi-byte character
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) ++end;
    bool printable = static_cast<unsigned char>(peek()) >= 0x20;
    const std::string_view character = text_.substr(at_, end - at_);
    diags_->error(
        Diag::UnexpectedCharacter, span(at_, end),
        printable ? fmt::format("unexpected character `{}`{}", character, foreign_character_hint(character))
                  : fmt::format("unexpected byte 0x{:02x}", static_cast<unsigned char>(peek())));
    at_ = character == "#" ? line_end() : character == "'" ? after_quoted() : end;
    if (++bad_ > 20) at_ = text_.size();
  }

  size_t line_end() const { return std::min(text_.find('\n', at_), text_.size()); }

  /// Behind the next `'` of the line, so that what was meant as a string is told once.
  size_t after_quoted() const {
    const size_t closing = text_.find('\'', at_ + 1);
    return closing < line_end() ? closing + 1 : line_end();
  }

  void track(std::string_view symbol) {
    char c = symbol[0];
    if (symbol.size() != 1) return;
    if (c == '(' || c == '[' || c == '{') open_.push_back(c);
    if (c == ')' || c == ']') {
      if (!open_.empty() && open_.back() != '{') open_.pop_back();
    }
    if (c ==
        '}') {  // closes what stands open inside it too, so that one lost bracket costs one block
      while (!open_.empty() && open_.back() != '{') open_.pop_back();
      if (!open_.empty()) open_.pop_back();
    }
  }

  std::string_view text_, name_;
  int32_t file_;
  DiagEngine* diags_;
  size_t at_ = 0;
  int bad_ = 0;
  std::vector<char> open_;
  TokenList list_;
};

}  // namespace

bool is_keyword(std::string_view word) { return holds(kKeywords, word); }
bool is_predefined(std::string_view word) { return holds(kPredefined, word); }

TokenList lex(const SourceMap& sources, int32_t file, DiagEngine& diags) {
  return Lexer(sources, file, diags).run();
}

}  // namespace gradus::lang
