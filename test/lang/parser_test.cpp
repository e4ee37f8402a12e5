// Tokens and trees: precedence, ends of statements, comments that are kept, recovery.
#include "lang/parser.h"

#include <gtest/gtest.h>

#include "lang/load.h"

namespace gradus::lang {
namespace {

std::string tree(const std::string& text) {
  SourceMap sources;
  int32_t file = sources.add("m.grad", text);
  DiagEngine diags(sources);
  std::optional<std::string> printed = print_ast(sources, file, diags);
  return printed ? *printed : diags.render(false);
}

std::string expression(const std::string& text) { return tree("const c = " + text); }

TEST(Parser, Precedence) {
  EXPECT_EQ(expression("-x ^ 2 * y"), "const c = (* (- (^ x 2)) y)\n");
  EXPECT_EQ(expression("a ^ b ^ -2"), "const c = (^ a (^ b (- 2)))\n");
  EXPECT_EQ(expression("a - b - c @ d"), "const c = (- (- a b) (@ c d))\n");
  EXPECT_EQ(expression("not a < b and c or d"), "const c = (or (and (not (< a b)) c) d)\n");
  EXPECT_EQ(expression("f(x)[1:, ..., ::2].w"), "const c = f(x)[1:, ..., ::2].w\n");
}

TEST(Parser, NewlinesEndStatementsUnlessSomethingIsOpen) {
  EXPECT_EQ(tree("const a = f(1,\n  2,\n)\nconst b = 1 +\n  2\n"),
            "const a = f(1, 2)\nconst b = (+ 1 2)\n");
}

TEST(Parser, StatementsOnOneLine) {
  EXPECT_EQ(tree("fn f(x: float[..., I], n: int = 2) -> float[_] { let y = x; return y }"),
            "fn f(x: float[..., I], n: int = 2) -> float[_]\n  let y = x\n  return y\n");
}

TEST(Parser, ElseAndVjpMayStandOnTheNextLine) {
  EXPECT_EQ(tree("fn f(x: float[...]) {\n if a { return x }\n else if b { return x }\n else { "
                 "return x }\n}\nvjp(s) { return s }"),
            "fn f(x: float[...])\n  if a\n    return x\n  else\n    if b\n      return x\n    "
            "else\n      return x\nvjp(s)\n  return s\n");
}

TEST(Parser, BlocksOfSettings) {
  EXPECT_EQ(tree("data { from csv(\"a.csv\"); x = columns[0:2] }\ntrain { optimizer = sgd(rate: "
                 "1); freeze(\"a\") }"),
            "data\n  from csv(\"a.csv\")\n  x = columns[0:2]\ntrain\n  optimizer = sgd(rate: 1)\n  "
            "freeze(\"a\")\n");
}

TEST(Lexer, KeepsComments) {
  SourceMap sources;
  int32_t file = sources.add("m.grad", "// first\nconst a = 1  // second\n");
  DiagEngine diags(sources);
  TokenList list = lex(sources, file, diags);
  ASSERT_EQ(list.comments.size(), 2u);
  EXPECT_TRUE(list.comments[0].own_line);
  EXPECT_FALSE(list.comments[1].own_line);
  EXPECT_EQ(sources.text(list.comments[1].span), "// second");
}

}  // namespace
}  // namespace gradus::lang
