// Every equation of `simplify`: it fires, and the bits stay for every kind of operand.
#include "opt/simplify.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "graph/builder.h"
#include "ops/graph_text.h"
#include "opt/cse.h"
#include "opt/dce.h"
#include "opt/split_reductions.h"

namespace gradus {
namespace {

using test::body_of;
using test::read_body;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const std::vector<float> kSpecial = {
    0.0f,   -0.0f,   1.0f,      -1.0f,      0.1f,          -3.7f,           1e38f, -3e38f,
    1e-40f, -1e-45f, kInfinity, -kInfinity, std::nanf(""), 1.17549435e-38f, 2.0f,  16777217.0f};

/// Values for every input: special floats, each input from another place; small integers.
Environment<float> special_values(const Graph& graph, size_t turn) {
  Environment<float> values;
  size_t place = turn;
  for (const Node& node : graph.nodes) {
    if (node.op != OpKind::Input && node.op != OpKind::Param) continue;
    Array<float> array;
    array.dtype = node.type.dtype;
    for (const Dim& dim : node.type.shape) array.sizes.push_back(dim.at(2));
    for (int64_t i = 0; i < array.count(); ++i, ++place) {
      if (is_float(node.type.dtype))
        array.floats.push_back(kSpecial[place % kSpecial.size()]);
      else
        array.integers.push_back(static_cast<int64_t>(place % 2));
    }
    place = place * 3 + 1;
    values[leaf_name(node)] = array;
  }
  return values;
}

uint32_t bits(float x) { return std::isnan(x) ? 0x7fc00000u : std::bit_cast<uint32_t>(x); }

void expect_same_bits(Graph before, Graph after) {
  opt::split_reductions(before, 2);
  opt::split_reductions(after, 2);
  for (size_t turn = 0; turn < kSpecial.size(); ++turn) {
    Environment<float> values = special_values(before, turn);
    EvalContext context{.n = 2, .capacity = 2};
    auto x = eval_exact(before, values, context)[before.results[0].value];
    auto y = eval_exact(after, values, context)[after.results[0].value];
    EXPECT_EQ(x.sizes, y.sizes);
    EXPECT_EQ(x.integers, y.integers);
    ASSERT_EQ(x.floats.size(), y.floats.size());
    for (size_t i = 0; i < x.floats.size(); ++i) {
      EXPECT_EQ(bits(x.floats[i]), bits(y.floats[i])) << x.floats[i] << " became " << y.floats[i];
    }
  }
}

Graph simplified(const Graph& graph) {
  Graph after = graph;
  opt::simplify(after);
  test::expect_valid(after, Stage::Joint);
  opt::dce(after);
  return after;
}

const std::string kLeaves =
    "  %x = input \"x\" : f32[4]\n"
    "  %y = input \"y\" : f32[4]\n"
    "  %i = input \"i\" : i32[4]\n"
    "  %c = input \"c\" : bool[4]\n"
    "  %a = input \"a\" : f32[2,3]\n"
    "  %b = input \"b\" : f32[3,4]\n"
    "  %r = input \"r\" : f32[batch,3]\n";

struct Equation {
  std::string left, right;  // lines whose last value is returned
};

std::string with_return(const std::string& lines) {
  size_t last = lines.rfind("  %") + 2;
  return kLeaves + lines + "  return " + lines.substr(last, lines.find(' ', last) - last) + "\n";
}

Graph graph_of(const std::string& lines) {
  // A line "%x" alone stands for the leaf.
  bool leaf = lines.find('=') == std::string::npos;
  return read_body(leaf ? kLeaves + "  return " + lines + "\n" : with_return(lines));
}

void expect_equation(const Equation& equation) {
  SCOPED_TRACE(equation.left + "=\n" + equation.right);
  Graph left = graph_of(equation.left);
  Graph right = graph_of(equation.right);
  opt::dce(right);
  Graph after = simplified(left);
  EXPECT_EQ(body_of(after), body_of(right));
  expect_same_bits(left, after);
  Graph again = after;
  EXPECT_FALSE(opt::simplify(again)) << "a second run changes nothing";
}

TEST(Simplify, Signs) {
  expect_equation({"  %0 = neg %x : f32[4]\n  %1 = neg %0 : f32[4]\n", "%x"});
  expect_equation({"  %0 = neg %x : f32[4]\n  %1 = abs %0 : f32[4]\n", "  %0 = abs %x : f32[4]\n"});
  expect_equation({"  %0 = abs %x : f32[4]\n  %1 = abs %0 : f32[4]\n", "  %0 = abs %x : f32[4]\n"});
  expect_equation(
      {"  %0 = neg %y : f32[4]\n  %1 = add %x, %0 : f32[4]\n", "  %0 = sub %x, %y : f32[4]\n"});
  expect_equation(
      {"  %0 = neg %y : f32[4]\n  %1 = add %0, %x : f32[4]\n", "  %0 = sub %x, %y : f32[4]\n"});
  expect_equation(
      {"  %0 = neg %y : f32[4]\n  %1 = sub %x, %0 : f32[4]\n", "  %0 = add %x, %y : f32[4]\n"});
  expect_equation({"  %0 = neg %x : f32[4]\n  %1 = neg %y : f32[4]\n  %2 = mul %0, %1 : f32[4]\n",
                   "  %0 = mul %x, %y : f32[4]\n"});
  expect_equation({"  %0 = neg %x : f32[4]\n  %1 = neg %y : f32[4]\n  %2 = div %0, %1 : f32[4]\n",
                   "  %0 = div %x, %y : f32[4]\n"});
  expect_equation(
      {"  %0 = neg %x : f32[4]\n  %1 = mul %0, 3.0 : f32[4]\n", "  %0 = mul %x, -3.0 : f32[4]\n"});
  expect_equation(
      {"  %0 = mul %x, 3.0 : f32[4]\n  %1 = neg %0 : f32[4]\n", "  %0 = mul %x, -3.0 : f32[4]\n"});
}

TEST(Simplify, NeutralElements) {
  expect_equation({"  %0 = mul %x, 1.0 : f32[4]\n", "%x"});
  expect_equation({"  %0 = mul 1.0, %x : f32[4]\n", "%x"});
  expect_equation({"  %0 = mul %x, -1.0 : f32[4]\n", "  %0 = neg %x : f32[4]\n"});
  expect_equation({"  %0 = div %x, 1.0 : f32[4]\n", "%x"});
  expect_equation({"  %0 = div %x, -1.0 : f32[4]\n", "  %0 = neg %x : f32[4]\n"});
  expect_equation({"  %0 = div %x, 8.0 : f32[4]\n", "  %0 = mul %x, 0.125 : f32[4]\n"});
  expect_equation({"  %0 = div %x, -0.25 : f32[4]\n", "  %0 = mul %x, -4.0 : f32[4]\n"});
  expect_equation({"  %0 = add %x, -0.0 : f32[4]\n", "%x"});
  expect_equation({"  %0 = sub %x, 0.0 : f32[4]\n", "%x"});
  expect_equation({"  %0 = sub -0.0, %x : f32[4]\n", "  %0 = neg %x : f32[4]\n"});
  expect_equation({"  %0 = broadcast 1.0 : f32[4]\n  %1 = mul %x, %0 : f32[4]\n", "%x"});
}

TEST(Simplify, LeavesWhatIsNotExact) {
  for (std::string lines : {"  %0 = add %x, 0.0 : f32[4]\n", "  %0 = mul %x, 0.0 : f32[4]\n",
                            "  %0 = sub %x, %x : f32[4]\n", "  %0 = sub 0.0, %x : f32[4]\n",
                            "  %0 = div %x, 3.0 : f32[4]\n", "  %0 = div %x, 1.0e-40 : f32[4]\n",
                            "  %0 = sub %x, -0.0 : f32[4]\n",
                            "  %0 = mul %x, 0.1 : f32[4]\n  %1 = mul %0, 10.0 : f32[4]\n",
                            "  %0 = div %x, %x : f32[4]\n"}) {
    expect_equation({lines, lines});
  }
}

TEST(Simplify, PutsConstantsOnTheRight) {
  expect_equation({"  %0 = add 2.0, %x : f32[4]\n", "  %0 = add %x, 2.0 : f32[4]\n"});
  expect_equation({"  %0 = mul 2.0, %x : f32[4]\n", "  %0 = mul %x, 2.0 : f32[4]\n"});
}

TEST(Simplify, WholePowersMultiply) {
  // The language's meaning of a power: the bits are those of the products.
  auto after = [](const std::string& lines) { return body_of(simplified(graph_of(lines))); };
  auto expected = [](const std::string& lines) {
    Graph graph = graph_of(lines);
    opt::dce(graph);
    return body_of(graph);
  };
  EXPECT_EQ(after("  %0 = pow %x, 2.0 : f32[4]\n"), expected("  %0 = mul %x, %x : f32[4]\n"));
  EXPECT_EQ(after("  %0 = pow %x, 1.0 : f32[4]\n"), expected("%x"));
  EXPECT_EQ(after("  %0 = pow %x, 0.0 : f32[4]\n"), expected("  %0 = broadcast 1.0 : f32[4]\n"));
  EXPECT_EQ(
      after("  %0 = pow %x, 5.0 : f32[4]\n"),
      expected(
          "  %0 = mul %x, %x : f32[4]\n  %1 = mul %0, %0 : f32[4]\n  %2 = mul %1, %x : f32[4]\n"));
  EXPECT_EQ(after("  %0 = pow %x, -2.0 : f32[4]\n"),
            expected("  %0 = mul %x, %x : f32[4]\n  %1 = div 1.0, %0 : f32[4]\n"));
  std::string half = "  %0 = pow %x, 0.5 : f32[4]\n";
  EXPECT_EQ(after(half), expected(half));
  std::string large = "  %0 = pow %x, 17.0 : f32[4]\n";
  EXPECT_EQ(after(large), expected(large));
}

TEST(Simplify, Integers) {
  expect_equation({"  %0 = add %i, 0 : i32[4]\n", "%i"});
  expect_equation({"  %0 = sub %i, 0 : i32[4]\n", "%i"});
  expect_equation({"  %0 = mul %i, 1 : i32[4]\n", "%i"});
  expect_equation({"  %0 = mul %i, 0 : i32[4]\n", "  %0 = broadcast 0 : i32[4]\n"});
  expect_equation({"  %0 = sub %i, %i : i32[4]\n", "  %0 = broadcast 0 : i32[4]\n"});
}

TEST(Simplify, Truth) {
  expect_equation({"  %0 = not %c : bool[4]\n  %1 = not %0 : bool[4]\n", "%c"});
  expect_equation({"  %0 = and %c, %c : bool[4]\n", "%c"});
  expect_equation({"  %0 = or %c, %c : bool[4]\n", "%c"});
  expect_equation({"  %0 = constant {value=1} : bool[]\n  %1 = and %c, %0 : bool[4]\n", "%c"});
  expect_equation({"  %0 = constant {value=0} : bool[]\n  %1 = or %c, %0 : bool[4]\n", "%c"});
  expect_equation(
      {"  %0 = constant {value=1} : bool[]\n  %1 = select %0, %x, %y : f32[4]\n", "%x"});
  expect_equation(
      {"  %0 = constant {value=0} : bool[]\n  %1 = select %0, %x, %y : f32[4]\n", "%y"});
  expect_equation({"  %0 = select %c, %x, %x : f32[4]\n", "%x"});
  expect_equation({"  %0 = not %c : bool[4]\n  %1 = select %0, %x, %y : f32[4]\n",
                   "  %0 = select %c, %y, %x : f32[4]\n"});
  expect_equation({"  %0 = maximum %x, %x : f32[4]\n", "%x"});
  expect_equation({"  %0 = minimum %x, %x : f32[4]\n", "%x"});
}

TEST(Simplify, Conversions) {
  expect_equation({"  %0 = convert %x : f32[4]\n", "%x"});
  expect_equation({"  %0 = convert %x : f64[4]\n  %1 = convert %0 : f32[4]\n", "%x"});
  expect_equation({"  %0 = convert %i : f64[4]\n  %1 = convert %0 : i32[4]\n", "%i"});
  std::string lossy = "  %0 = convert %i : f32[4]\n  %1 = convert %0 : i32[4]\n";
  expect_equation({lossy, lossy});
}

TEST(Simplify, PointwiseOperatorsBroadcastThemselves) {
  expect_equation({"  %0 = broadcast %x : f32[3,4]\n  %1 = mul %0, %b : f32[3,4]\n",
                   "  %0 = mul %x, %b : f32[3,4]\n"});
  expect_equation({"  %0 = broadcast %x : f32[3,4]\n  %1 = exp %0 : f32[3,4]\n",
                   "  %0 = exp %x : f32[4]\n  %1 = broadcast %0 : f32[3,4]\n"});
  expect_equation(
      {"  %0 = broadcast %x : f32[3,4]\n  %1 = broadcast %y : f32[3,4]\n  %2 = add %0, %1 : "
       "f32[3,4]\n",
       "  %0 = add %x, %y : f32[4]\n  %1 = broadcast %0 : f32[3,4]\n"});
}

TEST(Simplify, Layout) {
  expect_equation({"  %0 = reshape %a : f32[6]\n  %1 = reshape %0 : f32[3,2]\n",
                   "  %0 = reshape %a : f32[3,2]\n"});
  expect_equation({"  %0 = reshape %a : f32[6]\n  %1 = reshape %0 : f32[2,3]\n", "%a"});
  expect_equation(
      {"  %0 = transpose %a {perm=[1,0]} : f32[3,2]\n  %1 = transpose %0 {perm=[1,0]} : f32[2,3]\n",
       "%a"});
  expect_equation(
      {"  %0 = reshape %a : f32[2,1,3]\n  %1 = transpose %0 {perm=[1,2,0]} : f32[1,3,2]\n  %2 = "
       "transpose %1 {perm=[1,0,2]} : f32[3,1,2]\n",
       "  %0 = reshape %a : f32[2,1,3]\n  %1 = transpose %0 {perm=[2,1,0]} : f32[3,1,2]\n"});
  expect_equation({"  %0 = reshape %x : f32[1,4]\n  %1 = transpose %0 {perm=[1,0]} : f32[4,1]\n",
                   "  %0 = reshape %x : f32[4,1]\n"});
  expect_equation({"  %0 = broadcast %x : f32[1,4]\n  %1 = broadcast %0 : f32[3,4]\n",
                   "  %0 = broadcast %x : f32[3,4]\n"});
  expect_equation({"  %0 = reshape %x : f32[1,4]\n  %1 = broadcast %0 : f32[3,4]\n",
                   "  %0 = broadcast %x : f32[3,4]\n"});
  expect_equation({"  %0 = broadcast 2.0 : f32[3,4]\n  %1 = reshape %0 : f32[12]\n",
                   "  %0 = broadcast 2.0 : f32[12]\n"});
  expect_equation({"  %0 = slice %x {start=[0], step=[1]} : f32[4]\n", "%x"});
  expect_equation({"  %0 = pad %x {low=[0], high=[0]} : f32[4]\n", "%x"});
  expect_equation(
      {"  %0 = pad %x {low=[1], high=[2]} : f32[7]\n  %1 = slice %0 {start=[1], step=[1]} : "
       "f32[4]\n",
       "%x"});
  expect_equation({"  %0 = concat %x {axis=0} : f32[4]\n", "%x"});
  std::string reversed = "  %0 = slice %x {start=[3], step=[-1]} : f32[4]\n";
  expect_equation({reversed, reversed});
  std::string shifted =
      "  %0 = pad %x {low=[1], high=[2]} : f32[7]\n  %1 = slice %0 {start=[0], step=[1]} : "
      "f32[4]\n";
  expect_equation({shifted, shifted});
}

TEST(Simplify, ProductsAbsorbTransposes) {
  expect_equation({"  %0 = transpose %a {perm=[1,0]} : f32[3,2]\n  %1 = matmul %0, %a : f32[3,3]\n",
                   "  %0 = matmul %a, %a {ta=true} : f32[3,3]\n"});
  expect_equation({"  %0 = transpose %a {perm=[1,0]} : f32[3,2]\n  %1 = matmul %a, %0 : f32[2,2]\n",
                   "  %0 = matmul %a, %a {tb=true} : f32[2,2]\n"});
  expect_equation(
      {"  %0 = transpose %b {perm=[1,0]} : f32[4,3]\n  %1 = matmul %a, %0 {tb=true} : f32[2,4]\n",
       "  %0 = matmul %a, %b : f32[2,4]\n"});
  expect_equation({"  %0 = matmul %a, %b : f32[2,4]\n  %1 = transpose %0 {perm=[1,0]} : f32[4,2]\n",
                   "  %0 = matmul %b, %a {ta=true, tb=true} : f32[4,2]\n"});
  expect_equation(
      {"  %0 = reshape %b : f32[2,2,3]\n  %1 = transpose %0 {perm=[0,2,1]} : f32[2,3,2]\n  %2 = "
       "matmul %a, %1 : f32[2,2,2]\n",
       "  %0 = reshape %b : f32[2,2,3]\n  %1 = matmul %a, %0 {tb=true} : f32[2,2,2]\n"});
}

TEST(Simplify, ProductsWithOneMatrixAreOneProduct) {
  expect_equation(
      {"  %0 = reshape %b : f32[2,2,3]\n  %1 = matmul %0, %a {tb=true} : f32[2,2,2]\n",
       "  %0 = reshape %b : f32[4,3]\n  %1 = matmul %0, %a {tb=true} : f32[4,2]\n  %2 = reshape %1 "
       ": f32[2,2,2]\n"});
  std::string batch_inside =
      "  %x3 = input \"x3\" : f32[2,batch,3]\n  %0 = matmul %x3, %b : f32[2,batch,4]\n";
  expect_equation({batch_inside, batch_inside});
}

TEST(Simplify, LeavesAProductThatOthersRead) {
  Graph graph = read_body(kLeaves +
                          "  %0 = matmul %a, %b : f32[2,4]\n"
                          "  %1 = transpose %0 {perm=[1,0]} : f32[4,2]\n"
                          "  %2 = exp %0 : f32[2,4]\n"
                          "  return %1, %2\n");
  opt::dce(graph);
  EXPECT_EQ(body_of(simplified(graph)), body_of(graph));
}

TEST(Simplify, Reductions) {
  expect_equation({"  %0 = reshape %x : f32[1,4,1]\n  %1 = sum %0 {dims=[0,1,2]} : f32[]\n",
                   "  %0 = sum %x {dims=[0]} : f32[]\n"});
  expect_equation(
      {"  %0 = reshape %b : f32[3,1,4]\n  %1 = sum %0 {dims=[0,1], keep=true} : f32[1,1,4]\n",
       "  %0 = sum %b {dims=[0], keep=true} : f32[1,4]\n  %1 = reshape %0 : f32[1,1,4]\n"});
  expect_equation({"  %0 = reshape %x : f32[4,1]\n  %1 = sum %0 {dims=[1]} : f32[4]\n", "%x"});
  expect_equation({"  %0 = reshape %x : f32[4,1]\n  %1 = max %0 {dims=[1], keep=true} : f32[4,1]\n",
                   "  %0 = reshape %x : f32[4,1]\n"});
  expect_equation(
      {"  %0 = sum %x {dims=[0], keep=true} : f32[1]\n  %1 = broadcast 2.0 : f32[3,4]\n  %2 = max "
       "%1 {dims=[0]} : f32[4]\n  %3 = mul %2, %0 : f32[4]\n",
       "  %0 = sum %x {dims=[0], keep=true} : f32[1]\n  %1 = mul %0, 2.0 : f32[1]\n  %2 = "
       "broadcast %1 : f32[4]\n"});
  std::string repeated = "  %0 = broadcast %x : f32[3,4]\n  %1 = sum %0 {dims=[0]} : f32[4]\n";
  expect_equation({repeated, repeated});
}

TEST(Simplify, GoesThroughToWhatRulesMake) {
  expect_equation(
      {"  %0 = neg %x : f32[4]\n  %1 = neg %y : f32[4]\n  %2 = mul %0, 1.0 : f32[4]\n  %3 = sub "
       "%2, %1 : f32[4]\n",
       "  %0 = sub %y, %x : f32[4]\n"});
}

TEST(Simplify, KeepsSpansAndPrimals) {
  Graph graph = read_body(
      "  %x = input \"x\" : f32[4]\n"
      "  %0 = exp %x : f32[4]\n"
      "  %1 = neg %0 : f32[4]\n"
      "  %2 = add %x, %1 {of=%0} : f32[4]\n"
      "  return %2\n");
  graph[graph.results[0].value].span = {0, 3, 9};
  ASSERT_TRUE(opt::simplify(graph));
  const Node& made = graph[graph.results[0].value];
  EXPECT_EQ(made.op, OpKind::Sub);
  EXPECT_EQ(made.span, (Span{0, 3, 9}));
  EXPECT_EQ(graph[made.of].op, OpKind::Exp);
}

}  // namespace
}  // namespace gradus
