#include "fuse/strip_set.h"

#include <algorithm>

#include "fuse/order.h"

namespace gradus::fuse {

namespace {

void insert(std::vector<NodeId>& sorted, const std::vector<NodeId>& more) {
  sorted.insert(sorted.end(), more.begin(), more.end());
  std::ranges::sort(sorted);
}

}  // namespace

StripSet::StripSet(const Sources& sources, const Clustering& clustering)
    : sources_(sources),
      strip_of_(clustering.clusters.size(), kNone),
      reads_(sources.reads_of_all(clustering)),
      readers_(sources.graph().size()),
      results_(sources.graph().size(), false),
      successors_(clustering.clusters.size()),
      seen_(clustering.clusters.size(), 0) {
  const auto before = find_predecessors(sources, clustering, reads_);
  for (size_t i = 0; i < strip_of_.size(); ++i) {
    for (ClusterId id : before[ClusterId(i)]) successors_[id.index()].push_back(i);
    for (NodeId read : reads_[ClusterId(i)]) readers_[read].push_back(i);
  }
  for (const Result& result : sources.graph().results) {
    results_[sources.viewed(result.value)] = true;
  }
}

namespace {

/// The first and the last cluster that a strip takes.
std::pair<size_t, size_t> range_of(const StripParts& strip) {
  std::pair<size_t, size_t> range{SIZE_MAX, 0};
  for (const std::set<size_t>* taken : {&strip.own, &strip.moved}) {
    if (taken->empty()) continue;
    range.first = std::min(range.first, *taken->begin());
    range.second = std::max(range.second, *taken->rbegin());
  }
  return range;
}

}  // namespace

/// Paths go to later clusters; only strips that are made already, passed as one, lead back.
size_t StripSet::last_that_returns(const StripParts& strip) const {
  const size_t last = range_of(strip).second;
  const auto behind = ranges_.upper_bound(last);
  return behind == ranges_.begin() ? last : std::max(last, std::prev(behind)->second);
}

bool StripSet::leaves_and_returns(const StripParts& strip) const {
  const size_t last = last_that_returns(strip);
  ++search_;
  std::vector<size_t> pending;
  const auto visit = [&](size_t i) {
    if (i > last || seen_[i] == search_ || strip.takes(i)) return;
    seen_[i] = search_;
    pending.push_back(i);
  };
  for (const std::set<size_t>* from : {&strip.own, &strip.moved}) {
    for (size_t i : *from) std::ranges::for_each(successors_[i], visit);
  }
  while (!pending.empty()) {
    const size_t here = pending.back();
    pending.pop_back();
    for (size_t next : successors_[here]) {
      if (strip.takes(next)) return true;
      visit(next);
    }
    if (strip_of_[here] == kNone) continue;
    const StripParts& passed = strips_[strip_of_[here]];
    std::ranges::for_each(passed.own, visit);
    std::ranges::for_each(passed.moved, visit);
  }
  return false;
}

/// Ranges that share a cluster become one.
void StripSet::add_range(std::pair<size_t, size_t> range) {
  auto it = ranges_.upper_bound(range.second);
  while (it != ranges_.begin() && std::prev(it)->second >= range.first) {
    --it;
    range = {std::min(range.first, it->first), std::max(range.second, it->second)};
    it = ranges_.erase(it);
  }
  ranges_.insert(range);
}

void StripSet::add(StripParts strip) {
  add_range(range_of(strip));
  for (const std::set<size_t>* taken : {&strip.own, &strip.moved}) {
    for (size_t i : *taken) strip_of_[i] = strips_.size();
  }
  strips_.push_back(std::move(strip));
}

Cluster StripSet::make_part(const Cluster& cluster, const StripParts& strip, bool again) const {
  Cluster part = cluster;
  part.items = strip.items;
  part.again = again;
  for (const auto& move : strip.moves) {
    if (contains(part.members, move.first)) part.moves.push_back(move);
  }
  return part;
}

Cluster StripSet::make_strip(const Clustering& clustering, const StripParts& parts) const {
  Cluster strip;
  strip.cls = ClusterClass::Strip;
  strip.items = parts.items;
  std::set<size_t> all = parts.own;
  all.insert(parts.again.begin(), parts.again.end());
  for (size_t i : all) {
    const Cluster& cluster = clustering.clusters[ClusterId(i)];
    const bool again = parts.own.count(i) == 0;
    strip.parts.push_back(make_part(cluster, parts, again));
    insert(again ? strip.repeats : strip.members, cluster.members);
    const bool product = cluster.cls == ClusterClass::Contract;
    if (product && !again && !strip.anchor.valid()) strip.anchor = cluster.anchor;
  }
  if (!strip.anchor.valid()) {
    strip.anchor = clustering.clusters[ClusterId(*parts.own.begin())].anchor;
  }
  for (size_t i : parts.moved) insert(strip.members, clustering.clusters[ClusterId(i)].members);
  return strip;
}

/// A strip yields what is read outside of it, its parts what any other reads.
void StripSet::set_yields(Clustering& clustering, const Reads& reads) const {
  IdVector<NodeId, bool> read = results_;
  for (const std::vector<NodeId>& nodes : reads) {
    for (NodeId id : nodes) read[id] = true;
  }
  for (Cluster& strip : clustering.clusters) {
    if (strip.cls != ClusterClass::Strip) continue;
    strip.yields.clear();
    for (NodeId member : strip.members) {
      if (read[member]) strip.yields.push_back(member);
    }
    std::vector<NodeId> passed;
    for (const Cluster& part : strip.parts) insert(passed, sources_.reads_of(part));
    for (Cluster& part : strip.parts) {
      std::erase_if(part.yields, [&](NodeId yield) {
        return !std::ranges::binary_search(passed, yield) &&
               (part.again || !contains(strip.yields, yield));
      });
    }
  }
}

void StripSet::replace(Clustering& clustering) const {
  if (strips_.empty()) return;
  Clustering out;
  out.names = std::move(clustering.names);
  out.cluster_of = IdVector<NodeId, ClusterId>(sources_.graph().size());
  for (size_t i = 0; i < strip_of_.size(); ++i) {
    if (strip_of_[i] == kNone) out.clusters.push_back(std::move(clustering.clusters[ClusterId(i)]));
  }
  for (const StripParts& strip : strips_) out.clusters.push_back(make_strip(clustering, strip));
  const Reads reads = sources_.reads_of_all(out);
  set_yields(out, reads);
  put_in_order(sources_, out, reads);
  clustering = std::move(out);
}

}  // namespace gradus::fuse
