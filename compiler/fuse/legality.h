// Clusters under construction, and what may become one. Every computed node starts alone; passes
// merge.
//
//   L1  no path leaves the cluster and comes back
//   L2  one space: every access linear, every member read at its own point (graph/cluster_space.h)
//   L3  what a fold over items gives is not read inside
//   L4  whoever overwrites a parameter or state runs after all other readers of the old value
//   L5  not too many slots and operations
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fuse/fuse.h"
#include "graph/cluster_space.h"

namespace gradus::fuse {

using DraftId = Id<struct DraftTag>;

/// The new value of a parameter or state; in place where it may be stored straight into the leaf.
struct Update {
  NodeId value, leaf;
  bool in_place = true;
};

class Drafts {
 public:
  Drafts(const Graph& graph, int64_t capacity, Remarks& remarks);

  const Graph& graph() const { return *graph_; }
  const Cluster& operator[](DraftId id) const { return drafts_[id]; }
  /// Invalid for leaves, views and dead nodes.
  DraftId draft_of(NodeId node) const { return draft_of_[node]; }
  /// Live drafts of a class, by the numbers of their first nodes.
  std::vector<DraftId> live(ClusterClass cls) const;
  /// Live drafts that read a member, or that a member reads; ascending.
  std::vector<DraftId> consumers(DraftId id) const;
  std::vector<DraftId> producers(DraftId id) const;
  /// Whether nobody but `reader` (and the draft itself) reads what `id` computes, results included.
  bool only_read_by(DraftId id, DraftId reader) const;
  /// Bytes that pass between the two.
  int64_t bytes_between(DraftId producer, DraftId consumer) const;

  /// Joins `other` to `into` as `cls` with this anchor if that is legal, and says so in the
  /// remarks.
  bool merge(DraftId into, DraftId other, ClusterClass cls, NodeId anchor);
  void set_class(DraftId id, ClusterClass cls) { drafts_[id].cls = cls; }

  /// The finished clustering, in an order that may be executed.
  Clustering finish();

 private:
  void find_computed();
  void add_draft(NodeId node);
  void find_dependences();
  void find_updates();
  void decide_in_place(size_t update);
  std::vector<NodeId> other_readers(const Update& update) const;
  std::optional<std::string> why_not(const Cluster& merged, DraftId a, DraftId b) const;
  /// `space` is the cluster's, or is found where it is needed.
  bool updates_fit(const Cluster& cluster, std::optional<ClusterSpace> space = std::nullopt) const;
  bool update_fits(const Cluster& cluster, const Update& update,
                   std::optional<ClusterSpace>& space) const;
  bool is_read_outside(NodeId node) const;
  int count_slots(const Cluster& cluster) const;
  std::string draft_name(DraftId id) const;
  void say(const std::string& remark);

  // paths.cpp
  template <typename Visit>
  void for_successors(DraftId id, Visit visit) const;
  bool mark(DraftId id) const;
  bool reaches(DraftId from, DraftId to, size_t end) const;
  bool cycle_through(DraftId id) const;
  std::optional<DraftId> path_around(DraftId from, DraftId to) const;
  void put(DraftId id, size_t place);
  void find_places();
  void place_together(DraftId a, DraftId b);

  void fill_yields(Clustering& clustering) const;
  void add_copies(Clustering& clustering) const;

  const Graph* graph_;
  int64_t capacity_;
  Remarks* remarks_;
  IdVector<NodeId, std::string> names_;
  IdVector<DraftId, Cluster> drafts_;  // without members once merged into another
  IdVector<NodeId, DraftId> draft_of_;
  IdVector<NodeId, std::vector<NodeId>> sources_;  // buffers and computed nodes that a node reads
  IdVector<NodeId, std::vector<NodeId>> readers_;  // computed nodes that read a source
  IdVector<NodeId, std::vector<NodeId>> after_;    // L4: nodes that run after this one
  IdVector<NodeId, int> results_;                  // how many results a node is
  IdVector<NodeId, bool> wanted_;   // is a result, or seen through one that is a view
  IdVector<NodeId, bool> buffers_;  // stands in memory where others read it
  std::vector<Update> updates_;
  IdVector<NodeId, std::vector<size_t>> updates_of_;  // those that a node is the new value of
  mutable IdVector<NodeId, int> counted_;             // the last count that saw a node
  mutable int count_ = 0;
  std::set<std::string> said_;
  IdVector<DraftId, size_t> places_;      // by dependence; of those that live, and of those joined
  std::vector<DraftId> order_;            // the draft at each place
  mutable IdVector<DraftId, int> marks_;  // the last search that visited a draft
  mutable int search_ = 0;
};

/// The passes, in the order in which they run; each merges drafts.
void fuse_scalar(Drafts& drafts);
void fuse_row_cores(Drafts& drafts);
void fuse_contract(Drafts& drafts);
void fuse_rows(Drafts& drafts);
void fuse_pointwise(Drafts& drafts);

}  // namespace gradus::fuse
