// What `differentiate` makes of whole graphs: structure, identity, nesting, custom vjps,
// problems.
#include "autodiff/differentiate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/builder.h"
#include "graph/text.h"
#include "ops/graph_text.h"
#include "opt/dce.h"

namespace gradus {
namespace {

using autodiff::DerivativeProblem;
using autodiff::differentiate;
using test::body_of;
using test::read_body;

Graph differentiated(const std::string& body) {
  Graph graph = read_body(body);
  std::vector<DerivativeProblem> problems;
  EXPECT_TRUE(differentiate(graph, problems));
  for (const DerivativeProblem& problem : problems) ADD_FAILURE() << problem.message;
  test::expect_valid(graph, Stage::Joint);
  opt::dce(graph);
  return graph;
}

/// The first result of a graph whose only leaf is the scalar %x.
double value_at(const Graph& graph, double x) {
  Environment<double> values{{"x", test::scalar_of(x)}};
  return eval<double>(graph, values, {})[graph.results[0].value].floats[0];
}

std::vector<DerivativeProblem> problems_of(const std::string& body) {
  Graph graph = read_body(body);
  std::string before = print_graph(graph);
  std::vector<DerivativeProblem> problems;
  EXPECT_FALSE(differentiate(graph, problems));
  EXPECT_EQ(print_graph(graph), before) << "a graph with problems is left as it was";
  EXPECT_FALSE(problems.empty());
  return problems;
}

void expect_problem(const std::string& body, DerivativeProblem::Kind kind,
                    const std::string& message) {
  std::vector<DerivativeProblem> problems = problems_of(body);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].kind, kind);
  EXPECT_EQ(problems[0].message, message);
}

TEST(Differentiate, TakesTheCotangentOfTanhFromItsResult) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[8]\n"
      "  %0 = tanh %x : f32[8]\n"
      "  %1 = sum %0 {dims=[0]} : f32[]\n"
      "  %2 = gradient %1, %x, 1.0 : f32[8]\n"
      "  return %2\n");
  EXPECT_EQ(body_of(graph),
            "  %x = param \"x\" : f32[8]\n"
            "  %0 = tanh %x : f32[8]\n"
            "  %1 = reshape 1.0 : f32[1]\n"
            "  %2 = broadcast %1 : f32[8]\n"
            "  %3 = mul %0, %0 {of=%0} : f32[8]\n"
            "  %4 = sub 1.0, %3 {of=%0} : f32[8]\n"
            "  %5 = mul %2, %4 {of=%0} : f32[8]\n"
            "  return %5\n");
}

TEST(Differentiate, LeavesAGraphWithoutDerivativesAlone) {
  Graph graph = read_body("  %x = param \"x\" : f32[8]\n  %0 = tanh %x : f32[8]\n  return %0\n");
  std::vector<DerivativeProblem> problems;
  EXPECT_FALSE(differentiate(graph, problems));
  EXPECT_TRUE(problems.empty());
}

TEST(Differentiate, WalksOnceForAllGradientsOfOneValue) {
  Graph graph = differentiated(
      "  %a = param \"a\" : f32[]\n"
      "  %b = param \"b\" : f32[]\n"
      "  %0 = mul %a, %b : f32[]\n"
      "  %1 = sin %0 : f32[]\n"
      "  %2 = gradient %1, %a, 1.0 : f32[]\n"
      "  %3 = gradient %1, %b, 1.0 : f32[]\n"
      "  return %2, %3\n");
  int cosines = 0;
  for (const Node& node : graph.nodes) cosines += node.op == OpKind::Cos;
  EXPECT_EQ(cosines, 1);
}

