// A space that takes its members one by one is the space of all of them, at every step.
#include "cluster/growing_space.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ops/graph_text.h"

namespace gradus {
namespace {

std::string text(const ClusterSpace& space) {
  std::string out = to_string(space.extents);
  for (const bool folded : space.folded) out += folded ? " folded" : " kept";
  return out;
}

/// The text of the space of members added in this order, the first the anchor; "none" from where
/// there is none on. Each step is compared with the space of all members so far.
std::string grown(const Graph& graph, ClusterClass cls, const std::vector<size_t>& order,
                  const std::vector<Dim>& items = {}) {
  Cluster cluster;
  cluster.cls = cls;
  cluster.anchor = NodeId(order.front());
  cluster.items = items;
  GrowingSpace space(graph, cls, cluster.anchor, items);
  for (size_t i : order) {
    const NodeId joined(i);
    std::vector<NodeId> readers;
    for (NodeId member : cluster.members) {
      for (NodeId operand : graph[member].operands) {
        if (resolve_view(graph, operand).source == joined) readers.push_back(member);
      }
    }
    cluster.members.insert(std::ranges::lower_bound(cluster.members, joined), joined);
    const std::optional<ClusterSpace> whole = find_space(graph, cluster);
    const bool found = space.add(cluster.members, {&joined, 1}, readers);
    EXPECT_EQ(found, whole.has_value()) << "with node " << i;
    if (!found || !whole) return "none";
    EXPECT_EQ(text(space.space()), text(*whole)) << "with node " << i;
  }
  return text(space.space());
}

const char* const kPointwise =
    "%x = input \"x\" : f32[batch,4,6]\n"
    "%b = param \"b\" : f32[6]\n"
    "%0 = tanh %x : f32[batch,4,6]\n"
    "%1 = add %0, %b : f32[batch,4,6]\n"
    "%2 = mul %1, %0 : f32[batch,4,6]\n"
    "%3 = reshape %2 : f32[batch,24]\n"
    "%4 = exp %3 : f32[batch,24]\n"
    "return %4\n";

TEST(GrowingSpace, ANewAccessPartsDimensions) {
  const Graph graph = test::read_body(kPointwise);
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {2}), "[24*batch] kept");
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {2, 3, 4}), "[4*batch,6] kept kept");
}

TEST(GrowingSpace, ProducersMayComeAfterTheirReaders) {
  const Graph graph = test::read_body(kPointwise);
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {6, 4, 3, 2}), "[4*batch,6] kept kept");
}

TEST(GrowingSpace, AFoldIsReadAlongItsRows) {
  const Graph graph = test::read_body(
      "%x = input \"x\" : f32[batch,4,6]\n"
      "%0 = mul %x, %x : f32[batch,4,6]\n"
      "%1 = sum %0 {dims=[2], keep=true, order=lanes} : f32[batch,4,1]\n"
      "%2 = sqrt %1 : f32[batch,4,1]\n"
      "%3 = div %x, %2 : f32[batch,4,6]\n"
      "return %3\n");
  EXPECT_EQ(grown(graph, ClusterClass::Rows, {2, 3, 1, 4}), "[4*batch,6] kept folded");
}

TEST(GrowingSpace, ItemsStayApartFromWhatFollowsThem) {
  const Graph graph = test::read_body(
      "%x = input \"x\" : f32[batch,2,4,6]\n"
      "%0 = mul %x, %x : f32[batch,2,4,6]\n"
      "%1 = sum %0 {dims=[3], keep=true, order=lanes} : f32[batch,2,4,1]\n"
      "%2 = div %x, %1 : f32[batch,2,4,6]\n"
      "return %2\n");
  const Dim batch{1, true}, two{2, false};
  EXPECT_EQ(grown(graph, ClusterClass::Rows, {2, 1, 3}), "[8*batch,6] kept folded");
  EXPECT_EQ(grown(graph, ClusterClass::Rows, {2, 1, 3}, {batch}), "[batch,8,6] kept kept folded");
  EXPECT_EQ(grown(graph, ClusterClass::Rows, {2, 1, 3}, {batch, two}),
            "[batch,2,4,6] kept kept kept folded");
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {1}, {batch}), "[batch,48] kept kept");
}

TEST(GrowingSpace, AMemberThatIsReadElsewhereEndsIt) {
  const Graph graph = test::read_body(
      "%x = input \"x\" : f32[4,4]\n"
      "%0 = tanh %x : f32[4,4]\n"
      "%1 = transpose %0 {perm=[1,0]} : f32[4,4]\n"
      "%2 = add %1, %x : f32[4,4]\n"
      "return %2\n");
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {3}), "[4,4] kept kept");
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {3, 1}), "none");
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {1, 3}), "none");
}

TEST(GrowingSpace, CutsThatCrossEndIt) {
  const Graph graph = test::read_body(
      "%x = input \"x\" : f32[4,6]\n"
      "%y = input \"y\" : f32[6,4]\n"
      "%0 = tanh %x : f32[4,6]\n"
      "%1 = tanh %y : f32[6,4]\n"
      "return %0, %1\n");
  EXPECT_EQ(grown(graph, ClusterClass::Pointwise, {2, 3}), "none");
}

TEST(GrowingSpace, AProductKeepsItsDimensions) {
  const Graph graph = test::read_body(
      "%x = input \"x\" : f32[batch,8]\n"
      "%w = param \"w\" : f32[8,6]\n"
      "%0 = matmul %x, %w : f32[batch,6]\n"
      "%1 = tanh %0 : f32[batch,6]\n"
      "return %1\n");
  EXPECT_EQ(grown(graph, ClusterClass::Contract, {2, 3}), "[batch,6] kept kept");
}

}  // namespace
}  // namespace gradus
