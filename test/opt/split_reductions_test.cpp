// The order of every sum, as text, and the same sum whatever the order.
#include "opt/split_reductions.h"

#include <gtest/gtest.h>

#include <random>

#include "ops/graph_text.h"

namespace gradus {
namespace {

using test::body_of;
using test::read_body;

std::string split(const std::string& body, int64_t capacity) {
  Graph graph = read_body(body);
  EXPECT_TRUE(opt::split_reductions(graph, capacity));
  test::expect_valid(graph, Stage::Ordered);
  std::string once = body_of(graph);
  EXPECT_FALSE(opt::split_reductions(graph, capacity)) << "a second run changes nothing";
  return once;
}

TEST(SplitReductions, RowsGoToLanes) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[batch,10]\n"
                  "  %0 = sum %x {dims=[1], keep=true} : f32[batch,1]\n"
                  "  return %0\n",
                  32),
            "  %x = input \"x\" : f32[batch,10]\n"
            "  %0 = sum %x {dims=[1], keep=true, order=lanes} : f32[batch,1]\n"
            "  return %0\n");
}

TEST(SplitReductions, StaticColumnsAreAChain) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[batch,7,10]\n"
                  "  %0 = sum %x {dims=[1]} : f32[batch,10]\n"
                  "  return %0\n",
                  32),
            "  %x = input \"x\" : f32[batch,7,10]\n"
            "  %0 = sum %x {dims=[1], order=chain} : f32[batch,10]\n"
            "  return %0\n");
}

TEST(SplitReductions, TheBatchIsCutInChunks) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[batch,10]\n"
                  "  %0 = sum %x {dims=[0]} : f32[10]\n"
                  "  return %0\n",
                  128),
            "  %x = input \"x\" : f32[batch,10]\n"
            "  %0 = partial_sum %x {dims=[0], chunk=16} : f32[8,10]\n"
            "  %1 = sum %0 {dims=[0], order=chain} : f32[10]\n"
            "  return %1\n");
}

TEST(SplitReductions, OneChunkIsAPlainChain) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[batch,10]\n"
                  "  %0 = sum %x {dims=[0]} : f32[10]\n"
                  "  return %0\n",
                  16),
            "  %x = input \"x\" : f32[batch,10]\n"
            "  %0 = sum %x {dims=[0], order=chain} : f32[10]\n"
            "  return %0\n");
}

TEST(SplitReductions, IntegersNeedNoChunks) {
  EXPECT_EQ(split("  %x = input \"x\" : i32[batch]\n"
                  "  %0 = sum %x {dims=[0]} : i32[]\n"
                  "  return %0\n",
                  128),
            "  %x = input \"x\" : i32[batch]\n"
            "  %0 = sum %x {dims=[0], order=chain} : i32[]\n"
            "  return %0\n");
}

TEST(SplitReductions, AMixedSumTakesRowsFirst) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[batch,10]\n"
                  "  %0 = sum %x {dims=[0,1]} : f32[]\n"
                  "  return %0\n",
                  128),
            "  %x = input \"x\" : f32[batch,10]\n"
            "  %0 = sum %x {dims=[1], order=lanes} : f32[batch]\n"
            "  %1 = partial_sum %0 {dims=[0], chunk=16} : f32[8]\n"
            "  %2 = sum %1 {dims=[0], order=chain} : f32[]\n"
            "  return %2\n");
}

TEST(SplitReductions, RowsOfASampleGoWithTheBatch) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[batch,64,10]\n"
                  "  %0 = sum %x {dims=[0,1], keep=true} : f32[1,1,10]\n"
                  "  return %0\n",
                  100),
            "  %x = input \"x\" : f32[batch,64,10]\n"
            "  %0 = reshape %x : f32[64*batch,10]\n"
            "  %1 = partial_sum %0 {dims=[0], chunk=256} : f32[25,10]\n"
            "  %2 = sum %1 {dims=[0], keep=true, order=chain} : f32[1,10]\n"
            "  %3 = reshape %2 : f32[1,1,10]\n"
            "  return %3\n");
}

TEST(SplitReductions, OtherStaticDimensionsComeBeforeTheBatch) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[batch,3,5,10]\n"
                  "  %0 = sum %x {dims=[0,2]} : f32[3,10]\n"
                  "  return %0\n",
                  64),
            "  %x = input \"x\" : f32[batch,3,5,10]\n"
            "  %0 = sum %x {dims=[2], order=chain} : f32[batch,3,10]\n"
            "  %1 = partial_sum %0 {dims=[0], chunk=16} : f32[4,3,10]\n"
            "  %2 = sum %1 {dims=[0], order=chain} : f32[3,10]\n"
            "  return %2\n");
}

