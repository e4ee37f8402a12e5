// The verifier finds each breach of its list; targets and names of small enumerations.
#include <gtest/gtest.h>

#include "cluster/cluster.h"
#include "graph/builder.h"
#include "graph/text.h"
#include "support/target.h"

namespace gradus {
namespace {

constexpr const char* kGraph = R"(graph @f {
  %x = input "x" : f32[batch,4]
  %w = param "w" : f32[4]
  %0 = mul %x, %w : f32[batch,4]
  %1 = sum %0 {dims=[1], order=lanes} : f32[batch]
  %2 = sum %1 {dims=[0], order=chain} : f32[]
  return loss %2, output "y" %0, update "w" %w
}
)";

Graph graph_of(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto graphs = read_graphs(sources, sources.add("t", text), diags);
  if (!graphs) throw InternalError(diags.render(false));
  return graphs->front();
}

std::string verify(const Graph& graph, Stage stage = Stage::Ordered) {
  return verify_graph(graph, stage).value_or("");
}
std::string verify_text(const std::string& text, Stage stage) {
  return verify(graph_of(text), stage);
}

/// What is found after `damage`.
template <typename Damage>
std::string damaged(Damage damage) {
  Graph graph = graph_of(kGraph);
  damage(graph);
  return verify(graph);
}

TEST(Verify, holds_at_every_stage) {
  for (Stage stage : {Stage::Source, Stage::Joint, Stage::Ordered}) {
    EXPECT_EQ(verify(graph_of(kGraph), stage), "");
  }
}

TEST(Verify, operands_and_primals_stand_before) {
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(2)].operands[0] = NodeId(3); }),
            "node 2 (mul): an operand does not stand before it");
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(2)].operands[0] = NodeId(); }),
            "node 2 (mul): an operand does not stand before it");
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(2)].operands[1] = NodeId(2); }),
            "node 2 (mul): an operand does not stand before it");
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(2)].of = NodeId(4); }),
            "node 2 (mul): `of` names no node before it");
}

TEST(Verify, types_are_what_the_rows_infer) {
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(3)].type.shape = {Dim::fixed(4)}; }),
            "node 3 (sum): its type is f32[4], but it is f32[batch]");
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(2)].operands.pop_back(); }),
            "node 2 (mul): `mul` takes 2 operands, found 1");
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(0)].type.shape[1] = Dim::fixed(0); }).substr(0, 15),
            "node 0 (input):");
}

TEST(Verify, attributes_are_those_of_the_row) {
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(3)].attrs = {}; }),
            "node 3 (sum): no attribute `dims`");
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(3)].attrs.set(AttrName::Dims, int64_t{1}); }),
            "node 3 (sum): attribute `dims` of another type");
  EXPECT_EQ(damaged([](Graph& g) { g[NodeId(2)].attrs.set(AttrName::Axis, int64_t{1}); }),
            "node 2 (mul): an attribute that its operator does not have");
}

TEST(Verify, leaves_have_names_of_their_own) {
  EXPECT_EQ(damaged([](Graph& g) { GraphBuilder(g).copy(g[NodeId(1)], {}); }),
            "node 5 (param): two leaves of one name");
}

TEST(Verify, results) {
  EXPECT_EQ(damaged([](Graph& g) { g.results[0].value = NodeId(9); }), "result `` names no node");
  EXPECT_EQ(damaged([](Graph& g) { g.results[0].value = NodeId(); }), "result `` names no node");
  EXPECT_EQ(damaged([](Graph& g) { g.results[0].value = NodeId(3); }),
            "node 3 (sum): a loss or accumulator that is no rank-0 float");
  EXPECT_EQ(damaged([](Graph& g) { g.results[2].value = NodeId(2); }),
            "node 2 (mul): `w` is f32[4], its update f32[batch,4]");
  EXPECT_EQ(damaged([](Graph& g) { g.results.push_back(g.results[1]); }),
            "node 2 (mul): two results `y`");
}

TEST(Verify, joint_has_no_derivative_nodes) {
  std::string text =
      "graph @f { %w = param \"w\" : f32[4] %0 = sum %w {dims=[0], order=lanes} : f32[] "
      "%1 = gradient %0, %w, 1.0 : f32[4] return %1 }";
  EXPECT_EQ(verify_text(text, Stage::Source), "");
  EXPECT_NE(verify_text(text, Stage::Joint), "");
  EXPECT_NE(verify_text(text, Stage::Ordered), "");
  Graph seed = graph_of(
      "graph @f { %x = input \"x\" : f32[] %0 = seed : f32[] %1 = mul %0, %x : f32[] "
      "%2 = custom_vjp %x, %0, %x, %1 : f32[] return %2 }");
  EXPECT_EQ(verify(seed, Stage::Source), "");
  EXPECT_EQ(verify(seed, Stage::Joint), "node 1 (seed): a derivative node after differentiation");
  seed.results[0].value = NodeId(2);
  EXPECT_EQ(verify(seed, Stage::Source),
            "node 2 (mul): a result that a seed outside of a custom vjp makes");
}

