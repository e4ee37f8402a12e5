// A spent source gives the same graph as one that is copied.
#include "graph/rewrite.h"

#include <gtest/gtest.h>

#include "graph/text.h"

namespace gradus {
namespace {

Graph read(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto graphs = read_graphs(sources, sources.add("t.gir", text), diags);
  if (!graphs) throw std::runtime_error(diags.render(false));
  return graphs->front();
}

constexpr const char* kText =
    "graph @g {\n  %x = input \"x\" : f32[batch,8]\n  %0 = neg %x : f32[batch,8]\n"
    "  %1 = neg %0 : f32[batch,8]\n  %2 = exp %1 : f32[batch,8]\n  return %2\n}\n";

/// Takes the double negation out.
Graph without_negation(Rewriter& rewrite) {
  for (NodeId id : rewrite.order()) {
    if (id == NodeId(2)) {
      rewrite.replace(id, rewrite[NodeId(0)]);
    } else if (id == NodeId(3)) {
      Node node = rewrite.translated(id);
      EXPECT_EQ(node.operands, std::vector<NodeId>{NodeId(0)});
      rewrite.keep(id, std::move(node));
    } else if (id != NodeId(1)) {
      rewrite.keep(id);
    }
  }
  return rewrite.finish();
}

TEST(Rewriter, CopiesOrMovesNodes) {
  const Graph source = read(kText);
  Rewriter copying(source);
  const Graph copied = without_negation(copying);
  EXPECT_EQ(print_graph(source), print_graph(read(kText)));
  Graph spent = source;
  Rewriter moving(std::move(spent));
  EXPECT_EQ(print_graph(without_negation(moving)), print_graph(copied));
  EXPECT_EQ(copied.size(), 2u);
}

/// `%1` is made for `%0`, and `%2` for `%1`; both come from one call.
Graph backward_part() {
  Graph graph = read(
      "graph @g {\n  %x = input \"x\" : f32[batch,8]\n  %0 = neg %x : f32[batch,8]\n"
      "  %1 = sum %0 {dims=[1], order=lanes} : f32[batch]\n"
      "  %2 = sum %0 {dims=[0], order=chain} : f32[8]\n  return %2\n}\n");
  graph.scopes = {{"hidden", -1, {}}, {"relu", 0, {}}};
  for (size_t i : {2, 3}) {
    graph[NodeId(i)].of = NodeId(i - 1);
    graph[NodeId(i)].scope = 1;
  }
  return graph;
}

TEST(Rewriter, WhatBelongsToANodeOutlastsItsMove) {
  const Graph source = backward_part();
  Graph spent = source;
  Rewriter rewrite(std::move(spent));
  const NodeId x = rewrite.keep(NodeId(0));
  rewrite.graph().nodes.push_back(source[NodeId(0)]);  // so that places change
  const NodeId negative = rewrite.keep(NodeId(1));
  const NodeId last = rewrite.keep(NodeId(3));
  const NodeId beside = rewrite.builder_at(NodeId(3)).make(OpKind::Exp, {last});
  rewrite.replace(NodeId(2), negative);
  const NodeId found = rewrite.builder_at(NodeId(3)).make(OpKind::Exp, {last});
  const NodeId other = rewrite.builder_at(NodeId(2)).make(OpKind::Exp, {x});
  const Graph made = rewrite.finish();
  EXPECT_EQ(made[last].attrs, source[NodeId(3)].attrs);
  EXPECT_EQ(made[last].operands, std::vector<NodeId>{negative});
  EXPECT_FALSE(made[last].of.valid());
  EXPECT_FALSE(made[beside].of.valid());
  EXPECT_EQ(made[found].of, negative);
  EXPECT_EQ(made[other].of, negative);
  for (NodeId id : {last, beside, found, other}) EXPECT_EQ(made[id].scope, 1);
  EXPECT_EQ(made[found].span.begin, source[NodeId(3)].span.begin);
  EXPECT_EQ(made[other].span.begin, source[NodeId(2)].span.begin);
  ASSERT_EQ(made.scopes.size(), 2u);
  EXPECT_EQ(made.scopes[1].name, "relu");
}

}  // namespace
}  // namespace gradus
