// Expressions by precedence (tight to loose): postfix, ^, unary -, * / @, + -, comparisons, not,
// and, or. Types and the parser's common steps are here too.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "lang/foreign_syntax.h"
#include "lang/parser_state.h"

namespace gradus::lang {

namespace {

/// Binary operators by level, loose to tight. Level 2 is `not`, which is unary.
constexpr int kOr = 0, kAnd = 1, kNot = 2, kCompare = 3, kSum = 4, kProduct = 5;

int level_of(const Token& token) {
  if (token.is_word("or")) return kOr;
  if (token.is_word("and")) return kAnd;
  if (token.kind != TokenKind::Symbol) return -1;
  for (std::string_view symbol : {"==", "!=", "<", "<=", ">", ">="}) {
    if (token.text == symbol) return kCompare;
  }
  if (token.text == "+" || token.text == "-") return kSum;
  if (token.text == "*" || token.text == "/" || token.text == "@") return kProduct;
  return -1;
}

std::string describe(const Token& token) {
  switch (token.kind) {
    case TokenKind::End:
      return "the end of the file";
    case TokenKind::Newline:
      return token.text == ";" ? "`;`" : "the end of the line";
    case TokenKind::String:
      return fmt::format("\"{}\"", token.text);
    case TokenKind::Name:
    case TokenKind::Size:
    case TokenKind::Number:
    case TokenKind::Symbol:
      break;
  }
  return token.keyword ? fmt::format("keyword `{}`", token.text) : fmt::format("`{}`", token.text);
}

}  // namespace

ParserState::Nesting::Nesting(ParserState& parser) : parser_(&parser) {
  if (parser.nesting_ >= kMaxNesting) {
    parser.fail(Diag::NestedTooDeep, parser.peek().span,
                fmt::format("brackets, blocks or operators nest deeper than {}", kMaxNesting));
  }
  ++parser.nesting_;
}

void ParserState::fail(Diag kind, Span span, std::string message) {
  diags_->error(kind, span, std::move(message));
  throw ParseError{};
}

void ParserState::fail_expected(std::string_view what) {
  fail(Diag::UnexpectedToken, peek().span,
       fmt::format("found {}, expected {}{}", describe(peek()), what, foreign_token_hint(peek())));
}

void ParserState::expect(std::string_view symbol) {
  if (!accept(symbol)) fail_expected(fmt::format("`{}`", symbol));
}

void ParserState::end_of_statement(std::string_view what) {
  if (peek().kind == TokenKind::Newline || peek().is("}") || at_end()) return;
  fail_expected(fmt::format("a new line or `;` after {}", what));
}

std::string ParserState::declared_name(std::string_view what, Span& span) {
  const Token& token = peek();
  span = token.span;
  if (token.kind == TokenKind::Size) {
    fail(Diag::BadName, token.span,
         fmt::format("`{}` begins with a capital, as sizes do; {} begins with a small letter",
                     token.text, what));
  }
  if (token.kind != TokenKind::Name) fail_expected(what);
  if (token.keyword || is_predefined(token.text)) {
    fail(Diag::BadName, token.span,
         fmt::format("`{}` has a meaning of its own and cannot be {}", token.text, what));
  }
  advance();
  return std::string(token.text);
}

void ParserState::skip_statement() {
  int depth = 0;
  while (!at_end()) {
    if (depth == 0 && (peek().kind == TokenKind::Newline || peek().is("}"))) return;
    if (peek().is("{")) ++depth;
    if (peek().is("}")) --depth;
    advance();
  }
}

ExprPtr ParserState::node(Expr::Kind kind, Span span, std::string_view text) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->span = span;
  expr->word = span;
  expr->text = std::string(text);
  return expr;
}

/// Sets the depth of a finished node; what is too deep would exhaust the stack of later stages.
ExprPtr ParserState::finish(ExprPtr expr) {
  int below = 0;
  auto look = [&](const ExprPtr& child) {
    if (child) below = std::max(below, child->depth);
  };
  for (const ExprPtr& operand : expr->operands) look(operand);
  for (const Argument& argument : expr->arguments) look(argument.value);
  for (const Index& index : expr->indices) {
    look(index.value);
    look(index.from);
    look(index.to);
    look(index.step);
  }
  expr->depth = below + 1;
  if (expr->depth > kMaxDepth) {
    fail(Diag::NestedTooDeep, expr->word,
         fmt::format("an expression of more than {} levels; bind parts of it with `let`",
                     kMaxDepth));
  }
  return expr;
}

ExprPtr ParserState::binary(int level) {
  if (level > kProduct) return unary();
  if (level == kNot) {
    if (!peek().is_word("not")) return binary(level + 1);
    Nesting nesting(*this);
    ExprPtr expr = node(Expr::Kind::Unary, peek().span, "not");
    advance();
    expr->operands.push_back(binary(kNot));
    expr->span = join(expr->span, expr->operands[0]->span);
    return finish(std::move(expr));
  }
  ExprPtr left = binary(level + 1);
  while (level_of(peek()) == level) {
    ExprPtr expr = node(Expr::Kind::Binary, peek().span, peek().text);
    advance();
    expr->operands.push_back(std::move(left));
    expr->operands.push_back(binary(level + 1));
    expr->span = join(expr->operands[0]->span, expr->operands[1]->span);
    left = finish(std::move(expr));
    if (level == kCompare && level_of(peek()) == kCompare) {
      fail(Diag::UnexpectedToken, peek().span,
           fmt::format("comparisons do not chain: found `{}` after one; join two with `and`",
                       peek().text));
    }
  }
  return left;
}