TEST(Differentiate, AddsCotangentsFromTheLastUserToTheFirst) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = exp %x : f32[]\n"
      "  %2 = mul %0, %1 : f32[]\n"
      "  %3 = gradient %2, %x, 1.0 : f32[]\n"
      "  return %3\n");
  const Node& sum = graph[graph.results[0].value];
  ASSERT_EQ(sum.op, OpKind::Add);
  EXPECT_EQ(graph[sum.of].op, OpKind::Param);
  EXPECT_EQ(graph[graph[sum.operands[0]].of].op, OpKind::Exp);
  EXPECT_EQ(graph[graph[sum.operands[1]].of].op, OpKind::Sin);
  EXPECT_NEAR(value_at(graph, 0.7), std::exp(0.7) * (std::sin(0.7) + std::cos(0.7)), 1e-14);
}

TEST(Differentiate, NestsToTheThirdOrder) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = mul %x, %x : f32[]\n"
      "  %1 = sin %0 : f32[]\n"
      "  %2 = gradient %1, %x, 1.0 : f32[]\n"
      "  %3 = gradient %2, %x, 1.0 : f32[]\n"
      "  %4 = gradient %3, %x, 1.0 : f32[]\n"
      "  return %4\n");
  double x = 0.8, t = x * x;
  // sin(x^2)''' = -12 x sin(x^2) - 8 x^3 cos(x^2)
  EXPECT_NEAR(value_at(graph, x), -12 * x * std::sin(t) - 8 * x * x * x * std::cos(t), 1e-12);
}

TEST(Differentiate, CountsAllPathsThroughSharedValues) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = mul %x, %x : f32[]\n"
      "  %1 = mul %0, %0 : f32[]\n"
      "  %2 = gradient %1, %x, 1.0 : f32[]\n"
      "  return %2\n");
  EXPECT_NEAR(value_at(graph, 1.5), 4 * 1.5 * 1.5 * 1.5, 1e-12);
}

TEST(Differentiate, TakesAnIntermediateValueAsVariable) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = mul %x, %x : f32[]\n"
      "  %1 = mul %0, %x : f32[]\n"
      "  %2 = mul %1, %0 : f32[]\n"
      "  %3 = gradient %2, %0, 1.0 : f32[]\n"
      "  return %3\n");
  EXPECT_NEAR(value_at(graph, 1.5), 2 * 1.5 * 1.5 * 1.5, 1e-12);  // t^2 x by t: 2 t x
}

TEST(Differentiate, TellsEqualValuesApart) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = exp %x : f32[]\n"
      "  %1 = exp %x : f32[]\n"
      "  %2 = mul %0, %1 : f32[]\n"
      "  %3 = gradient %2, %0, 1.0 : f32[]\n"
      "  return %3\n");
  EXPECT_NEAR(value_at(graph, 0.3), std::exp(0.3), 1e-14);
}

TEST(Differentiate, TellsGradientsOfOneValueApart) {
  // Both inner gradients are the same cotangent, yet only the paths from the named one count.
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = cos %x : f32[]\n"
      "  %2 = add %0, %1 : f32[]\n"
      "  %3 = exp %2 : f32[]\n"
      "  %4 = gradient %3, %0, 1.0 : f32[]\n"
      "  %5 = gradient %3, %1, 1.0 : f32[]\n"
      "  %6 = mul %4, %5 : f32[]\n"
      "  %7 = gradient %6, %4, 1.0 : f32[]\n"
      "  return %7\n");
  EXPECT_NEAR(value_at(graph, 0.3), std::exp(std::sin(0.3) + std::cos(0.3)), 1e-12);
}

TEST(Differentiate, GivesTheSeedForTheValueItself) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = gradient %0, %0, 3.0 : f32[]\n"
      "  return %1\n");
  EXPECT_EQ(value_at(graph, 0.3), 3);
}

TEST(Differentiate, MakesTheForwardDerivativeByTheSeed) {
  // jvp = the vjp of the vjp in its seed; the seed may be any value.
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %s = input \"s\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = gradient %0, %x, %s : f32[]\n"
      "  %2 = gradient %1, %s, 5.0 : f32[]\n"
      "  return %2\n");
  EXPECT_NEAR(value_at(graph, 0.3), 5 * std::cos(0.3), 1e-14);
}

