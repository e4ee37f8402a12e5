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

}  // namespace
}  // namespace gradus