ExprPtr ParserState::unary() {
  if (!peek().is("-")) return power();
  Nesting nesting(*this);
  ExprPtr expr = node(Expr::Kind::Unary, peek().span, "-");
  advance();
  expr->operands.push_back(unary());
  expr->span = join(expr->span, expr->operands[0]->span);
  return finish(std::move(expr));
}

ExprPtr ParserState::power() {
  ExprPtr base = postfix();
  if (!peek().is("^")) return base;
  Nesting nesting(*this);
  ExprPtr expr = node(Expr::Kind::Binary, peek().span, "^");
  advance();
  expr->operands.push_back(std::move(base));
  expr->operands.push_back(unary());  // to the right, and `x ^ -2` fits
  expr->span = join(expr->operands[0]->span, expr->operands[1]->span);
  return finish(std::move(expr));
}

ExprPtr ParserState::postfix() {
  ExprPtr left = primary();
  while (true) {
    if (accept("[")) {
      Nesting nesting(*this);
      ExprPtr expr = node(Expr::Kind::Index, left->span, "");
      expr->operands.push_back(std::move(left));
      do {
        if (peek().is("]")) break;
        expr->indices.push_back(index());
      } while (accept(","));
      if (expr->indices.empty()) fail_expected("an index");
      expect("]");
      expr->span = join(expr->span, previous().span);
      left = finish(std::move(expr));
    } else if (accept(".")) {
      ExprPtr expr = node(Expr::Kind::Member, left->span, peek().text);
      bool numbered = peek().kind == TokenKind::Number;
      if (left->kind == Expr::Kind::Number)
        fail_expected(fmt::format("digits after the point, as in `{}.0`", left->text));
      refuse_method();
      if (peek().kind != TokenKind::Name && !numbered) fail_expected("the name of a parameter");
      expr->word = peek().span;
      expr->operands.push_back(std::move(left));
      advance();
      expr->span = join(expr->span, previous().span);
      left = finish(std::move(expr));
    } else {
      return left;
    }
  }
}

/// `torch.relu(x)`, `x.mean()`, `x.T`: nothing is called through a point.
void ParserState::refuse_method() {
  const Token& name = peek();
  if (name.kind == TokenKind::Size && name.text == "T")
    fail_expected("the name of a parameter; `transpose(x)` swaps the last two axes");
  const bool word = name.kind == TokenKind::Name || name.kind == TokenKind::Size;
  if (!word || !peek(1).is("(")) return;
  fail(Diag::UnexpectedToken, name.span,
       fmt::format("found a call of `.{}`, expected the name of a parameter; functions stand alone, as in `{}(x)`",
                   name.text, name.kind == TokenKind::Name ? name.text : "relu"));
}

Index ParserState::index() {
  Index result;
  result.span = peek().span;
  if (accept("...")) {
    result.kind = Index::Kind::Ellipsis;
    return result;
  }
  auto ends = [&] { return peek().is(":") || peek().is(",") || peek().is("]"); };
  if (!ends()) result.value = expression();
  if (accept(":")) {
    result.kind = Index::Kind::Slice;
    result.from = std::move(result.value);
    if (!ends()) result.to = expression();
    if (accept(":") && !ends()) result.step = expression();
  } else if (!result.value) {
    fail_expected("an index");
  }
  result.span = join(result.span, previous().span);
  return result;
}

ExprPtr ParserState::primary() {
  const Token& token = peek();
  switch (token.kind) {
    case TokenKind::Number:
      return number();
    case TokenKind::String: {
      ExprPtr expr = node(Expr::Kind::String, token.span, token.text);
      advance();
      return expr;
    }
    case TokenKind::Name:
      return word();
    case TokenKind::Size: {
      if (peek(1).is("(")) return called();
      ExprPtr expr = node(Expr::Kind::Size, token.span, token.text);
      advance();
      return expr;
    }
    case TokenKind::Symbol:
      if (token.is("(")) return bracketed();
      if (token.is("[")) return list();
      if (token.is(".") && peek(1).kind == TokenKind::Number)
        fail_expected(fmt::format("an expression; a number begins with a digit, as in `0.{}`", peek(1).text));
      break;
    case TokenKind::Newline:
    case TokenKind::End:
      break;
  }
  fail_expected("an expression");
}

ExprPtr ParserState::number() {
  const Token& token = peek();
  ExprPtr expr = node(Expr::Kind::Number, token.span, token.text);
  const char* end = token.text.data() + token.text.size();
  auto [stop, error] = std::from_chars(token.text.data(), end, expr->integer);
  expr->whole = error == std::errc() && stop == end;
  expr->number = std::strtod(expr->text.c_str(), nullptr);
  if (!(expr->number <= 1.7976931348623157e308)) {
    fail(Diag::BadNumber, token.span,
         fmt::format("`{}` is larger than every number of 64 bits; `inf` is infinity", token.text));
  }
  advance();
  return expr;
}