TEST(Differentiate, StopsAtStopGradientAndTakesItOut) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = floor %x : f32[]\n"
      "  %1 = stop_gradient %0 : f32[]\n"
      "  %2 = mul %1, %x : f32[]\n"
      "  %3 = gradient %2, %x, 1.0 : f32[]\n"
      "  return %3\n");
  EXPECT_EQ(value_at(graph, 2.5), 2);
  for (const Node& node : graph.nodes) EXPECT_NE(node.op, OpKind::StopGradient);
}

TEST(Differentiate, PassesMasksOfComparisons) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = floor %x : f32[]\n"
      "  %1 = less 0.0, %0 : bool[]\n"
      "  %2 = select %1, %x, 0.0 : f32[]\n"
      "  %3 = gradient %2, %x, 1.0 : f32[]\n"
      "  return %3\n");
  EXPECT_EQ(value_at(graph, 2.5), 1);
  EXPECT_EQ(value_at(graph, 0.5), 0);
}

TEST(Differentiate, KeepsSpansScopesAndPrimals) {
  Graph graph = read_body(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = gradient %0, %x, 1.0 : f32[]\n"
      "  return %1\n");
  graph.scopes.push_back({"wave", -1, {}});
  for (Node& node : graph.nodes) {
    if (node.op != OpKind::Sin) continue;
    node.span = {0, 10, 20};
    node.scope = 0;
  }
  std::vector<DerivativeProblem> problems;
  ASSERT_TRUE(differentiate(graph, problems));
  const Node& made = graph[graph.results[0].value];
  EXPECT_EQ(graph[made.of].op, OpKind::Sin);
  EXPECT_EQ(made.span, (Span{0, 10, 20}));
  EXPECT_EQ(made.scope, 0);
  EXPECT_EQ(graph.scopes.size(), 1u);
}

// f(x) = x^2 with the custom vjp `seed * 3 x`: wrong on purpose, so that it shows.
const std::string kOwnSquare =
    "  %x = param \"x\" : f32[]\n"
    "  %0 = mul %x, %x : f32[]\n"
    "  %1 = seed : f32[]\n"
    "  %2 = mul %x, 3.0 : f32[]\n"
    "  %3 = mul %1, %2 : f32[]\n"
    "  %4 = custom_vjp %0, %1, %x, %3 : f32[]\n";

TEST(CustomVjp, IsUsedInsteadOfTheTrueOne) {
  Graph graph = differentiated(kOwnSquare +
                               "  %5 = sin %4 : f32[]\n"
                               "  %6 = gradient %5, %x, 1.0 : f32[]\n"
                               "  return %6\n");
  EXPECT_NEAR(value_at(graph, 0.5), std::cos(0.25) * 3 * 0.5, 1e-14);
}

TEST(CustomVjp, IsDifferentiatedItself) {
  Graph graph = differentiated(kOwnSquare +
                               "  %5 = gradient %4, %x, 1.0 : f32[]\n"
                               "  %6 = gradient %5, %x, 1.0 : f32[]\n"
                               "  return %6\n");
  EXPECT_EQ(value_at(graph, 0.5), 3);
}

TEST(CustomVjp, HasItsValueWhereNothingIsDifferentiated) {
  Graph graph = differentiated(kOwnSquare + "  return %4\n");
  EXPECT_EQ(value_at(graph, 0.5), 0.25);
  for (const Node& node : graph.nodes) EXPECT_NE(node.op, OpKind::Seed);
}

TEST(CustomVjp, ReadsItsResultWithTheCustomVjp) {
  // The value is floor(x), of which nothing else has a derivative; f' = seed * f, so f'' = f' f =
  // f.
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = floor %x : f32[]\n"
      "  %1 = seed : f32[]\n"
      "  %2 = mul %1, %0 : f32[]\n"
      "  %3 = custom_vjp %0, %1, %x, %2 : f32[]\n"
      "  %4 = gradient %3, %x, 1.0 : f32[]\n"
      "  %5 = gradient %4, %x, 1.0 : f32[]\n"
      "  return %5\n");
  EXPECT_EQ(value_at(graph, 2.5), 2);
}

