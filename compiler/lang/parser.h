// Tokens to the syntax tree, by recursive descent; operators by precedence. After an error parsing
// goes on at the next statement, so that one run shows several.
#pragma once

#include "lang/ast.h"
#include "lang/lexer.h"

namespace gradus::lang {

/// The tree of a whole file; errors go to `diags`, and the tree holds what could be read.
File parse(const SourceMap& sources, int32_t file, DiagEngine& diags);
/// The tree of a file that is one expression; nothing where it is not.
ExprPtr parse_expression(const SourceMap& sources, int32_t file, DiagEngine& diags);

}  // namespace gradus::lang
