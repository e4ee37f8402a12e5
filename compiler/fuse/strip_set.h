// Strips under construction, shared by the passes that make them: which clusters are parts of
// which, whether one more may be, and the clustering with strips in the places of their parts.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "cluster/cluster.h"
#include "fuse/order.h"
#include "fuse/sources.h"

namespace gradus::fuse {

/// Clusters by number.
struct StripParts {
  std::vector<Dim> items;
  std::set<size_t> own;    // to be parts
  std::set<size_t> again;  // parts of earlier strips, computed once more
  std::set<size_t> moved;  // layout clusters whose elements the parts store
  std::vector<std::pair<NodeId, NodeId>> moves;

  bool takes(size_t cluster) const { return own.count(cluster) > 0 || moved.count(cluster) > 0; }
};

class StripSet {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  /// `clustering` stays as it is until `replace`.
  StripSet(const Sources& sources, const Clustering& clustering);

  /// The strip that a cluster is a part of, or kNone.
  size_t strip_of(size_t cluster) const { return strip_of_[cluster]; }
  const StripParts& operator[](size_t strip) const { return strips_[strip]; }
  size_t clusters() const { return strip_of_.size(); }
  /// What a cluster reads and does not compute.
  const std::vector<NodeId>& reads(size_t cluster) const { return reads_[ClusterId(cluster)]; }
  /// Clusters that read a value, ascending.
  const std::vector<size_t>& readers(NodeId value) const { return readers_[value]; }
  bool is_result(NodeId value) const { return results_[value]; }
  /// Whether a path leaves the strip and comes back; strips that are made already are passed as
  /// one.
  bool leaves_and_returns(const StripParts& strip) const;

  void add(StripParts strip);
  /// Puts the strips in the places of their parts.
  void replace(Clustering& clustering) const;

 private:
  size_t last_that_returns(const StripParts& strip) const;
  void add_range(std::pair<size_t, size_t> range);
  Cluster make_part(const Cluster& cluster, const StripParts& strip, bool again) const;
  Cluster make_strip(const Clustering& clustering, const StripParts& strip) const;
  void set_yields(Clustering& clustering, const Reads& reads) const;

  const Sources& sources_;
  std::vector<StripParts> strips_;
  std::map<size_t, size_t> ranges_;  // from the first to the last cluster of strips; apart
  std::vector<size_t> strip_of_;
  IdVector<ClusterId, std::vector<NodeId>> reads_;
  IdVector<NodeId, std::vector<size_t>> readers_;
  IdVector<NodeId, bool> results_;
  std::vector<std::vector<size_t>> successors_;
  mutable std::vector<size_t> seen_;  // the last search that saw a cluster
  mutable size_t search_ = 0;
};

}  // namespace gradus::fuse