TEST(CustomVjp, OfAFunctionThatReturnsItsArgument) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = seed : f32[]\n"
      "  %1 = mul %0, %x : f32[]\n"
      "  %2 = custom_vjp %x, %0, %x, %1 : f32[]\n"
      "  %3 = gradient %2, %x, 1.0 : f32[]\n"
      "  %4 = gradient %3, %x, 1.0 : f32[]\n"
      "  return %3, %4\n");
  EXPECT_EQ(value_at(graph, 2.5), 2.5);
  Environment<double> values{{"x", test::scalar_of(2.5)}};
  EXPECT_EQ(eval<double>(graph, values, {})[graph.results[1].value].floats[0], 1);
}

TEST(CustomVjp, HoldsAGradientInside) {
  // The custom vjp of x^2 is taken by differentiation inside of it.
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = floor %x : f32[]\n"
      "  %1 = seed : f32[]\n"
      "  %2 = mul %x, %x : f32[]\n"
      "  %3 = gradient %2, %x, %1 : f32[]\n"
      "  %4 = custom_vjp %0, %1, %x, %3 : f32[]\n"
      "  %5 = gradient %4, %x, 1.0 : f32[]\n"
      "  %6 = gradient %5, %x, 1.0 : f32[]\n"
      "  return %5, %6\n");
  EXPECT_EQ(value_at(graph, 2.5), 5);
  Environment<double> values{{"x", test::scalar_of(2.5)}};
  EXPECT_EQ(eval<double>(graph, values, {})[graph.results[1].value].floats[0], 2);
}

TEST(CustomVjp, GivesEachArgumentItsOwn) {
  Graph graph = differentiated(
      "  %x = param \"x\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = mul %0, %x : f32[]\n"
      "  %2 = seed : f32[]\n"
      "  %3 = mul %2, 10.0 : f32[]\n"
      "  %4 = mul %2, 100.0 : f32[]\n"
      "  %5 = custom_vjp %1, %2, %0, %x, %3, %4 : f32[]\n"
      "  %6 = gradient %5, %x, 1.0 : f32[]\n"
      "  return %6\n");
  EXPECT_NEAR(value_at(graph, 0.5), 10 * std::cos(0.5) + 100, 1e-12);
}

TEST(Problems, NoPathToAParameter) {
  expect_problem(
      "  %x = param \"x\" : f32[]\n"
      "  %w = param \"fc.w\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = gradient %0, %x, 1.0 : f32[]\n"
      "  %2 = gradient %0, %w, 1.0 : f32[]\n"
      "  return %1, %2\n",
      DerivativeProblem::Kind::NoPath,
      "no differentiable path from parameter `fc.w` to the value that is differentiated; freeze or "
      "delete it, or let the value depend on it");
}

TEST(Problems, NoPathToALaterValue) {
  expect_problem(
      "  %x = input \"x\" : f32[]\n"
      "  %0 = sin %x : f32[]\n"
      "  %1 = exp %0 : f32[]\n"
      "  %2 = gradient %0, %1, 1.0 : f32[]\n"
      "  return %2\n",
      DerivativeProblem::Kind::NoPath,
      "no differentiable path from this value (`exp`) to the value that is differentiated; the one "
      "does not depend on the other");
}

TEST(Problems, EveryPathIsStopped) {
  expect_problem(
      "  %x = input \"x\" : f32[]\n"
      "  %0 = stop_gradient %x : f32[]\n"
      "  %1 = exp %0 : f32[]\n"
      "  %2 = gradient %1, %x, 1.0 : f32[]\n"
      "  return %2\n",
      DerivativeProblem::Kind::NoPath,
      "no differentiable path from input `x` to the value that is differentiated; every path ends "
      "in a comparison, an index or `stop_gradient`");
}