TEST(SplitReductions, ABatchThatIsNotOutermostComesFirst) {
  EXPECT_EQ(split("  %x = input \"x\" : f32[3,batch]\n"
                  "  %0 = sum %x {dims=[1]} : f32[3]\n"
                  "  return %0\n",
                  128),
            "  %x = input \"x\" : f32[3,batch]\n"
            "  %0 = transpose %x {perm=[1,0]} : f32[batch,3]\n"
            "  %1 = partial_sum %0 {dims=[0], chunk=16} : f32[8,3]\n"
            "  %2 = sum %1 {dims=[0], order=chain} : f32[3]\n"
            "  return %2\n");
}

TEST(SplitReductions, AWholeStaticTensorIsFlattened) {
  EXPECT_EQ(split("  %x = param \"x\" : f32[30,20]\n"
                  "  %0 = sum %x {dims=[0,1]} : f32[]\n"
                  "  return %0\n",
                  32),
            "  %x = param \"x\" : f32[30,20]\n"
            "  %0 = reshape %x : f32[600]\n"
            "  %1 = sum %0 {dims=[0], order=lanes} : f32[]\n"
            "  return %1\n");
}

TEST(SplitReductions, SomeTrailingDimensionsStayTogether) {
  EXPECT_EQ(split("  %x = param \"x\" : f32[4,30,20]\n"
                  "  %0 = sum %x {dims=[1,2]} : f32[4]\n"
                  "  return %0\n",
                  32),
            "  %x = param \"x\" : f32[4,30,20]\n"
            "  %0 = sum %x {dims=[1,2], order=lanes} : f32[4]\n"
            "  return %0\n");
}

TEST(SplitReductions, LeavesAGraphWithoutSumsAlone) {
  Graph graph =
      read_body("  %x = input \"x\" : f32[4]\n  %0 = max %x {dims=[0]} : f32[]\n  return %0\n");
  EXPECT_FALSE(opt::split_reductions(graph, 32));
}

TEST(SplitReductions, ChunksHoldSixteenRowsAndAreAtMostThirtyTwo) {
  for (int64_t rows : {1, 2, 3, 16, 64}) {
    for (int64_t capacity : {1, 15, 16, 17, 512, 513, 1000, 1024, 100000}) {
      int64_t samples = opt::samples_per_chunk(rows, capacity);
      EXPECT_EQ(samples & (samples - 1), 0);
      EXPECT_GE(samples * rows, 16);
      EXPECT_GE(32 * samples, capacity);
      // and no less would do
      if (samples > 1) {
        EXPECT_TRUE(samples / 2 * rows < 16 || 32 * (samples / 2) < capacity);
      }
    }
  }
}

TEST(SplitReductions, KeepsTheSum) {
  // Small integers add exactly in any order.
  const char* shapes[] = {"[batch,3,4]", "[5,batch,4]", "[6,2,3]"};
  const char* sums[] = {"dims=[0]",   "dims=[1]",   "dims=[2]",    "dims=[0,1]",
                        "dims=[1,2]", "dims=[0,2]", "dims=[0,1,2]"};
  std::mt19937 random(7);
  for (const char* shape : shapes) {
    for (const char* dims : sums) {
      for (int64_t n : {1, 17, 40}) {
        Graph graph = read_body(std::string("  %x = input \"x\" : f32") + shape +
                                "\n  %0 = sum %x {" + dims + ", keep=true} : " +
                                [&] {
                                  TensorType type = *type_from_string(std::string("f32") + shape);
                                  for (const char* c = dims; *c; ++c) {
                                    if (*c >= '0' && *c <= '2')
                                      type.shape[static_cast<size_t>(*c - '0')] = Dim::fixed(1);
                                  }
                                  return to_string(type);
                                }() +
                                "\n  return %0\n");
        Array<double> x;
        for (const Dim& dim : graph.type(NodeId(0)).shape) x.sizes.push_back(dim.at(n));
        for (int64_t i = 0; i < x.count(); ++i)
          x.floats.push_back(static_cast<double>(random() % 100));
        EvalContext context{.n = n, .capacity = 40};
        auto plain = eval<double>(graph, {{"x", x}}, context)[graph.results[0].value];
        ASSERT_TRUE(opt::split_reductions(graph, 40));
        test::expect_valid(graph, Stage::Ordered);
        auto ordered = eval<double>(graph, {{"x", x}}, context)[graph.results[0].value];
        EXPECT_EQ(plain.sizes, ordered.sizes);
        EXPECT_EQ(plain.floats, ordered.floats) << body_of(graph) << n;
      }
    }
  }
}

}  // namespace
}  // namespace gradus
