#include "fuse/order.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "support/check.h"

namespace gradus::fuse {

namespace {

/// The leaves that a cluster overwrites, once all others have read them: in place, or by copying.
std::vector<NodeId> overwritten(const Sources& sources, const Cluster& cluster) {
  std::vector<NodeId> leaves;
  for (const auto& [value, leaf] : cluster.updates) leaves.push_back(leaf);
  if (cluster.copy_result >= 0) {
    const Result& result = sources.graph().results[static_cast<size_t>(cluster.copy_result)];
    if (result.kind == ResultKind::Update) leaves.push_back(sources.leaf(result.name));
  }
  return leaves;
}

}  // namespace

IdVector<ClusterId, std::vector<ClusterId>> find_predecessors(const Sources& sources,
                                                              const Clustering& clustering,
                                                              const Reads& reads) {
  const size_t count = clustering.clusters.size();
  IdVector<ClusterId, std::vector<ClusterId>> before(count);
  IdVector<NodeId, std::vector<ClusterId>> readers(sources.graph().size());
  for (size_t i = 0; i < count; ++i) {
    for (NodeId source : reads[ClusterId(i)]) {
      const ClusterId producer = clustering.cluster_of[source];
      if (producer.valid()) before[ClusterId(i)].push_back(producer);
      readers[source].push_back(ClusterId(i));
    }
  }
  for (size_t i = 0; i < count; ++i) {
    std::vector<ClusterId>& earlier = before[ClusterId(i)];
    for (NodeId leaf : overwritten(sources, clustering.clusters[ClusterId(i)])) {
      earlier.insert(earlier.end(), readers[leaf].begin(), readers[leaf].end());
    }
    std::erase(earlier, ClusterId(i));
    std::ranges::sort(earlier);
    const auto repeated = std::ranges::unique(earlier);
    earlier.erase(repeated.begin(), repeated.end());
  }
  return before;
}

void put_in_order(const Sources& sources, Clustering& clustering, const Reads& reads) {
  const Graph& graph = sources.graph();
  for (size_t i = 0; i < clustering.clusters.size(); ++i) {
    for (NodeId member : clustering.clusters[ClusterId(i)].members) {
      clustering.cluster_of[member] = ClusterId(i);
    }
  }
  const auto before = find_predecessors(sources, clustering, reads);
  const size_t count = clustering.clusters.size();
  IdVector<ClusterId, std::vector<ClusterId>> after(count);
  std::vector<size_t> waiting(count);
  using Key = std::pair<NodeId, ClusterId>;
  const auto key = [&](ClusterId id) {
    const Cluster& cluster = clustering.clusters[id];
    return Key(cluster.members.empty() ? NodeId(graph.size()) : cluster.members.back(), id);
  };
  std::priority_queue<Key, std::vector<Key>, std::greater<Key>> ready;  // the earliest on top
  for (size_t i = 0; i < count; ++i) {
    waiting[i] = before[ClusterId(i)].size();
    for (ClusterId id : before[ClusterId(i)]) after[id].push_back(ClusterId(i));
    if (waiting[i] == 0) ready.push(key(ClusterId(i)));
  }
  Clustering sorted;
  sorted.cluster_of = IdVector<NodeId, ClusterId>(graph.size());
  sorted.names = std::move(clustering.names);
  while (!ready.empty()) {
    const ClusterId next = ready.top().second;
    ready.pop();
    for (ClusterId id : after[next]) {
      if (--waiting[id.index()] == 0) ready.push(key(id));
    }
    const ClusterId placed = sorted.clusters.push_back(std::move(clustering.clusters[next]));
    for (NodeId member : sorted.clusters[placed].members) sorted.cluster_of[member] = placed;
  }
  GRADUS_CHECK(sorted.clusters.size() == count, "clusters have an order");
  clustering = std::move(sorted);
}

}  // namespace gradus::fuse
