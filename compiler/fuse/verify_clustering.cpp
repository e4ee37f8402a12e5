// The invariants of a clustering:
//   each node that results need, no leaf and no view, is a member of exactly one cluster;
//   members stand in the order of the graph, yields are members, and what others read is yielded;
//   clusters run after those they read (so no path leaves one and comes back);
//   a parameter or state has one writer, and nobody reads the old value after it;
//   every result is stored: by its yield, by an update in place, or by a copy;
//   parts of a strip compute all of it in order, and what they compute again belongs to others;
//   their members stand in the order of the graph, and the strip's items lead their shapes.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "fuse/fuse.h"
#include "fuse/sources.h"

namespace gradus::fuse {

namespace {

struct Breach {
  std::string message;
};

class Verifier {
 public:
  Verifier(const Graph& graph, const Clustering& clustering)
      : graph_(graph),
        sources_(graph),
        clustering_(clustering),
        names_(clustering.names),
        reads_(sources_.reads_of_all(clustering)) {}

  void run() {
    check_membership();
    for (size_t i = 0; i < clustering_.clusters.size(); ++i) check_cluster(ClusterId(i));
    check_yields();
    check_writers();
    check_results();
  }

 private:
  /// The message is made of these where it is needed.
  template <typename... Args>
  void require(bool holds, fmt::format_string<const Args&...> message, const Args&... args) const {
    if (!holds) throw Breach{fmt::format(message, args...)};
  }
  const Cluster& cluster(ClusterId id) const { return clustering_.clusters[id]; }
  size_t count() const { return clustering_.clusters.size(); }

  IdVector<NodeId, bool> needed() const {
    IdVector<NodeId, bool> needed(graph_.size(), false);
    for (const Result& result : graph_.results) {
      needed[sources_.viewed(result.value)] = true;
    }
    for (size_t i = graph_.size(); i-- > 0;) {
      if (!needed[NodeId(i)]) continue;
      for (NodeId source : sources_.of(NodeId(i))) needed[source] = true;
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
      require(times[id] == expected, "{} is computed {} times, expected {}", names_[id], times[id],
              expected);
    }
  }
  void check_cluster(ClusterId id) const {
    const Cluster& here = cluster(id);
    require(std::is_sorted(here.members.begin(), here.members.end()),
            "members of @{} are out of order", id.index());
    for (NodeId member : here.members) {
      require(clustering_.cluster_of[member] == id, "{} is said to be in another cluster",
              names_[member]);
    }
    for (NodeId yield : here.yields) {
      require(std::binary_search(here.members.begin(), here.members.end(), yield),
              "@{} yields {}, which is no member", id.index(), names_[yield]);
    }
    for (NodeId read : reads_[id]) {
      if (is_leaf(graph_[read])) continue;
      const ClusterId producer = clustering_.cluster_of[read];
      require(producer.valid() && producer < id, "@{} runs before {} is computed", id.index(),
              names_[read]);
    }
    if (here.cls == ClusterClass::Strip) check_parts(id);
  }
  /// The shape that a part runs over.
  const Shape& shape_over(const Cluster& part) const {
    const Node& anchor = graph_[part.anchor];
    return is_fold(anchor) ? graph_.type(anchor.operands[0]).shape : anchor.type.shape;
  }
  void check_part(const Cluster& part, ClusterId id) const {
    require(std::ranges::is_sorted(part.members), "members of a part of @{} are out of order",
            id.index());
    const Shape& shape = shape_over(part);
    require(part.items.size() <= shape.size() &&
                std::equal(part.items.begin(), part.items.end(), shape.begin()),
            "a part of @{} does not run over its items", id.index());
  }
  void check_parts(ClusterId id) const {
    const Cluster& strip = cluster(id);
    std::set<NodeId> known, moved;
    for (const Cluster& part : strip.parts) {
      check_part(part, id);
      for (NodeId read : sources_.reads_of(part)) {
        const bool inside = std::binary_search(strip.members.begin(), strip.members.end(), read) ||
                            std::binary_search(strip.repeats.begin(), strip.repeats.end(), read);
        require(!inside || known.count(read) > 0, "a part of @{} reads {} before it is computed",
                id.index(), names_[read]);
      }
      known.insert(part.members.begin(), part.members.end());
      for (const auto& [value, into] : part.moves) {
        require(stored_view(graph_, value, into).has_value(), "{} has no place in {}",
                names_[value], names_[into]);
        moved.insert(into);
      }
    }
    for (NodeId yield : strip.yields) {
      require(known.count(yield) > 0 || moved.count(yield) > 0, "no part of @{} stores {}",
              id.index(), names_[yield]);
    }
  }
  void check_yields() const {
    for (const std::vector<NodeId>& reads : reads_) {
      for (NodeId read : reads) {
        if (is_leaf(graph_[read])) continue;
        require(is_yielded(read), "{} is read elsewhere but not yielded", names_[read]);
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
    std::map<NodeId, size_t> last_reader;
    for (size_t i = 0; i < count(); ++i) {
      for (NodeId read : reads_[ClusterId(i)]) last_reader[read] = i;
    }
    const auto write = [&](NodeId leaf, size_t by) {
      require(leaf.valid() && writers.emplace(leaf, by).second,
              "@{} writes what another writes too", by);
      const auto reader = last_reader.find(leaf);
      if (reader == last_reader.end()) return;
      require(reader->second <= by, "@{} reads {} after @{} has overwritten it", reader->second,
              names_[leaf], by);
    };
    for (size_t i = 0; i < count(); ++i) {
      for (const auto& [value, leaf] : cluster(ClusterId(i)).updates) write(leaf, i);
      const int32_t copied = cluster(ClusterId(i)).copy_result;
      if (copied < 0) continue;
      const Result& result = graph_.results[static_cast<size_t>(copied)];
      if (result.kind == ResultKind::Update) write(sources_.leaf(result.name), i);
    }
  }
  void check_results() const {
    std::set<NodeId> stored;
    std::vector<bool> copied(graph_.results.size(), false);
    for (const Cluster& each : clustering_.clusters) {
      if (each.copy_result >= 0) copied.at(static_cast<size_t>(each.copy_result)) = true;
    }
    for (size_t i = 0; i < graph_.results.size(); ++i) {
      const Result& result = graph_.results[i];
      const bool direct = result.kind == ResultKind::Update
                              ? is_update(result)
                              : is_yielded(result.value) && stored.insert(result.value).second;
      require(copied[i] || direct, "result {} is stored by nobody", i);
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
  const Sources sources_;
  const Clustering& clustering_;
  const IdVector<NodeId, std::string>& names_;
  IdVector<ClusterId, std::vector<NodeId>> reads_;
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