TEST(Verify, ordered_sums_say_their_order) {
  auto sum = [](const std::string& attrs, const std::string& type) {
    return "graph @f { %x = input \"x\" : f32[batch,3,4] %0 = sum %x {" + attrs + "} : f32" + type +
           " return %0 }";
  };
  EXPECT_EQ(verify_text(sum("dims=[2]", "[batch,3]"), Stage::Joint), "");
  EXPECT_EQ(verify_text(sum("dims=[2]", "[batch,3]"), Stage::Ordered),
            "node 1 (sum): no order of the sum");
  EXPECT_EQ(verify_text(sum("dims=[1,2], order=lanes", "[batch]"), Stage::Ordered), "");
  EXPECT_EQ(verify_text(sum("dims=[1], order=chain", "[batch,4]"), Stage::Ordered), "");
  // A wrong order is one at every stage.
  std::string wrong = "node 1 (sum): a sum in lanes over other than trailing fixed dimensions";
  for (const auto& [dims, type] : {std::pair("dims=[1], order=chain", "[batch,4]"),
                                   std::pair("dims=[0,1,2], order=chain", "[]")}) {
    Graph graph = graph_of(sum(dims, type));
    graph[NodeId(1)].attrs.set(AttrName::Order, std::string("lanes"));
    EXPECT_EQ(verify(graph, Stage::Joint), wrong);
    EXPECT_EQ(verify(graph, Stage::Ordered), wrong);
  }
}

TEST(Graph, counts_uses_by_operands_and_results) {
  Graph graph = graph_of(kGraph);
  IdVector<NodeId, int> uses = count_uses(graph);
  EXPECT_EQ(uses.items(), (std::vector<int>{1, 2, 2, 1, 1}));
  EXPECT_EQ(leaf_name(graph[NodeId(1)]), "w");
  EXPECT_TRUE(is_leaf(graph[NodeId(1)]));
  EXPECT_FALSE(is_leaf(graph[NodeId(2)]));
}

TEST(Attrs, names_read_back_and_values_are_replaced) {
  for (int i = 0; i <= static_cast<int>(AttrName::Exclusive); ++i) {
    auto name = static_cast<AttrName>(i);
    EXPECT_EQ(attr_from_text(attr_text(name)), name);
  }
  EXPECT_FALSE(attr_from_text("of"));
  Attrs attrs{{AttrName::Axis, int64_t{1}}};
  attrs.set(AttrName::Axis, int64_t{2});
  EXPECT_EQ(attrs.items().size(), 1u);
  EXPECT_EQ(attrs.integer(AttrName::Axis), 2);
  EXPECT_THROW(attrs.integers(AttrName::Axis), InternalError);
  EXPECT_THROW(attrs.integer(AttrName::Chunk), InternalError);
}

TEST(Target, frozen_tables) {
  Target target;
  ASSERT_TRUE(frozen_target("test-avx512", target));
  EXPECT_EQ(target.lanes, 16);
  EXPECT_EQ(target.registers, 32);
  EXPECT_TRUE(target.cheap_masks && target.fma);
  EXPECT_EQ(target.l1_bytes, 48 << 10);
  EXPECT_EQ(target.l1_ways, 12);
  EXPECT_EQ(target.l2_bytes, 1 << 20);
  ASSERT_TRUE(frozen_target("test-avx2", target));
  EXPECT_EQ(target.lanes, 8);
  EXPECT_EQ(target.registers, 16);
  EXPECT_TRUE(!target.cheap_masks && target.fma);
  EXPECT_EQ(target.l1_bytes, 32 << 10);
  EXPECT_EQ(target.l1_ways, 8);
  EXPECT_EQ(target.l2_bytes, 512 << 10);
  EXPECT_FALSE(frozen_target("znver4", target));
}

TEST(Cluster, class_names) {
  EXPECT_EQ(cluster_class_name(ClusterClass::Rows), "rows");
  EXPECT_EQ(cluster_class_name(ClusterClass::Scalar), "scalar");
}

}  // namespace
}  // namespace gradus