ExprPtr ParserState::word() {
  const Token& token = peek();
  if (token.text == "true" || token.text == "false") {
    ExprPtr expr = node(Expr::Kind::Bool, token.span, token.text);
    expr->whole = token.text == "true";
    advance();
    return expr;
  }
  if (token.keyword) fail_expected("an expression");
  if (peek(1).is("(")) return called();
  ExprPtr expr = node(Expr::Kind::Name, token.span, token.text);
  advance();
  return expr;
}

/// `Linear(x, 10)` too: elaboration knows the functions, and says which one is meant.
ExprPtr ParserState::called() {
  ExprPtr expr = node(Expr::Kind::Call, peek().span, peek().text);
  advance();
  arguments(*expr);
  expr->span = join(expr->span, previous().span);
  return finish(std::move(expr));
}

void ParserState::arguments(Expr& call) {
  Nesting nesting(*this);
  expect("(");
  while (!accept(")")) {
    Argument argument;
    // An input may be called as a keyword is; before a colon any word is a name.
    if (peek().kind == TokenKind::Name && peek(1).is(":")) {
      argument.name = std::string(peek().text);
      argument.name_span = peek().span;
      advance();
      advance();
    } else if (!call.arguments.empty() && !call.arguments.back().name.empty()) {
      fail(Diag::BadArgument, peek().span,
           fmt::format("an argument by position after `{}:`; named ones come last",
                       call.arguments.back().name));
    }
    argument.value = expression();
    call.arguments.push_back(std::move(argument));
    if (peek().is(")") || accept(",")) continue;
    const bool named = peek().is("=") && call.arguments.back().value->kind == Expr::Kind::Name;
    fail_expected(named ? fmt::format("`,` or `)`; an argument's name ends in a colon, `{}: ..`", previous().text)
                        : std::string("`,` or `)`"));
  }
}

ExprPtr ParserState::bracketed() {
  Nesting nesting(*this);
  Span begin = peek().span;
  advance();
  ExprPtr first = expression();
  if (!peek().is(",")) {
    expect(")");
    first->span = join(begin, previous().span);
    return first;
  }
  ExprPtr expr = node(Expr::Kind::Tuple, begin, "");
  expr->operands.push_back(std::move(first));
  while (accept(",")) {
    if (peek().is(")")) break;
    expr->operands.push_back(expression());
  }
  expect(")");
  expr->span = join(begin, previous().span);
  return finish(std::move(expr));
}

ExprPtr ParserState::dim() {
  if (peek().is("...")) {
    ExprPtr expr = node(Expr::Kind::Ellipsis, peek().span, "...");
    advance();
    return expr;
  }
  if (peek().is_word("_")) {
    ExprPtr expr = node(Expr::Kind::Any, peek().span, "_");
    advance();
    return expr;
  }
  return expression();
}

ExprPtr ParserState::list() {
  Nesting nesting(*this);
  ExprPtr expr = node(Expr::Kind::List, peek().span, "");
  expect("[");
  while (!accept("]")) {
    expr->operands.push_back(dim());
    if (!peek().is("]") && !accept(",")) fail_expected("`,` or `]`");
  }
  expr->span = join(expr->span, previous().span);
  return finish(std::move(expr));
}

TypeExpr ParserState::type() {
  static constexpr std::string_view kBare[] = {"int", "float", "bool", "list", "fn"};
  static constexpr std::string_view kElements[] = {"float", "int", "bool", "f32",
                                                   "f64",   "i32", "i64"};
  TypeExpr result;
  result.span = peek().span;
  result.word = std::string(peek().text);
  if (peek().kind != TokenKind::Name) fail_expected("a type");
  bool element = std::ranges::find(kElements, peek().text) != std::end(kElements);
  bool bare = std::ranges::find(kBare, peek().text) != std::end(kBare);
  if (!element && !bare) {
    std::vector<std::string> words(std::begin(kElements), std::end(kElements));
    std::string nearest = nearest_name(result.word, words);
    fail(Diag::UnknownType, peek().span,
         fmt::format("`{}` is no type; {}", result.word,
                     nearest.empty() ? "types are float, int, bool, list, fn and float[..]"
                                     : "did you mean `" + nearest + "`?"));
  }
  advance();
  if (peek().is("[") && element) {
    result.tensor = true;
    ExprPtr dims = list();
    result.dims = std::move(dims->operands);
    for (size_t i = 1; i < result.dims.size(); ++i) {
      if (result.dims[i]->kind == Expr::Kind::Ellipsis) {
        fail(Diag::UnexpectedToken, result.dims[i]->span,
             "`...` stands for leading sizes and comes first only");
      }
    }
    result.span = join(result.span, previous().span);
  } else if (!bare) {
    fail_expected(fmt::format("`[` and sizes after `{}`", result.word));
  }
  return result;
}

}  // namespace gradus::lang
