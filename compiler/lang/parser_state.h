// What declarations and expressions share: the place in the token list, expectations, and the
// limits that keep hostile text from exhausting the stack.
#pragma once

#include <string>
#include <vector>

#include "lang/ast.h"
#include "lang/lexer.h"

namespace gradus::lang {

/// Unwinds to the statement in which a message was given. Never leaves the parser.
struct ParseError {};

class ParserState {
 public:
  ParserState(const std::vector<Token>& tokens, DiagEngine& diags)
      : tokens_(&tokens), diags_(&diags) {}

  // Expressions and types: parse_expr.cpp.
  ExprPtr expression() { return binary(0); }
  TypeExpr type();

 protected:
  static constexpr int kMaxNesting = 200;
  static constexpr int kMaxDepth = 400;

  /// One level of brackets, blocks or operators; too many are an error.
  class Nesting {
   public:
    explicit Nesting(ParserState& parser);
    ~Nesting() { --parser_->nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ParserState* parser_;
  };

  const Token& peek(size_t ahead = 0) const {
    return (*tokens_)[std::min(at_ + ahead, tokens_->size() - 1)];
  }
  const Token& previous() const { return (*tokens_)[at_ == 0 ? 0 : at_ - 1]; }
  bool at_end() const { return peek().kind == TokenKind::End; }
  void advance() {
    if (!at_end()) ++at_;
  }
  bool accept(std::string_view symbol) {
    bool fits = peek().is(symbol);
    if (fits) advance();
    return fits;
  }
  bool accept_word(std::string_view word) {
    bool fits = peek().is_word(word);
    if (fits) advance();
    return fits;
  }
  void skip_newlines() {
    while (peek().kind == TokenKind::Newline) advance();
  }

  void expect(std::string_view symbol);
  /// A newline, `;` or the block's end must follow.
  void end_of_statement(std::string_view what);
  /// A small-letter name that may be declared: no keyword, nothing predefined.
  std::string declared_name(std::string_view what, Span& span);
  [[noreturn]] void fail_expected(std::string_view what);
  [[noreturn]] void fail(Diag kind, Span span, std::string message);
  /// To the end of the statement that could not be read.
  void skip_statement();

 private:
  ExprPtr binary(int level);
  ExprPtr unary();
  ExprPtr power();
  ExprPtr postfix();
  ExprPtr primary();
  ExprPtr word();
  ExprPtr called();
  ExprPtr number();
  ExprPtr bracketed();
  ExprPtr list();
  ExprPtr dim();
  void arguments(Expr& call);
  Index index();
  void refuse_method();
  ExprPtr node(Expr::Kind kind, Span span, std::string_view text) const;
  ExprPtr finish(ExprPtr expr);

  const std::vector<Token>* tokens_;
  DiagEngine* diags_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace gradus::lang
