// The invariants of a clustering:
//   each node that results need, no leaf and no view, is a member of exactly one cluster;
//   members stand in the order of the graph, yields are members, and what others read is yielded;
//   clusters run after those they read (so no path leaves one and comes back);
//   a parameter or state has one writer, and nobody reads the old value after it;
//   every result is stored: by its yield, by an update in place, or by a copy;
//   parts of a strip compute all of it in order, and what they compute again belongs to others.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "fuse/fuse.h"
#include "fuse/order.h"
#include "graph/text.h"

namespace gradus::fuse {

namespace {

struct Breach {
  std::string message;
};

class Verifier {
 public:
  Verifier(const Graph& graph, const Clustering& clustering)
      : graph_(graph), clustering_(clustering), names_(value_names(graph)) {}

  void run() {
    check_membership();
    for (size_t i = 0; i < clustering_.clusters.size(); ++i) check_cluster(ClusterId(i));
    check_yields();
    check_writers();
    check_results();
  }

 private:
  void require(bool holds, const std::string& message) const {
    if (!holds) throw Breach{message};
  }
  const Cluster& cluster(ClusterId id) const { return clustering_.clusters[id]; }
  size_t count() const { return clustering_.clusters.size(); }

  IdVector<NodeId, bool> needed() const {
    IdVector<NodeId, bool> needed(graph_.size(), false);
    for (const Result& result : graph_.results) {
      needed[resolve_view(graph_, result.value).source] = true;
    }
    for (size_t i = graph_.size(); i-- > 0;) {
      if (!needed[NodeId(i)]) continue;
      for (NodeId operand : graph_[NodeId(i)].operands) {
        needed[resolve_view(graph_, operand).source] = true;
      }
    }
    return needed;
  }
  void check_membership() const {
    IdVector<NodeId, int> times(graph_.size(), 0);
    for (const Cluster& each : clustering_.clusters) {
      for (NodeId member : each.members) ++times[member];
    }
    const IdVector<NodeId, bool> wanted = needed();
    for (size_t i = 0; i < graph_.size(); ++i) {
      const NodeId id(i);
      const int expected = wanted[id] && !is_leaf(graph_[id]) ? 1 : 0;
      require(times[id] == expected,
              fmt::format("{} is computed {} times, expected {}", names_[id], times[id], expected));
    }
  }
  void check_cluster(ClusterId id) const {
    const Cluster& here = cluster(id);
    require(std::is_sorted(here.members.begin(), here.members.end()),
            fmt::format("members of @{} are out of order", id.index()));
    for (NodeId member : here.members) {
      require(clustering_.cluster_of[member] == id,
              fmt::format("{} is said to be in another cluster", names_[member]));
    }
    for (NodeId yield : here.yields) {
      require(std::binary_search(here.members.begin(), here.members.end(), yield),
              fmt::format("@{} yields {}, which is no member", id.index(), names_[yield]));
    }
    for (NodeId read : reads_of(graph_, here)) {
      if (is_leaf(graph_[read])) continue;
      const ClusterId producer = clustering_.cluster_of[read];
      require(producer.valid() && producer < id,
              fmt::format("@{} runs before {} is computed", id.index(), names_[read]));
    }
    if (here.cls == ClusterClass::Strip) check_parts(id);
  }
  void check_parts(ClusterId id) const {
    const Cluster& strip = cluster(id);
    std::set<NodeId> known, moved;
    for (const Cluster& part : strip.parts) {
      for (NodeId read : reads_of(graph_, part)) {
        const bool inside = std::binary_search(strip.members.begin(), strip.members.end(), read) ||
                            std::binary_search(strip.repeats.begin(), strip.repeats.end(), read);
        require(!inside || known.count(read) > 0,
                fmt::format("a part of @{} reads {} before it is computed", id.index(), names_[read]));
      }
      known.insert(part.members.begin(), part.members.end());
      for (const auto& [value, into] : part.moves) {
        require(stored_view(graph_, value, into).has_value(),
                fmt::format("{} has no place in {}", names_[value], names_[into]));
        moved.insert(into);
      }
    }
    for (NodeId yield : strip.yields) {
      require(known.count(yield) > 0 || moved.count(yield) > 0,
              fmt::format("no part of @{} stores {}", id.index(), names_[yield]));
    }
  }
  void check_yields() const {
    for (const Cluster& reader : clustering_.clusters) {
      for (NodeId read : reads_of(graph_, reader)) {
        if (is_leaf(graph_[read])) continue;
        require(is_yielded(read),
                fmt::format("{} is read elsewhere but not yielded", names_[read]));
      }
    }
  }
  bool is_yielded(NodeId id) const {
    const ClusterId producer = clustering_.cluster_of[id];
    if (!producer.valid()) return false;
    const auto& yields = cluster(producer).yields;
    return std::find(yields.begin(), yields.end(), id) != yields.end();
  }
  void check_writers() const {
    std::map<NodeId, size_t> writers;
    const auto write = [&](NodeId leaf, size_t by) {
      require(leaf.valid() && writers.emplace(leaf, by).second,
              fmt::format("@{} writes what another writes too", by));
      for (size_t later = by + 1; later < count(); ++later) {
        const auto reads = reads_of(graph_, cluster(ClusterId(later)));
        require(std::find(reads.begin(), reads.end(), leaf) == reads.end(),
                fmt::format("@{} reads {} after @{} has overwritten it", later, names_[leaf], by));
      }
    };
    for (size_t i = 0; i < count(); ++i) {
      for (const auto& [value, leaf] : cluster(ClusterId(i)).updates) write(leaf, i);
      const int32_t copied = cluster(ClusterId(i)).copy_result;
      if (copied < 0) continue;
      const Result& result = graph_.results[static_cast<size_t>(copied)];
      if (result.kind == ResultKind::Update) write(find_leaf(graph_, result.name), i);
    }
  }
  void check_results() const {
    std::set<NodeId> stored;
    for (size_t i = 0; i < graph_.results.size(); ++i) {
      const Result& result = graph_.results[i];
      const bool copied =
          std::any_of(clustering_.clusters.begin(), clustering_.clusters.end(),
                      [&](const Cluster& c) { return c.copy_result == static_cast<int32_t>(i); });
      const bool direct = result.kind == ResultKind::Update
                              ? is_update(result)
                              : is_yielded(result.value) && stored.insert(result.value).second;
      require(copied || direct, fmt::format("result {} is stored by nobody", i));
    }
  }
  bool is_update(const Result& result) const {
    const ClusterId producer = clustering_.cluster_of[result.value];
    if (!producer.valid()) return false;
    const auto& updates = cluster(producer).updates;
    return std::any_of(updates.begin(), updates.end(), [&](const auto& update) {
      return update.first == result.value && leaf_name(graph_[update.second]) == result.name;
    });
  }

  const Graph& graph_;
  const Clustering& clustering_;
  IdVector<NodeId, std::string> names_;
};

}  // namespace

std::optional<std::string> verify_clustering(const Graph& graph, const Clustering& clustering) {
  try {
    Verifier(graph, clustering).run();
  } catch (const Breach& breach) {
    return breach.message;
  }
  return std::nullopt;
}

}  // namespace gradus::fuse
