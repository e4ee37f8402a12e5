// Declarations, statements and settings. Expressions stand in parse_expr.cpp.
#include "lang/parser.h"

#include <fmt/format.h>

#include "lang/foreign_syntax.h"
#include "lang/parser_state.h"

namespace gradus::lang {

namespace {

class FileParser : public ParserState {
 public:
  using ParserState::ParserState;

  File run() {
    skip_newlines();
    while (!at_end()) {
      try {
        declaration();
        if (!at_end()) end_of_statement("a declaration");
      } catch (const ParseError&) {
        skip_to_declaration();
      }
      skip_newlines();
    }
    return std::move(file_);
  }

 private:
  void skip_to_declaration() {
    bool line_start = false;
    while (!at_end()) {
      if (line_start && is_declaration_word(peek())) return;
      line_start = peek().kind == TokenKind::Newline || peek().is("}");
      advance();
    }
  }

  static bool is_declaration_word(const Token& token) {
    for (std::string_view word : {"fn", "model", "data", "train", "const", "include"}) {
      if (token.is_word(word)) return true;
    }
    return false;
  }

  void declaration() {
    if (accept_word("include")) return include();
    if (accept_word("const")) return constant();
    if (accept_word("fn")) return function();
    if (accept_word("model")) return model();
    if (peek().is_word("data")) return file_.data.push_back(settings());
    if (peek().is_word("train")) return file_.train.push_back(settings());
    static const std::vector<std::string> kWords = {"fn",    "model", "data",
                                                    "train", "const", "include"};
    fail_expected("`fn`, `model`, `data`, `train`, `const` or `include`" + nearest_of(kWords));
  }

  /// "; did you mean `let`?" where the word that stands here is close to one of `words`.
  std::string nearest_of(const std::vector<std::string>& words) const {
    if (peek().kind != TokenKind::Name) return "";
    std::string nearest(our_keyword_for(peek().text));
    if (nearest.empty()) nearest = nearest_name(peek().text, words);
    return nearest.empty() ? "" : fmt::format("; did you mean `{}`?", nearest);
  }

  void include() {
    if (peek().kind != TokenKind::String) fail_expected("the name of a file in quotes");
    file_.includes.push_back({std::string(peek().text), peek().span});
    advance();
  }

  void constant() {
    Constant constant;
    constant.name = declared_name("the name of a constant", constant.span);
    expect("=");
    constant.value = expression();
    file_.constants.push_back(std::move(constant));
  }

  void function() {
    auto fn = std::make_unique<Function>();
    fn->name = declared_name("the name of a function", fn->span);
    fn->formals = formals();
    if (accept("->")) result_types(*fn);
    fn->body = block();
    if (vjp_follows()) custom_vjp(*fn);
    file_.functions.push_back(std::move(fn));
  }

  void result_types(Function& fn) {
    if (!accept("(")) {
      fn.results.push_back(type());
      return;
    }
    do fn.results.push_back(type());
    while (accept(","));
    expect(")");
  }

  /// `vjp` may stand on the line after the body's brace.
  bool vjp_follows() {
    size_t ahead = 0;
    while (peek(ahead).kind == TokenKind::Newline) ++ahead;
    if (!peek(ahead).is_word("vjp")) return false;
    skip_newlines();
    return true;
  }

  void custom_vjp(Function& fn) {
    fn.has_vjp = true;
    fn.vjp_span = peek().span;
    advance();
    expect("(");
    Span span;
    fn.seed = declared_name("the name of the seed", span);
    expect(")");
    fn.vjp_body = block();
  }

  void model() {
    ModelDecl model;
    model.name = declared_name("the name of a model", model.span);
    model.inputs = formals();
    model.body = block();
    file_.models.push_back(std::move(model));
  }

  std::vector<Formal> formals() {
    std::vector<Formal> list;
    expect("(");
    while (!accept(")")) {
      Formal formal;
      formal.name = declared_name("the name of an argument", formal.span);
      expect(":");
      formal.type = type();
      if (accept("=")) formal.default_value = expression();
      list.push_back(std::move(formal));
      if (!peek().is(")")) expect(",");
    }
    return list;
  }

  SettingsBlock settings() {
    SettingsBlock block;
    block.span = peek().span;
    advance();
    expect("{");
    skip_newlines();
    while (!accept("}")) {
      if (at_end()) fail_expected("`}`");
      try {
        block.settings.push_back(setting());
        end_of_statement("a setting");
      } catch (const ParseError&) {
        skip_statement();
      }
      skip_newlines();
    }
    return block;
  }

  Setting setting() {
    Setting setting;
    setting.span = peek().span;
    if (peek().kind != TokenKind::Name) fail_expected("the name of a setting or input");
    setting.name = std::string(peek().text);
    if (peek().is_word("from") && peek(1).kind == TokenKind::Name) {
      advance();
      setting.kind = Setting::Kind::From;
      setting.value = expression();
    } else if (peek(1).is("=")) {
      advance();
      advance();
      setting.value = expression();
    } else if (peek(1).is("(")) {
      setting.kind = Setting::Kind::Call;
      setting.value = expression();
    } else {
      advance();
      fail_expected("`=` or `(`");
    }
    return setting;
  }

  // ---- statements ----

  Block block() {
    Nesting nesting(*this);
    if (peek().is(":")) fail_expected("`{`; a block stands in braces");
    expect("{");
    Block list;
    skip_newlines();
    while (!accept("}")) {
      if (at_end()) fail_expected("`}`");
      try {
        list.push_back(statement());
        end_of_statement("a statement");
      } catch (const ParseError&) {
        skip_statement();
      }
      skip_newlines();
    }
    return list;
  }

