// Kernels of the classes that are no products, built by rule from fused graphs: each result has the
// exact evaluator's bits, at full and at partial batches, on both frozen targets.
#include <gtest/gtest.h>

#include "kernel/run_clustering.h"
#include "opt/split_reductions.h"

namespace gradus::kernel {
namespace {

Graph graph_of(const std::string& body, int64_t capacity) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto graphs = read_graphs(sources, sources.add("t.gir", "graph @g {\n" + body + "}\n"), diags);
  if (!graphs) throw std::runtime_error(diags.render(false));
  Graph graph = graphs->front();
  opt::split_reductions(graph, capacity);
  return graph;
}

/// All sizes of a step, both targets; then other schedules, which must not change a bit.
void expect_bits(const std::string& body, int64_t index_limit = 3) {
  SCOPED_TRACE(body);
  for (const char* name : {"test-avx2", "test-avx512"}) {
    Target target;
    ASSERT_TRUE(frozen_target(name, target));
    for (const auto& [n, capacity] : {std::pair(1, 1), {5, 5}, {3, 40}, {40, 40}}) {
      SCOPED_TRACE(std::string(name) + " n=" + std::to_string(n) + " of " +
                   std::to_string(capacity));
      const Graph graph = graph_of(body, capacity);
      StepRun(graph, {n, capacity, index_limit}, target).expect_exact();
      StepRun(graph, {n, capacity, index_limit}, target)
          .expect_exact([](Schedule& schedule, const Cluster& cluster) {
            if (cluster.cls == ClusterClass::Contract) return;
            schedule.block = 8;
            schedule.rows = 3;
            schedule.held = false;
          });
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

std::string kernels_of(const std::string& body, int64_t capacity) {
  Target target;
  frozen_target("test-avx2", target);
  const Graph graph = graph_of(body, capacity);
  StepRun run(graph, {capacity, capacity}, target);
  run.expect_exact();
  return run.kernels();
}

TEST(BuildPointwise, ContiguousOperandsAreOneFlatLoop) {
  const std::string body =
      "%x = input \"x\" : f32[batch,24]\n"
      "%y = input \"y\" : f32[batch,24]\n"
      "%0 = add %x, %y : f32[batch,24]\n"
      "%1 = tanh %0 : f32[batch,24]\n"
      "return %1\n";
  expect_bits(body);
  EXPECT_NE(kernels_of(body, 40).find("0..n*24"), std::string::npos) << kernels_of(body, 40);
}

TEST(BuildPointwise, BroadcastOperandsKeepTheirDimensions) {
  expect_bits(
      "%x = input \"x\" : f32[batch,4,6]\n"
      "%b = param \"b\" : f32[6]\n"
      "%c = param \"c\" : f32[4,1]\n"
      "%s = param \"s\" : f32[]\n"
      "%0 = add %x, %b : f32[batch,4,6]\n"
      "%1 = mul %0, %c : f32[batch,4,6]\n"
      "%2 = sub %1, %s : f32[batch,4,6]\n"
      "%3 = exp %2 : f32[batch,4,6]\n"
      "return %1, %3\n");
}

TEST(BuildPointwise, ViewsAreReadInPlace) {
  expect_bits(
      "%x = input \"x\" : f32[batch,4,6]\n"
      "%0 = transpose %x {perm=[0,2,1]} : f32[batch,6,4]\n"
      "%1 = slice %0 {start=[0,1,3], step=[1,2,-1]} : f32[batch,3,2]\n"
      "%2 = exp %1 : f32[batch,3,2]\n"
      "%3 = reshape %2 : f32[batch,6]\n"
      "%4 = neg %3 : f32[batch,6]\n"
      "%5 = reshape %0 : f32[batch,24]\n"
      "%6 = abs %5 : f32[batch,24]\n"
      "return %4, %6\n");
}

TEST(BuildPointwise, PadsAndConcatsGuardTheirLoads) {
  expect_bits(
      "%x = input \"x\" : f32[batch,4]\n"
      "%y = input \"y\" : f32[batch,3]\n"
      "%0 = pad %x {low=[0,2], high=[0,1]} : f32[batch,7]\n"
      "%1 = concat %x, %y {axis=1} : f32[batch,7]\n"
      "%2 = mul %0, %1 : f32[batch,7]\n"
      "return %2\n");
}

TEST(BuildPointwise, GathersRows) {
  expect_bits(
      "%t = param \"t\" : f32[5,6]\n"
      "%i = input \"i\" : i32[batch,2]\n"
      "%0 = gather %t, %i : f32[batch,2,6]\n"
      "%1 = tanh %0 : f32[batch,2,6]\n"
      "return %1\n",
      5);
}

TEST(BuildPointwise, DrawsAndCountsByPosition) {
  expect_bits(
      "%x = input \"x\" : f32[batch,6]\n"
      "%r = random_bits {stream=3} : i32[batch,6]\n"
      "%k = iota {axis=1} : i32[batch,6]\n"
      "%0 = add %r, %k : i32[batch,6]\n"
      "%1 = convert %0 : f32[batch,6]\n"
      "%2 = mul %1, %x : f32[batch,6]\n"
      "return %2\n");
}

TEST(BuildCopies, LeavesViewsAndDoublesAreCopied) {
  expect_bits(
      "%x = input \"x\" : f32[batch,4]\n"
      "%0 = exp %x : f32[batch,4]\n"
      "%1 = slice %0 {start=[0,1], step=[1,2]} : f32[batch,2]\n"
      "return output \"a\" %x, output \"b\" %0, output \"c\" %0, output \"d\" %1\n");
}

TEST(BuildScalar, ScalarsAreOneKernel) {
  const std::string body =
      "%t = step_number : f64[]\n"
      "%s = state \"s\" : f32[]\n"
      "%k = constant {value=0.9} : f64[]\n"
      "%0 = pow %k, %t : f64[]\n"
      "%1 = neg %0 : f64[]\n"
      "%2 = convert %1 : f32[]\n"
      "%3 = add %s, %2 : f32[]\n"
      "return %2, update \"s\" %3\n";
  expect_bits(body);
  EXPECT_NE(kernels_of(body, 4).find("scalar"), std::string::npos);
}

TEST(BuildRows, SoftmaxIsOneKernel) {
  const std::string body =
      "%x = input \"x\" : f32[batch,10]\n"
      "%0 = max %x {dims=[1], keep=true} : f32[batch,1]\n"
      "%1 = sub %x, %0 : f32[batch,10]\n"
      "%2 = exp %1 : f32[batch,10]\n"
      "%3 = sum %2 {dims=[1], keep=true} : f32[batch,1]\n"
      "%4 = div %2, %3 : f32[batch,10]\n"
      "return %4\n";
  expect_bits(body);
  const std::string text = kernels_of(body, 40);
  EXPECT_EQ(text.find("kernel @"), text.rfind("kernel @")) << text;
}

TEST(BuildRows, CrossEntropyAndItsGradientAreOneKernel) {
  expect_bits(
      "%x = input \"x\" : f32[batch,10]\n"
      "%l = input \"l\" : i32[batch]\n"
      "%0 = max %x {dims=[1], keep=true} : f32[batch,1]\n"
      "%1 = sub %x, %0 : f32[batch,10]\n"
      "%2 = exp %1 : f32[batch,10]\n"
      "%3 = sum %2 {dims=[1], keep=true} : f32[batch,1]\n"
      "%4 = log %3 : f32[batch,1]\n"
      "%5 = sub %1, %4 : f32[batch,10]\n"
      "%6 = take_along %5, %l {axis=1} : f32[batch]\n"
      "%7 = neg %6 : f32[batch]\n"
      "%8 = put_along %l, %7 {axis=1} : f32[batch,10]\n"
      "%9 = div %2, %3 : f32[batch,10]\n"
      "%10 = add %9, %8 : f32[batch,10]\n"
      "%11 = argmax %x {dims=[1]} : i32[batch]\n"
      "%12 = sum %7 {dims=[0]} : f32[]\n"
      "return %7, %10, %11, %12\n",
      10);
}

TEST(BuildRows, TheGradientMayTakeTheLogitsBuffer) {
  const std::string text = kernels_of(
      "%x = input \"x\" : f32[batch,10]\n"
      "%l = input \"l\" : i32[batch]\n"
      "%0 = max %x {dims=[1], keep=true} : f32[batch,1]\n"
      "%1 = sub %x, %0 : f32[batch,10]\n"
      "%2 = exp %1 : f32[batch,10]\n"
      "%3 = sum %2 {dims=[1], keep=true} : f32[batch,1]\n"
      "%4 = take_along %1, %l {axis=1} : f32[batch]\n"
      "%5 = div %2, %3 : f32[batch,10]\n"
      "return %4, %5\n",
      40);
  EXPECT_NE(text.find("v5: out f32[n,10] may share x"), std::string::npos) << text;
}

TEST(BuildRows, ARowThatIsReadAfterTheStoreKeepsItsBuffer) {
  const std::string text = kernels_of(
      "%x = input \"x\" : f32[batch,100]\n"
      "%0 = tanh %x : f32[batch,100]\n"
      "%1 = sum %0 {dims=[1], keep=true} : f32[batch,1]\n"
      "%2 = mul %x, %1 : f32[batch,100]\n"
      "return %0, %2\n",
      40);
  EXPECT_EQ(text.find("v0: out f32[n,100] may share"), std::string::npos) << text;
  EXPECT_NE(text.find("v2: out f32[n,100] may share x"), std::string::npos) << text;
}

TEST(BuildRows, LongRowsAreComputedAgainOrSpilled) {
  expect_bits(
      "%x = input \"x\" : f32[batch,5,133]\n"
      "%g = param \"g\" : f32[133]\n"
      "%0 = sum %x {dims=[2], keep=true} : f32[batch,5,1]\n"
      "%1 = mul %0, 0.0075 : f32[batch,5,1]\n"
      "%2 = sub %x, %1 : f32[batch,5,133]\n"
      "%3 = tanh %2 : f32[batch,5,133]\n"
      "%4 = mul %3, %3 : f32[batch,5,133]\n"
      "%5 = sum %4 {dims=[2], keep=true} : f32[batch,5,1]\n"
      "%6 = sqrt %5 : f32[batch,5,1]\n"
      "%7 = div %3, %6 : f32[batch,5,133]\n"
      "%8 = mul %7, %g : f32[batch,5,133]\n"
      "return %8\n");
}

TEST(BuildRows, PermutedRowsHaveSeveralItemLoops) {
  expect_bits(
      "%x = input \"x\" : f32[batch,6,4,5]\n"
      "%0 = transpose %x {perm=[0,2,1,3]} : f32[batch,4,6,5]\n"
      "%1 = max %0 {dims=[3], keep=true} : f32[batch,4,6,1]\n"
      "%2 = sub %0, %1 : f32[batch,4,6,5]\n"
      "%3 = exp %2 : f32[batch,4,6,5]\n"
      "%4 = sum %3 {dims=[3], keep=true} : f32[batch,4,6,1]\n"
      "%5 = div %3, %4 : f32[batch,4,6,5]\n"
      "return %5\n");
}

TEST(BuildRows, FoldsOverOneElement) {
  expect_bits(
      "%x = input \"x\" : f32[batch,1]\n"
      "%0 = exp %x : f32[batch,1]\n"
      "%1 = sum %0 {dims=[1]} : f32[batch]\n"
      "return %1\n");
}

TEST(BuildRows, FoldsOverPermutedDimensions) {
  expect_bits(
      "%x = input \"x\" : f32[batch,4,6]\n"
      "%0 = transpose %x {perm=[0,2,1]} : f32[batch,6,4]\n"
      "%1 = sum %0 {dims=[1,2]} : f32[batch]\n"
      "%2 = max %0 {dims=[1,2]} : f32[batch]\n"
      "return %1, %2\n");
}

TEST(BuildChain, LeadingSumsFeedTheirUpdate) {
  expect_bits(
      "%dz = input \"dz\" : f32[batch,12]\n"
      "%b = param \"b\" : f32[12]\n"
      "%0 = sum %dz {dims=[0]} : f32[12]\n"
      "%1 = mul %0, 0.1 : f32[12]\n"
      "%2 = sub %b, %1 : f32[12]\n"
      "return update \"b\" %2\n");
}

TEST(BuildChain, ProducersAreComputedInside) {
  expect_bits(
      "%x = input \"x\" : f32[batch,3,7]\n"
      "%y = input \"y\" : f32[batch,3,7]\n"
      "%0 = mul %x, %y : f32[batch,3,7]\n"
      "%1 = sum %0 {dims=[0,1]} : f32[7]\n"
      "%2 = sum %0 {dims=[0]} : f32[3,7]\n"
      "%3 = sum %0 {dims=[1]} : f32[batch,7]\n"
      "return %1, %2, %3\n");
}

TEST(BuildChain, ChunksOfPartialSumsReadWholeRows) {
  const std::string body =
      "%x = input \"x\" : f32[batch,96]\n"
      "%0 = partial_sum %x {dims=[0], chunk=2} : f32[20,96]\n"
      "return %0\n";
  Target target;
  ASSERT_TRUE(frozen_target("test-avx2", target));
  const Graph graph = graph_of(body, 40);
  StepRun run(graph, {40, 40}, target);
  run.expect_exact();
  EXPECT_NE(run.kernels().find("lanes c 0..96"), std::string::npos) << run.kernels();
}

TEST(BuildChain, ExtremaOverOtherDimensions) {
  expect_bits(
      "%x = input \"x\" : f32[batch,5,7]\n"
      "%0 = max %x {dims=[1]} : f32[batch,7]\n"
      "%1 = min %x {dims=[1]} : f32[batch,7]\n"
      "%2 = argmax %x {dims=[1]} : i32[batch,7]\n"
      "return %0, %1, %2\n");
}

TEST(BuildScatter, AddsRowsInOrder) {
  expect_bits(
      "%i = input \"i\" : i32[batch,2]\n"
      "%u = input \"u\" : f32[batch,2,6]\n"
      "%0 = scatter_add %i, %u : f32[5,6]\n"
      "%1 = mul %0, 2.0 : f32[5,6]\n"
      "return %1\n",
      5);
}

TEST(BuildScatter, RunningSums) {
  expect_bits(
      "%x = input \"x\" : f32[batch,5,7]\n"
      "%0 = cumulative_sum %x {axis=1} : f32[batch,5,7]\n"
      "%1 = cumulative_sum %x {axis=2, exclusive=true} : f32[batch,5,7]\n"
      "return %0, %1\n");
}

TEST(BuildUpdates, SwappedAndLateReadersGetTheOldValue) {
  expect_bits(
      "%w = param \"w\" : f32[6]\n"
      "%v = state \"v\" : f32[6]\n"
      "%x = input \"x\" : f32[batch,6]\n"
      "%0 = mul %v, 0.5 : f32[6]\n"
      "%1 = add %0, %w : f32[6]\n"
      "%2 = sub %w, %1 : f32[6]\n"
      "%3 = mul %x, %w : f32[batch,6]\n"
      "%4 = add %x, %2 : f32[batch,6]\n"
      "return update \"v\" %1, update \"w\" %2, output \"o\" %3, output \"p\" %4\n");
}

}  // namespace
}  // namespace gradus::kernel
