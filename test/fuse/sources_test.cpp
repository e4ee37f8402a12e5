// What nodes and clusters read: through views, each once, and nothing that they compute.
#include "fuse/sources.h"

#include <gtest/gtest.h>

#include "ops/graph_text.h"

namespace gradus::fuse {
namespace {

Graph example() {
  return test::read_body(
      "%x = input \"x\" : f32[batch,6]\n"
      "%w = param \"w\" : f32[6]\n"
      "%s = state \"s\" : f32[6]\n"
      "%0 = reshape %x : f32[batch,2,3]\n"
      "%1 = transpose %0 {perm=[0,2,1]} : f32[batch,3,2]\n"
      "%2 = mul %1, %1 : f32[batch,3,2]\n"
      "%3 = reshape %2 : f32[batch,6]\n"
      "%4 = add %3, %w : f32[batch,6]\n"
      "return output \"y\" %4, output \"z\" %1\n");
}

using Ids = std::vector<NodeId>;

TEST(Sources, OperandsAreReadThroughViewsOnce) {
  const Graph graph = example();
  const Sources sources(graph);
  const auto of = [&](size_t node) {
    return Ids(sources.of(NodeId(node)).begin(), sources.of(NodeId(node)).end());
  };
  EXPECT_EQ(of(5), Ids{NodeId(0)});
  EXPECT_EQ(of(7), (Ids{NodeId(5), NodeId(1)}));
  EXPECT_EQ(sources.viewed(NodeId(4)), NodeId(0));
  EXPECT_EQ(sources.viewed(NodeId(7)), NodeId(7));
}

TEST(Sources, AClusterReadsWhatItDoesNotCompute) {
  const Graph graph = example();
  const Sources sources(graph);
  Cluster cluster;
  cluster.members = {NodeId(5), NodeId(7)};
  EXPECT_EQ(sources.reads_of(cluster), (Ids{NodeId(0), NodeId(1)}));
  cluster.members = {NodeId(7)};
  cluster.repeats = {NodeId(5)};
  EXPECT_EQ(sources.reads_of(cluster), (Ids{NodeId(0), NodeId(1)}));
  Cluster copy;
  copy.anchor = NodeId(4);
  copy.copy_result = 1;
  EXPECT_EQ(sources.reads_of(copy), Ids{NodeId(0)});
}

TEST(Sources, ViewsAreThoseOfTheirOperands) {
  const Graph graph = example();
  const Sources sources(graph);
  for (size_t i = 0; i < graph.size(); ++i) {
    EXPECT_EQ(sources.viewed(NodeId(i)), resolve_view(graph, NodeId(i)).source) << "node " << i;
  }
}

TEST(Sources, AReshapeThatNoStridesSayIsReadItself) {
  const Graph graph = test::read_body(
      "%x = input \"x\" : f32[batch,2,3]\n"
      "%0 = transpose %x {perm=[0,2,1]} : f32[batch,3,2]\n"
      "%1 = reshape %0 : f32[batch,6]\n"
      "%2 = slice %1 {start=[0,0], step=[1,2]} : f32[batch,3]\n"
      "%3 = exp %2 : f32[batch,3]\n"
      "return %3\n");
  const Sources sources(graph);
  EXPECT_EQ(sources.viewed(NodeId(1)), NodeId(0));
  EXPECT_EQ(sources.viewed(NodeId(2)), NodeId(2));
  EXPECT_EQ(sources.viewed(NodeId(3)), NodeId(2));
  EXPECT_EQ(sources.of(NodeId(2)).front(), NodeId(0));
  EXPECT_EQ(sources.of(NodeId(4)).front(), NodeId(2));
}

TEST(Sources, LeavesAreThoseThatAreStored) {
  const Graph graph = example();
  const Sources sources(graph);
  EXPECT_EQ(sources.leaf("w"), NodeId(1));
  EXPECT_EQ(sources.leaf("s"), NodeId(2));
  EXPECT_FALSE(sources.leaf("x").valid());
}

}  // namespace
}  // namespace gradus::fuse
