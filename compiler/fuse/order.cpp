#include "fuse/order.h"

#include <algorithm>
#include <set>

#include "graph/op.h"
#include "support/check.h"

namespace gradus::fuse {

NodeId find_leaf(const Graph& graph, const std::string& name) {
  for (size_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph[NodeId(i)];
    const bool stored = node.op == OpKind::Param || node.op == OpKind::State;
    if (stored && leaf_name(node) == name) return NodeId(i);
  }
  return NodeId();
}

bool contains(const std::vector<NodeId>& nodes, NodeId id) {
  return std::ranges::find(nodes, id) != nodes.end();
}

std::vector<NodeId> sources_of(const Graph& graph, NodeId node) {
  std::vector<NodeId> sources;
  for (NodeId operand : graph[node].operands) {
    const bool layout = op_def(graph[operand].op).cls == OpClass::Layout;
    const NodeId source = layout ? resolve_view(graph, operand).source : operand;
    if (std::find(sources.begin(), sources.end(), source) == sources.end())
      sources.push_back(source);
  }
  return sources;
}

std::vector<NodeId> reads_of(const Graph& graph, const Cluster& cluster) {
  if (cluster.copy_result >= 0) return {resolve_view(graph, cluster.anchor).source};
  std::set<NodeId> reads;
  for (const std::vector<NodeId>* computed : {&cluster.members, &cluster.repeats}) {
    for (NodeId member : *computed) {
      for (NodeId source : sources_of(graph, member)) reads.insert(source);
    }
  }
  for (const std::vector<NodeId>* computed : {&cluster.members, &cluster.repeats}) {
    for (NodeId member : *computed) reads.erase(member);
  }
  return {reads.begin(), reads.end()};
}

namespace {

/// The leaf that a cluster overwrites last: in place, or by copying.
std::vector<NodeId> overwritten(const Graph& graph, const Cluster& cluster) {
  std::vector<NodeId> leaves;
  for (const auto& [value, leaf] : cluster.updates) leaves.push_back(leaf);
  if (cluster.copy_result >= 0) {
    const Result& result = graph.results[static_cast<size_t>(cluster.copy_result)];
    if (result.kind == ResultKind::Update) leaves.push_back(find_leaf(graph, result.name));
  }
  return leaves;
}

}  // namespace

IdVector<ClusterId, std::vector<ClusterId>> find_predecessors(const Graph& graph,
                                                              const Clustering& clustering) {
  const size_t count = clustering.clusters.size();
  std::vector<std::set<ClusterId>> before(count);
  IdVector<NodeId, std::vector<ClusterId>> leaf_readers(graph.size());
  for (size_t i = 0; i < count; ++i) {
    for (NodeId source : reads_of(graph, clustering.clusters[ClusterId(i)])) {
      const ClusterId producer = clustering.cluster_of[source];
      if (producer.valid() && producer.index() != i) before[i].insert(producer);
      leaf_readers[source].push_back(ClusterId(i));
    }
  }
  for (size_t i = 0; i < count; ++i) {
    for (NodeId leaf : overwritten(graph, clustering.clusters[ClusterId(i)])) {
      for (ClusterId reader : leaf_readers[leaf]) {
        if (reader.index() != i) before[i].insert(reader);
      }
    }
  }
  IdVector<ClusterId, std::vector<ClusterId>> result(count);
  for (size_t i = 0; i < count; ++i) {
    result[ClusterId(i)].assign(before[i].begin(), before[i].end());
  }
  return result;
}

void put_in_order(const Graph& graph, Clustering& clustering) {
  for (size_t i = 0; i < clustering.clusters.size(); ++i) {
    for (NodeId member : clustering.clusters[ClusterId(i)].members) {
      clustering.cluster_of[member] = ClusterId(i);
    }
  }
  const auto before = find_predecessors(graph, clustering);
  const size_t count = clustering.clusters.size();
  IdVector<ClusterId, std::vector<ClusterId>> after(count);
  std::vector<size_t> waiting(count);
  const auto key = [&](ClusterId id) {
    const Cluster& cluster = clustering.clusters[id];
    const NodeId last = cluster.members.empty() ? NodeId(graph.size()) : cluster.members.back();
    return std::pair(last, id);
  };
  std::set<std::pair<NodeId, ClusterId>> ready;
  for (size_t i = 0; i < count; ++i) {
    waiting[i] = before[ClusterId(i)].size();
    for (ClusterId id : before[ClusterId(i)]) after[id].push_back(ClusterId(i));
    if (waiting[i] == 0) ready.insert(key(ClusterId(i)));
  }
  Clustering sorted;
  sorted.cluster_of = IdVector<NodeId, ClusterId>(graph.size());
  sorted.names = std::move(clustering.names);
  while (!ready.empty()) {
    const ClusterId next = ready.begin()->second;
    ready.erase(ready.begin());
    for (ClusterId id : after[next]) {
      if (--waiting[id.index()] == 0) ready.insert(key(id));
    }
    const ClusterId placed = sorted.clusters.push_back(std::move(clustering.clusters[next]));
    for (NodeId member : sorted.clusters[placed].members) sorted.cluster_of[member] = placed;
  }
  GRADUS_CHECK(sorted.clusters.size() == count, "clusters have an order");
  clustering = std::move(sorted);
}

}  // namespace gradus::fuse