TEST(Problems, AnOperatorWithoutDerivative) {
  expect_problem(
      "  %x = input \"x\" : f32[]\n"
      "  %0 = floor %x : f32[]\n"
      "  %1 = mul %0, %x : f32[]\n"
      "  %2 = gradient %1, %x, 1.0 : f32[]\n"
      "  return %2\n",
      DerivativeProblem::Kind::Operator,
      "`floor` has no derivative, but stands on the way of a gradient; `stop_gradient` cuts the "
      "way");
}

TEST(Problems, AnArgmaxThatIndexes) {
  expect_problem(
      "  %x = param \"x\" : f32[4]\n"
      "  %0 = argmax %x {dims=[0]} : i32[]\n"
      "  %1 = gather %x, %0 : f32[]\n"
      "  %2 = gradient %1, %x, 1.0 : f32[4]\n"
      "  return %2\n",
      DerivativeProblem::Kind::Operator,
      "`argmax` has no derivative, but stands on the way of a gradient; `stop_gradient` cuts the "
      "way");
}

TEST(Problems, AMaskAsANumber) {
  expect_problem(
      "  %x = input \"x\" : f32[]\n"
      "  %0 = less 0.0, %x : bool[]\n"
      "  %1 = convert %0 : f32[]\n"
      "  %2 = mul %1, %x : f32[]\n"
      "  %3 = gradient %2, %x, 1.0 : f32[]\n"
      "  return %3\n",
      DerivativeProblem::Kind::Operator,
      "the conversion from bool to f32 has no derivative, but stands on the way of a gradient; "
      "select with `where`, or cut the way with `stop_gradient`");
}

TEST(Problems, AConversionToInt) {
  expect_problem(
      "  %x = input \"x\" : f32[]\n"
      "  %0 = convert %x : i32[]\n"
      "  %1 = convert %0 : f32[]\n"
      "  %2 = mul %1, %x : f32[]\n"
      "  %3 = gradient %2, %x, 1.0 : f32[]\n"
      "  return %3\n",
      DerivativeProblem::Kind::Operator,
      "the conversion from f32 to i32 has no derivative, but stands on the way of a gradient; "
      "`stop_gradient` cuts the way");
}

TEST(Problems, SayWhereTheyAre) {
  Graph graph = read_body(
      "  %x = input \"x\" : f32[]\n"
      "  %0 = floor %x : f32[]\n"
      "  %1 = exp %0 : f32[]\n"
      "  %2 = gradient %1, %x, 1.0 : f32[]\n"
      "  return %2\n");
  for (size_t i = 0; i < graph.size(); ++i) {
    graph[NodeId(i)].span = {0, static_cast<uint32_t>(10 * i), static_cast<uint32_t>(10 * i + 5)};
  }
  auto place = [&](OpKind kind) {
    for (const Node& node : graph.nodes) {
      if (node.op == kind) return node.span;
    }
    return Span();
  };
  std::vector<DerivativeProblem> problems;
  differentiate(graph, problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].span, place(OpKind::Floor));
  ASSERT_EQ(problems[0].notes.size(), 2u);
  EXPECT_EQ(problems[0].notes[0].span, place(OpKind::Exp));
  EXPECT_EQ(problems[0].notes[1].span, place(OpKind::Input));
  EXPECT_EQ(graph[problems[0].gradient].op, OpKind::Gradient);
}

TEST(Problems, NamesEachParameterThatIsNotReached) {
  std::vector<DerivativeProblem> problems = problems_of(
      "  %a = param \"a\" : f32[]\n"
      "  %b = param \"b\" : f32[]\n"
      "  %x = input \"x\" : f32[]\n"
      "  %0 = exp %x : f32[]\n"
      "  %1 = gradient %0, %a, 1.0 : f32[]\n"
      "  %2 = gradient %0, %b, 1.0 : f32[]\n"
      "  return %1, %2\n");
  EXPECT_EQ(problems.size(), 2u);
}

}  // namespace
}  // namespace gradus