  std::unique_ptr<Statement> statement() {
    auto s = std::make_unique<Statement>();
    Span begin = peek().span;
    statement_body(*s);
    s->span = join(begin, previous().span);
    return s;
  }

  void statement_body(Statement& s) {
    using Kind = Statement::Kind;
    if (accept_word("let")) return let(s);
    if (accept_word("layer")) return named(s, Kind::Layer, "the name of a layer");
    if (accept_word("output")) return named(s, Kind::Output, "the name of an output");
    if (accept_word("metric")) return named(s, Kind::Metric, "the name of a metric");
    if (accept_word("param")) return variable(s, Kind::Param);
    if (accept_word("state")) return variable(s, Kind::State);
    if (accept_word("repeat")) return repeat(s);
    if (accept_word("if")) return conditional(s);
    if (accept_word("return")) return valued(s, Kind::Return);
    if (accept_word("loss")) return valued(s, Kind::Loss);
    assignment(s);
  }

  void valued(Statement& s, Statement::Kind kind) {
    s.kind = kind;
    if (peek().is("=") || peek().is(":"))
      fail_expected(fmt::format("a value; `{0}` has no name and no `=`, as in `{0} mean(x)`", previous().text));
    s.value = expression();
  }

  void named(Statement& s, Statement::Kind kind, const char* what) {
    s.kind = kind;
    const std::string_view word = previous().text;
    s.name = declared_name(what, s.name_span);
    if (!peek().is("=")) fail_expected(fmt::format("`=`, as in `{} name = ..`", word));
    advance();
    s.value = expression();
  }

  void let(Statement& s) {
    if (accept("(")) {
      s.kind = Statement::Kind::LetTuple;
      do {
        if (peek().is(")")) break;
        s.name_spans.emplace_back();
        s.names.push_back(declared_name("a name", s.name_spans.back()));
      } while (accept(","));
      expect(")");
      expect("=");
      s.value = expression();
      return;
    }
    s.kind = Statement::Kind::Let;
    s.name = declared_name("a name", s.name_span);
    if (accept(":")) s.type = type();
    expect("=");
    s.value = expression();
  }

  void variable(Statement& s, Statement::Kind kind) {
    s.kind = kind;
    s.name = declared_name(
        kind == Statement::Kind::Param ? "the name of a parameter" : "the name of a state",
        s.name_span);
    expect(":");
    s.type = type();
    expect("=");
    s.value = expression();
  }

  void repeat(Statement& s) {
    s.kind = Statement::Kind::Repeat;
    s.value = expression();
    if (accept_word("as")) s.name = declared_name("a name", s.name_span);
    s.body = block();
  }

  void conditional(Statement& s) {
    Nesting nesting(*this);
    s.kind = Statement::Kind::If;
    s.value = expression();
    s.body = block();
    size_t ahead = 0;
    while (peek(ahead).kind == TokenKind::Newline) ++ahead;
    if (!peek(ahead).is_word("else")) return;
    skip_newlines();
    advance();
    if (!peek().is_word("if")) {
      s.else_body = block();
    } else {
      auto inner = std::make_unique<Statement>();
      Span begin = peek().span;
      advance();
      conditional(*inner);
      inner->span = join(begin, previous().span);
      s.else_body.push_back(std::move(inner));
    }
  }

  void assignment(Statement& s) {
    bool operator_first = peek().is("+") || peek().is("*") || peek().is("/") || peek().is("@");
    if (operator_first)
      fail_expected("a statement; a line that goes on ends in its operator, or stands in brackets");
    if (peek().is_word("const")) fail_expected("a statement" + nearest_of({}));
    if (peek().kind != TokenKind::Name || peek().keyword) fail_expected("a statement");
    refuse_misspelt_statement();
    s.kind = Statement::Kind::Assign;
    s.name = std::string(peek().text);
    s.name_span = peek().span;
    advance();
    if (!peek().is("=")) fail_expected(fmt::format("`=` after `{}`", s.name));
    advance();
    s.value = expression();
  }

  /// `outptu y = x`, `for i in ..`: two words where a statement begins with a keyword.
  void refuse_misspelt_statement() {
    static const std::vector<std::string> kWords = {"let",    "layer",  "output", "metric", "param",
                                                    "state",  "repeat", "if",     "return", "loss"};
    if (peek(1).kind != TokenKind::Name) return;
    std::string hint = nearest_of(kWords);
    if (!hint.empty()) fail_expected("a statement" + hint);
  }

  File file_;
};

class ExpressionParser : public ParserState {
 public:
  using ParserState::ParserState;

  ExprPtr run() {
    try {
      skip_newlines();
      ExprPtr expr = expression();
      skip_newlines();
      if (!at_end()) fail_expected("the end of the expression");
      return expr;
    } catch (const ParseError&) {
      return nullptr;
    }
  }
};

}  // namespace

ExprPtr parse_expression(const SourceMap& sources, int32_t file, DiagEngine& diags) {
  TokenList list = lex(sources, file, diags);
  return ExpressionParser(list.tokens, diags).run();
}

File parse(const SourceMap& sources, int32_t file, DiagEngine& diags) {
  TokenList list = lex(sources, file, diags);
  note_divisions(sources, list, diags);
  return FileParser(list.tokens, diags).run();
}

}  // namespace gradus::lang
