// dce, cse, form-fma and fold-constants: they fire, they leave alone, and the bits stay.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "graph/builder.h"
#include "ops/graph_text.h"
#include "opt/cse.h"
#include "opt/dce.h"
#include "opt/fold_constants.h"
#include "opt/form_fma.h"
#include "opt/split_reductions.h"

namespace gradus {
namespace {

using test::body_of;
using test::read_body;
using Pass = bool (*)(Graph&);

/// The text after the pass; checks the answer "changed", that nothing is left to do, and the graph.
std::string after(Pass pass, const std::string& body) {
  Graph graph = read_body(body);
  std::string before = print_graph(graph);
  bool changed = pass(graph);
  EXPECT_EQ(changed, print_graph(graph) != before);
  test::expect_valid(graph, Stage::Joint);
  std::string once = body_of(graph);
  EXPECT_FALSE(pass(graph)) << "a second run changes nothing";
  EXPECT_EQ(body_of(graph), once);
  return once;
}

TEST(Dce, DropsWhatNoResultNeeds) {
  EXPECT_EQ(after(opt::dce,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %y = input \"y\" : f32[4]\n"
                  "  %0 = exp %y : f32[4]\n"
                  "  %1 = neg %x : f32[4]\n"
                  "  return %1\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %0 = neg %x : f32[4]\n"
            "  return %0\n");
}

TEST(Dce, KeepsALiveGraph) {
  std::string body =
      "  %x = input \"x\" : f32[4]\n"
      "  %0 = neg %x : f32[4]\n"
      "  return %x, %0\n";
  EXPECT_EQ(after(opt::dce, body), body);
}

TEST(Dce, ForgetsAPrimalThatIsGone) {
  EXPECT_EQ(after(opt::dce,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %0 = exp %x : f32[4]\n"
                  "  %1 = neg %x {of=%0} : f32[4]\n"
                  "  return %1\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %0 = neg %x : f32[4]\n"
            "  return %0\n");
}

TEST(Cse, MergesEqualNodesThroughTheirUsers) {
  EXPECT_EQ(after(opt::cse,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %y = input \"y\" : f32[4]\n"
                  "  %0 = mul %x, %y : f32[4]\n"
                  "  %1 = mul %y, %x : f32[4]\n"
                  "  %2 = exp %0 : f32[4]\n"
                  "  %3 = exp %1 : f32[4]\n"
                  "  %4 = sub %2, %3 : f32[4]\n"
                  "  return %4\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %y = input \"y\" : f32[4]\n"
            "  %0 = mul %x, %y : f32[4]\n"
            "  %1 = exp %0 : f32[4]\n"
            "  %2 = sub %1, %1 : f32[4]\n"
            "  return %2\n");
}

TEST(Cse, TellsOrderAttributesAndStreamsApart) {
  std::string body =
      "  %x = input \"x\" : f32[4,4]\n"
      "  %y = input \"y\" : f32[4,4]\n"
      "  %0 = sub %x, %y : f32[4,4]\n"
      "  %1 = sub %y, %x : f32[4,4]\n"
      "  %2 = sum %x {dims=[0]} : f32[4]\n"
      "  %3 = sum %x {dims=[1]} : f32[4]\n"
      "  %4 = random_bits {stream=1} : i32[4]\n"
      "  %5 = random_bits {stream=2} : i32[4]\n"
      "  return %0, %1, %2, %3, %4, %5\n";
  EXPECT_EQ(after(opt::cse, body), body);
}

TEST(Cse, TellsZerosOfBothSignsApart) {
  std::string body =
      "  %x = input \"x\" : f32[4]\n"
      "  %0 = mul %x, 0.0 : f32[4]\n"
      "  %1 = mul %x, -0.0 : f32[4]\n"
      "  return %0, %1\n";
  EXPECT_EQ(after(opt::cse, body), body);
}

TEST(Cse, TakesAbsentAttributesForTheirDefault) {
  Graph graph = read_body("  %x = input \"x\" : f32[4]\n  return %x\n");
  GraphBuilder builder(graph);
  NodeId plain =
      builder.make(OpKind::Sum, {NodeId(0)}, {{AttrName::Dims, std::vector<int64_t>{0}}});
  NodeId spelt = builder.make(OpKind::Sum, {NodeId(0)},
                              {{AttrName::Dims, std::vector<int64_t>{0}}, {AttrName::Keep, false}});
  graph.results = {{ResultKind::Value, "", plain}, {ResultKind::Value, "", spelt}};
  EXPECT_TRUE(opt::cse(graph));
  EXPECT_EQ(graph.results[0].value, graph.results[1].value);
}

TEST(FormFma, JoinsAProductWithItsSum) {
  EXPECT_EQ(after(opt::form_fma,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %y = input \"y\" : f32[4]\n"
                  "  %0 = mul %x, %y : f32[4]\n"
                  "  %1 = add %0, %y : f32[4]\n"
                  "  return %1\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %y = input \"y\" : f32[4]\n"
            "  %0 = fma %x, %y, %y : f32[4]\n"
            "  return %0\n");
}

TEST(FormFma, TakesTheLeftOfTwoProducts) {
  EXPECT_EQ(after(opt::form_fma,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %0 = mul %x, 2.0 : f32[4]\n"
                  "  %1 = mul %x, 3.0 : f32[4]\n"
                  "  %2 = add %0, %1 : f32[4]\n"
                  "  return %2\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %0 = mul %x, 3.0 : f32[4]\n"
            "  %1 = fma %x, 2.0, %0 : f32[4]\n"
            "  return %1\n");
}

TEST(FormFma, JoinsDifferences) {
  EXPECT_EQ(after(opt::form_fma,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %y = input \"y\" : f32[4]\n"
                  "  %0 = mul %x, %y : f32[4]\n"
                  "  %1 = sub %0, %y : f32[4]\n"
                  "  %2 = mul %x, %x : f32[4]\n"
                  "  %3 = sub %y, %2 : f32[4]\n"
                  "  return %1, %3\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %y = input \"y\" : f32[4]\n"
            "  %0 = neg %y : f32[4]\n"
            "  %1 = fma %x, %y, %0 : f32[4]\n"
            "  %2 = neg %x : f32[4]\n"
            "  %3 = fma %2, %x, %y : f32[4]\n"
            "  return %1, %3\n");
}

TEST(FormFma, GivesTheSignToAConstant) {
  EXPECT_EQ(after(opt::form_fma,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %y = input \"y\" : f32[4]\n"
                  "  %0 = mul %x, 0.5 : f32[4]\n"
                  "  %1 = sub %y, %0 : f32[4]\n"
                  "  %2 = mul %x, %y : f32[4]\n"
                  "  %3 = sub %2, 1.0 : f32[4]\n"
                  "  return %1, %3\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %y = input \"y\" : f32[4]\n"
            "  %0 = fma %x, -0.5, %y : f32[4]\n"
            "  %1 = fma %x, %y, -1.0 : f32[4]\n"
            "  return %0, %1\n");
}

TEST(FormFma, LeavesOtherProductsAlone) {
  std::string body =
      "  %x = input \"x\" : f32[4]\n"
      "  %y = input \"y\" : f32[3,4]\n"
      "  %i = input \"i\" : i32[4]\n"
      "  %0 = mul %x, %x : f32[4]\n"
      "  %1 = add %0, %0 : f32[4]\n"
      "  %2 = mul %x, 2.0 : f32[4]\n"
      "  %3 = add %2, %y : f32[3,4]\n"
      "  %4 = mul %i, %i : i32[4]\n"
      "  %5 = add %4, %i : i32[4]\n"
      "  %6 = mul %x, 3.0 : f32[4]\n"
      "  %7 = add %6, %x : f32[4]\n"
      "  return %1, %3, %5, %6, %7\n";
  EXPECT_EQ(after(opt::form_fma, body), body);
}

TEST(FormFma, RoundsOnce) {
  // (1 + e)^2 - (1 + 2 e) is e^2, which two roundings lose.
  Graph graph = read_body(
      "  %x = input \"x\" : f32[]\n"
      "  %y = input \"y\" : f32[]\n"
      "  %0 = mul %x, %x : f32[]\n"
      "  %1 = sub %0, %y : f32[]\n"
      "  return %1\n");
  float e = 0x1p-14f;
  Environment<float> values{{"x", test::scalar_of(1 + e)}, {"y", test::scalar_of(1 + 2 * e)}};
  EXPECT_EQ(eval_exact(graph, values, {})[graph.results[0].value].floats[0], 0);
  ASSERT_TRUE(opt::form_fma(graph));
  EXPECT_EQ(eval_exact(graph, values, {})[graph.results[0].value].floats[0], e * e);
}

TEST(FoldConstants, ComputesScalars) {
  EXPECT_EQ(after(opt::fold_constants,
                  "  %x = input \"x\" : f32[4]\n"
                  "  %0 = add 1.0, 2.0 : f32[]\n"
                  "  %1 = div %0, 2.0 : f32[]\n"
                  "  %2 = less %1, 2.0 : bool[]\n"
                  "  %3 = select %2, 7.0, 8.0 : f32[]\n"
                  "  %4 = mul %x, %3 : f32[4]\n"
                  "  return %4\n"),
            "  %x = input \"x\" : f32[4]\n"
            "  %0 = constant {value=1} : bool[]\n"
            "  %1 = mul %x, 7.0 : f32[4]\n"
            "  return %1\n");
}

TEST(FoldConstants, ComputesDenseAndBroadcastOnes) {
  EXPECT_EQ(after(opt::fold_constants,
                  "  %0 = constant {values=[1.0,2.0]} : f32[2]\n"
                  "  %1 = constant {values=[10.0,20.0,30.0]} : f32[3,1]\n"
                  "  %2 = add %0, %1 : f32[3,2]\n"
                  "  %3 = broadcast 2.0 : f32[batch,2]\n"
                  "  %4 = neg %3 : f32[batch,2]\n"
                  "  return %2, %4\n"),
            "  %0 = constant {values=[1.0,2.0]} : f32[2]\n"
            "  %1 = constant {values=[10.0,20.0,30.0]} : f32[3,1]\n"
            "  %2 = constant {values=[11.0,12.0,21.0,22.0,31.0,32.0]} : f32[3,2]\n"
            "  %3 = broadcast 2.0 : f32[batch,2]\n"
            "  %4 = broadcast -2.0 : f32[batch,2]\n"
            "  return %2, %4\n");
}

TEST(FoldConstants, LeavesWhatIsNotConstant) {
  std::string body =
      "  %x = input \"x\" : f32[4]\n"
      "  %0 = batch_size : f32[]\n"
      "  %1 = exp %0 : f32[]\n"
      "  %2 = constant {values=[1.0,2.0]} : f32[2]\n"
      "  %3 = sum %2 {dims=[0]} : f32[]\n"
      "  %4 = add %x, %1 : f32[4]\n"
      "  return %3, %4\n";
  EXPECT_EQ(after(opt::fold_constants, body), body);
}

TEST(FoldConstants, GivesTheBitsOfTheExactEvaluator) {
  for (const char* op : {"exp", "expm1", "log", "log1p", "sin", "cos", "tanh", "sigmoid", "erf",
                         "normal_cdf", "normal_density", "sqrt"}) {
    for (double x : {0.0, 1e-40, 0.1, 0.7, 3.3, 80.5}) {
      std::string line =
          std::string("  %0 = ") + op + " " + float_text(x, DType::F32) + " : f32[]\n";
      Graph graph = read_body(line + "  return %0\n");
      Graph folded = graph;
      ASSERT_TRUE(opt::fold_constants(folded)) << line;
      float expected = eval_exact(graph, {}, {})[graph.results[0].value].floats[0];
      const Node& node = folded[folded.results[0].value];
      auto found = static_cast<float>(node.attrs.get<double>(AttrName::Value));
      EXPECT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(expected)) << line;
    }
  }
}

}  // namespace
}  // namespace gradus
