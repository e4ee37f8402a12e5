// Clusters under construction, and what may become one. Every computed node starts alone; passes
// merge.
//
//   L1  no path leaves the cluster and comes back
//   L2  one space: every access linear, every member read at its own point (cluster/cluster_space.h)
//   L3  what a fold over items gives is not read inside
//   L4  whoever overwrites a parameter or state runs after all other readers of the old value
//   L5  not too many slots and operations
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "cluster/growing_space.h"
#include "fuse/fuse.h"
#include "fuse/sources.h"
#include "support/short_vector.h"

namespace gradus::fuse {

using DraftId = Id<struct DraftTag>;

/// The new value of a parameter or state; in place where it may be stored straight into the leaf.
struct Update {
  NodeId value, leaf;
  bool in_place = true;
};

using Nodes = ShortVector<NodeId, 8>;

/// What the rest of the graph sees of a draft: a slot for each.
struct Outside {
  Nodes reads;   // buffers that members read and that it does not compute, ascending
  Nodes yields;  // members that others or results read, ascending
};

/// Empty once it has been merged into another.
struct Draft {
  Cluster cluster;  // class, anchor and members
  Outside outside;
  std::unique_ptr<GrowingSpace> space;  // of these members; nothing before the first merge
  std::vector<NodeId> early;  // L4: members after which others have to run that do not read them
};

/// Why two drafts stay apart.
struct Refusal {
  enum class Law : uint8_t { Path, Operations, Slots, Space, Fold, ChainRows, OldValue };
  Law law;
  DraftId through;  // Path: a draft between
  friend auto operator<=>(const Refusal&, const Refusal&) = default;
};

class Drafts {
 public:
  Drafts(const Sources& sources, int64_t capacity, Remarks* remarks);

  const Graph& graph() const { return sources_.graph(); }
  const Sources& sources() const { return sources_; }
  const Cluster& operator[](DraftId id) const { return drafts_[id].cluster; }
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

  /// Joins `other` to `into`, whose class and anchor stay, if that is legal; says so in the
  /// remarks.
  bool merge(DraftId into, DraftId other);
  /// Of a draft that has not been merged.
  void set_class(DraftId id, ClusterClass cls);

  /// The finished clustering, in an order that may be executed.
  Clustering finish();

 private:
  void find_computed();
  void add_draft(NodeId node);
  void find_readers();
  void find_outsides();
  void find_updates();
  void decide_in_place(size_t update);
  Nodes other_readers(const Update& update) const;
  std::span<const NodeId> readers(NodeId node) const {
    return {readers_.data() + readers_begin_[node.index()],
            readers_.data() + readers_begin_[node.index() + 1]};
  }
  bool in_either(NodeId node, DraftId a, DraftId b) const {
    return draft_of_[node] == a || draft_of_[node] == b;
  }
  bool is_seen_outside(NodeId node, DraftId a, DraftId b) const;
  size_t slots_of_both(DraftId a, DraftId b) const;
  Outside outside_of_both(DraftId a, DraftId b) const;
  Draft joined(DraftId into, DraftId other) const;
  std::optional<Refusal> breach_of_pair(DraftId a, DraftId b) const;
  std::unique_ptr<GrowingSpace> space_of_both(const Draft& merged, DraftId into,
                                              DraftId other) const;
  std::optional<Refusal> breach_of_merged(const Draft& merged, DraftId a, DraftId b) const;
  bool stores_chain_rows(const Draft& merged, const ClusterSpace& space) const;
  /// `merged` is of these two drafts, or of one that is given twice. Its space is found where it is
  /// not given and is needed.
  bool updates_fit(const Draft& merged, std::optional<ClusterSpace> space, DraftId a,
                   DraftId b) const;
  bool reads_in_place(const Update& update, const Cluster& merged, NodeId reader) const;
  bool update_fits(const Update& update, const Cluster& merged, const ClusterSpace& space,
                   NodeId reader) const;
  bool refuse(DraftId into, DraftId other, const Refusal& refusal);
  std::string draft_name(DraftId id) const;

  // paths.cpp
  template <typename Visit>
  void for_successors(DraftId id, Visit visit) const;
  void begin_search(DraftId from = DraftId()) const;
  bool mark(DraftId id) const;
  bool reaches(DraftId from, DraftId to, size_t end) const;
  bool cycle_through(DraftId id) const;
  std::optional<DraftId> path_around(DraftId from, DraftId to) const;
  void put(DraftId id, size_t place);
  void find_places();
  void place_together(DraftId a, DraftId b);

  void set_yields(Draft& draft) const;
  void add_copies(Clustering& clustering) const;

  const Sources& sources_;
  int64_t capacity_;
  Remarks* remarks_;  // null where nobody asks
  IdVector<NodeId, std::string> names_;
  IdVector<DraftId, Draft> drafts_;
  IdVector<NodeId, DraftId> draft_of_;
  std::vector<NodeId> readers_;  // computed nodes that read a node, those of all one after another
  std::vector<size_t> readers_begin_;
  IdVector<NodeId, std::vector<NodeId>> after_;  // L4: nodes that run after this one
  IdVector<NodeId, int> results_;                // how many results a node is
  IdVector<NodeId, bool> wanted_;                // is a result, or seen through one that is a view
  std::vector<Update> updates_;
  IdVector<NodeId, std::vector<size_t>> updates_of_;  // those that a node is the new value of
  std::set<std::tuple<DraftId, DraftId, Refusal>> refused_;  // what the remarks have said
  IdVector<DraftId, size_t> places_;      // by dependence; of those that live, and of those joined
  std::vector<DraftId> order_;            // the draft at each place
  mutable IdVector<DraftId, int> marks_;  // the last search that visited a draft
  mutable int search_ = 0;
  mutable std::vector<DraftId> pending_;  // of a search: visited, but not what follows
};

/// Takes the pointwise producers of `id` that nobody else reads: inside, they are never stored.
bool merge_single_use_producers(Drafts& drafts, DraftId id);

/// The passes, in the order in which they run; each merges drafts.
void fuse_scalar(Drafts& drafts);
void fuse_row_cores(Drafts& drafts);
void fuse_contract(Drafts& drafts);
void fuse_rows(Drafts& drafts);
void fuse_pointwise(Drafts& drafts);

}  // namespace gradus::fuse
