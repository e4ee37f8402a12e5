// How Python and its frameworks, or C, write what is written otherwise here: for hints alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lang/lexer.h"

namespace gradus::lang {

/// The operator of another language that `text` begins with; empty where there is none. It is lexed as one
/// symbol, so that a single message names it.
std::string_view foreign_symbol_at(std::string_view text);

/// "; a comment begins with `//`" for a character that begins no token. Empty where nothing is known.
std::string_view foreign_character_hint(std::string_view character);

/// "; a power is `x ^ y`" for a token that does not belong where it stands. Empty where nothing is known.
std::string foreign_token_hint(const Token& token);

/// What the word that begins a declaration or statement elsewhere is here: "fn" for "def".
std::string_view our_keyword_for(std::string_view word);

/// The argument meant by `name` as frameworks call it ("rate" for "lr"), else the nearest of `names`;
/// empty where there is none.
std::string meant_argument(std::string_view name, const std::vector<std::string>& names);

/// Tells of comments that read as the rest of an expression, behind an operand on their line: in Python
/// `//` divides.
void note_divisions(const SourceMap& sources, const TokenList& list, DiagEngine& diags);

}  // namespace gradus::lang
