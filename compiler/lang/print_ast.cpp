// The tree as text: a node a line, children indented by two.
#include <fmt/format.h>

#include "lang/ast.h"

namespace gradus::lang {

namespace {

class Printer {
 public:
  std::string out;

  void line(int depth, const std::string& text) {
    out.append(static_cast<size_t>(depth) * 2, ' ');
    out += text;
    out += '\n';
  }

  /// Expressions are one line each, fully bracketed: the tree shows what binds to what.
  static std::string text(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::Number:
      case Expr::Kind::Bool:
      case Expr::Kind::Name:
      case Expr::Kind::Size:
      case Expr::Kind::Ellipsis:
      case Expr::Kind::Any:
        return e.text;
      case Expr::Kind::String:
        return fmt::format("\"{}\"", e.text);
      case Expr::Kind::Unary:
        return fmt::format("({} {})", e.text, text(*e.operands[0]));
      case Expr::Kind::Binary:
        return fmt::format("({} {} {})", e.text, text(*e.operands[0]), text(*e.operands[1]));
      case Expr::Kind::Call:
        return e.text + arguments(e);
      case Expr::Kind::Index:
        return fmt::format("{}[{}]", text(*e.operands[0]), indices(e));
      case Expr::Kind::Member:
        return fmt::format("{}.{}", text(*e.operands[0]), e.text);
      case Expr::Kind::List:
        return fmt::format("[{}]", joined(e.operands));
      case Expr::Kind::Tuple:
        return fmt::format("({})", joined(e.operands));
    }
    return {};
  }

  static std::string joined(const std::vector<ExprPtr>& list) {
    std::string all;
    for (const ExprPtr& e : list) all += (all.empty() ? "" : ", ") + text(*e);
    return all;
  }

  static std::string arguments(const Expr& call) {
    std::string all;
    for (const Argument& a : call.arguments) {
      all += fmt::format("{}{}{}", all.empty() ? "" : ", ", a.name.empty() ? "" : a.name + ": ",
                         text(*a.value));
    }
    return "(" + all + ")";
  }

  static std::string indices(const Expr& e) {
    auto part = [](const ExprPtr& p) { return p ? text(*p) : std::string(); };
    std::string all;
    for (const Index& i : e.indices) {
      if (!all.empty()) all += ", ";
      if (i.kind == Index::Kind::Ellipsis) all += "...";
      if (i.kind == Index::Kind::Single) all += text(*i.value);
      if (i.kind == Index::Kind::Slice)
        all += part(i.from) + ":" + part(i.to) + (i.step ? ":" + text(*i.step) : "");
    }
    return all;
  }

  static std::string type(const TypeExpr& t) {
    return t.tensor ? fmt::format("{}[{}]", t.word, joined(t.dims)) : t.word;
  }

  static std::string formals(const std::vector<Formal>& list) {
    std::string all;
    for (const Formal& f : list) {
      all += fmt::format("{}{}: {}", all.empty() ? "" : ", ", f.name, type(f.type));
      if (f.default_value) all += " = " + text(*f.default_value);
    }
    return "(" + all + ")";
  }

  void block(int depth, const Block& list) {
    for (const auto& s : list) statement(depth, *s);
  }

  void statement(int depth, const Statement& s) {
    using Kind = Statement::Kind;
    std::string typed = s.type ? ": " + type(*s.type) : "";
    auto declared = [&](const char* word) {
      line(depth, fmt::format("{} {}{} = {}", word, s.name, typed, text(*s.value)));
    };
    switch (s.kind) {
      case Kind::Let:
        return declared("let");
      case Kind::Layer:
        return declared("layer");
      case Kind::Param:
        return declared("param");
      case Kind::State:
        return declared("state");
      case Kind::Output:
        return declared("output");
      case Kind::Metric:
        return declared("metric");
      case Kind::Assign:
        return line(depth, fmt::format("{} = {}", s.name, text(*s.value)));
      case Kind::LetTuple:
        return line(depth, fmt::format("let ({}) = {}", fmt::join(s.names, ", "), text(*s.value)));
      case Kind::Return:
        return line(depth, "return " + text(*s.value));
      case Kind::Loss:
        return line(depth, "loss " + text(*s.value));
      case Kind::Repeat:
        line(depth,
             fmt::format("repeat {}{}", text(*s.value), s.name.empty() ? "" : " as " + s.name));
        return block(depth + 1, s.body);
      case Kind::If:
        line(depth, "if " + text(*s.value));
        block(depth + 1, s.body);
        if (!s.else_body.empty()) line(depth, "else");
        return block(depth + 1, s.else_body);
    }
  }

  void function(const Function& f) {
    std::string results;
    for (const TypeExpr& t : f.results) results += (results.empty() ? "" : ", ") + type(t);
    if (f.results.size() > 1) results = "(" + results + ")";
    line(0, fmt::format("fn {}{}{}", f.name, formals(f.formals),
                        results.empty() ? "" : " -> " + results));
    block(1, f.body);
    if (f.has_vjp) line(0, fmt::format("vjp({})", f.seed));
    block(1, f.vjp_body);
  }

  void settings(const char* word, const SettingsBlock& b) {
    line(0, word);
    for (const Setting& s : b.settings) {
      if (s.kind == Setting::Kind::Assign) line(1, fmt::format("{} = {}", s.name, text(*s.value)));
      if (s.kind == Setting::Kind::From) line(1, "from " + text(*s.value));
      if (s.kind == Setting::Kind::Call) line(1, text(*s.value));
    }
  }
};

}  // namespace

std::string print_file(const File& file) {
  Printer p;
  for (const Include& i : file.includes) p.line(0, fmt::format("include \"{}\"", i.path));
  for (const Constant& c : file.constants)
    p.line(0, fmt::format("const {} = {}", c.name, Printer::text(*c.value)));
  for (const auto& f : file.functions) p.function(*f);
  for (const ModelDecl& m : file.models) {
    p.line(0, fmt::format("model {}{}", m.name, Printer::formals(m.inputs)));
    p.block(1, m.body);
  }
  for (const SettingsBlock& b : file.data) p.settings("data", b);
  for (const SettingsBlock& b : file.train) p.settings("train", b);
  return p.out;
}

}  // namespace gradus::lang
