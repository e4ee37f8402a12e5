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
#include "fuse/draft_order.h"
#include "fuse/fuse.h"
#include "fuse/sources.h"
#include "support/short_vector.h"

namespace gradus::fuse {

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

/// Each node hangs from the latest that it reads; those that hang from one, and so come after it,
/// have the numbers of a range.
struct Subtree {
  uint32_t first = 0, end = 0;
  uint32_t size() const { return end - first; }
  bool holds(const Subtree& other) const { return first <= other.first && other.first < end; }
};

/// Empty once it has been merged into another.
struct Draft {
  Cluster cluster;  // class, anchor and members
  Outside outside;
  std::unique_ptr<GrowingSpace> space;  // of these members; nothing before the first merge
  std::vector<NodeId> early;  // L4: members after which others have to run that do not read them
  Subtree widest;             // of a member's
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
  /// The consumers; where a member has very many readers, only the next ones of them from `near` on,
  /// so that a look from each of them stays a short one.
  std::vector<DraftId> consumers_near(DraftId id, NodeId near) const;
  /// Whether nobody but `reader` (and the draft itself) reads what `id` computes, results included.
  bool only_read_by(DraftId id, DraftId reader) const;
  /// Bytes that pass between the two.
  int64_t bytes_between(DraftId producer, DraftId consumer) const;

  /// Joins `other` to `into`, whose class and anchor stay, if that is legal; says so in the
  /// remarks.
  bool merge(DraftId into, DraftId other);
  /// Of a draft that has not been merged.
  void set_class(DraftId id, ClusterClass cls);

  /// How many drafts searches for paths have looked at.
  int64_t looks() const { return looks_; }

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
  template <typename Visit>
  void for_predecessors(DraftId id, Visit visit) const;
  void begin_search(DraftId from = DraftId()) const;
  bool mark(DraftId id) const;
  bool cycle_through(DraftId id) const;
  bool reaches(DraftId from, DraftId to) const;
  bool surely_leads(DraftId from, DraftId to) const;
  bool has_path_around(DraftId from, DraftId to) const;
  DraftId first_of_path(DraftId from, DraftId to) const;
  void find_subtrees();
  void find_order();
  void place_together(DraftId into, DraftId other);

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
  static constexpr size_t kNone = SIZE_MAX;
  std::vector<Update> updates_;
  IdVector<NodeId, size_t> update_of_;  // the one in place that a node is the value of, or kNone
  std::set<std::tuple<DraftId, DraftId, Refusal>> refused_;  // what the remarks have said
  IdVector<NodeId, Subtree> subtrees_;
  DraftOrder order_;                          // of those that live; each dependence goes forward
  mutable IdVector<DraftId, int64_t> marks_;  // the last search that visited a draft
  mutable int64_t search_ = 0;
  /// What one end of a search has visited, and how many of these have shown what lies beyond them.
  struct Front {
    std::vector<DraftId> found;
    size_t next = 0, steps = 0;
    bool done() const { return next == found.size(); }
  };
  mutable Front ahead_, back_;
  mutable int64_t looks_ = 0;
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
