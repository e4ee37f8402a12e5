// The lexer of kernel and program text: lines of tokens with their depth.
#pragma once

#include <string_view>
#include <vector>

#include "support/diag.h"

namespace gradus::kernel {

enum class TokenKind : uint8_t {
  Word,    // letters, digits, `_` and single dots between them
  Number,  // digits, with a fraction or exponent perhaps
  Value,   // %12
  Name,    // @relu
  Quoted,  // "hidden.w@m", with its quotes
  Symbol,  // .. == -> and single characters
  End,
};

struct Token {
  TokenKind kind = TokenKind::End;
  std::string_view text;  // without the % or @
  Span span;
};

struct TextLine {
  int depth = 0;              // leading spaces / 2
  std::vector<Token> tokens;  // ends with End
};

/// Lines that hold something. An odd indentation or a strange character is told to `diags`, which
/// ends the lexing.
std::vector<TextLine> lex_lines(const SourceMap& sources, int32_t file, DiagEngine& diags);

}  // namespace gradus::kernel
