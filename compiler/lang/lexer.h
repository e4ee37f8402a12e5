// Characters to tokens. Comments are no tokens: they are kept aside with their places, for the
// formatter. Newlines are tokens only where they may end a statement.
#pragma once

#include <string_view>
#include <vector>

#include "support/diag.h"

namespace gradus::lang {

enum class TokenKind : uint8_t {
  Name,  // begins with a small letter or `_`; keywords too, the parser knows their places
  Size,  // begins with a capital
  Number,
  String,   // text without its quotes
  Symbol,   // operators and brackets, by their text
  Newline,  // the end of a statement: a line's end or `;`
  End,
};

struct Token {
  TokenKind kind = TokenKind::End;
  Span span;
  std::string_view text;
  bool keyword = false;

  bool is(std::string_view symbol) const { return kind == TokenKind::Symbol && text == symbol; }
  bool is_word(std::string_view word) const { return kind == TokenKind::Name && text == word; }
};

struct Comment {
  Span span;              // with its `//`
  bool own_line = false;  // nothing but blanks stands before it
};

struct TokenList {
  std::vector<Token> tokens;  // ends with End
  std::vector<Comment> comments;
};

/// Tokens of a whole file, of at most 16 MiB and 4 million tokens. A character that begins no token is
/// reported and skipped.
TokenList lex(const SourceMap& sources, int32_t file, DiagEngine& diags);

bool is_keyword(std::string_view word);
/// Names with a meaning of their own that cannot be defined anew: batch, training, step ...
bool is_predefined(std::string_view word);

}  // namespace gradus::lang
