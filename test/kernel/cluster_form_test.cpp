// What clusters of equal form may differ in, and what makes forms differ.
#include "kernel/build/cluster_form.h"

#include <gtest/gtest.h>

#include "ops/graph_text.h"

namespace gradus::kernel {
namespace {

/// The last node of each graph of the text is a pointwise cluster of its own, on buffers.
ClusterForm form_of(const std::string& body) {
  const Graph graph = test::read_body(body + "\n");
  Clustering clustering;
  clustering.cluster_of.resize(graph.size());
  clustering.names.resize(graph.size(), "%x");
  Cluster cluster;
  cluster.anchor = NodeId(graph.size() - 1);
  cluster.members = cluster.yields = {cluster.anchor};
  return FormFinder(graph, clustering).find(cluster);
}

constexpr const char* kPlain =
    "%x = input \"x\" : f32[batch,8]\n%w = param \"w\" : f32[8]\n"
    "%0 = mul %x, %w : f32[batch,8]\nreturn %0";

TEST(ClusterForm, NamesAreLeftOut) {
  const ClusterForm form = form_of(
      "%y = input \"y\" : f32[batch,8]\n%v = param \"v\" : f32[8]\n"
      "%0 = mul %y, %v : f32[batch,8]\nreturn %0");
  EXPECT_EQ(form.key, form_of(kPlain).key);
  EXPECT_EQ(form.nodes, (std::vector<NodeId>{NodeId(2), NodeId(0), NodeId(1)}));
}

TEST(ClusterForm, NodesWithoutPartInItAreLeftOut) {
  const ClusterForm form = form_of(
      "%z = input \"z\" : f32[3]\n%x = input \"x\" : f32[batch,8]\n%w = param \"w\" : f32[8]\n"
      "%0 = mul %x, %w : f32[batch,8]\nreturn %0");
  EXPECT_EQ(form.key, form_of(kPlain).key);
  EXPECT_EQ(form.nodes, (std::vector<NodeId>{NodeId(3), NodeId(1), NodeId(2)}));
}

TEST(ClusterForm, WhatABuilderSeesIsInTheKey) {
  const std::string plain = form_of(kPlain).key;
  for (const char* other :
       {// another operator
        "%x = input \"x\" : f32[batch,8]\n%w = param \"w\" : f32[8]\n"
        "%0 = add %x, %w : f32[batch,8]\nreturn %0",
        // another size
        "%x = input \"x\" : f32[batch,9]\n%w = param \"w\" : f32[9]\n"
        "%0 = mul %x, %w : f32[batch,9]\nreturn %0",
        // rows that the batch does not count
        "%x = input \"x\" : f32[4,8]\n%w = param \"w\" : f32[8]\n"
        "%0 = mul %x, %w : f32[4,8]\nreturn %0",
        // one buffer read twice
        "%x = input \"x\" : f32[batch,8]\n%0 = mul %x, %x : f32[batch,8]\nreturn %0",
        // a constant
        "%x = input \"x\" : f32[batch,8]\n%0 = mul %x, 2.0 : f32[batch,8]\nreturn %0",
        // a view of the buffer
        "%x = input \"x\" : f32[batch,8]\n%w = param \"w\" : f32[16]\n"
        "%0 = slice %w {start=[8], step=[1]} : f32[8]\n"
        "%1 = mul %x, %0 : f32[batch,8]\nreturn %1"}) {
    EXPECT_NE(form_of(other).key, plain) << other;
  }
  const auto with_constant = [](const char* value) {
    return form_of("%x = input \"x\" : f32[batch,8]\n%0 = mul %x, " + std::string(value) +
                   " : f32[batch,8]\nreturn %0")
        .key;
  };
  EXPECT_EQ(with_constant("2.0"), with_constant("2.0"));
  EXPECT_NE(with_constant("2.0"), with_constant("3.0"));
}

}  // namespace
}  // namespace gradus::kernel
