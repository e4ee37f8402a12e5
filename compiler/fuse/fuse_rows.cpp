// Each fold seeds a cluster. First the cores: what follows a fold, and what serves it alone, which
// would only be stored as part of a product. The rest after the products have taken theirs. Folds
// along lanes take pointwise neighbours and other folds over the same rows, either way; chains take
// what follows their sums, and producers that nobody else reads.
#include "fuse/class_rules.h"
#include "fuse/legality.h"

namespace gradus::fuse {

namespace {

bool is_chain(const Drafts& drafts, DraftId id) {
  return gradus::is_chain(drafts.graph(), drafts[id]);
}

bool may_join(const Drafts& drafts, DraftId seed, DraftId candidate, bool consumes) {
  const Cluster& cluster = drafts[candidate];
  if (cluster.cls == ClusterClass::Rows)
    return is_chain(drafts, candidate) == is_chain(drafts, seed);
  if (cluster.cls != ClusterClass::Pointwise) return false;
  return consumes || !is_chain(drafts, seed) || drafts.only_read_by(candidate, seed);
}

bool take(Drafts& drafts, DraftId seed, const std::vector<DraftId>& candidates, bool consume) {
  bool changed = false;
  for (DraftId candidate : candidates) {
    if (drafts[candidate].members.empty() || !may_join(drafts, seed, candidate, consume)) continue;
    changed |= drafts.merge(seed, candidate);
  }
  return changed;
}

/// Chunked chains over the same rows that read one value go over it together.
bool take_twins(Drafts& drafts, DraftId seed) {
  bool changed = false;
  for (DraftId source : drafts.producers(seed)) {
    for (DraftId twin : drafts.consumers_near(source, drafts[seed].anchor)) {
      if (twin == seed || drafts[twin].cls != ClusterClass::Rows || !is_chain(drafts, twin))
        continue;
      changed |= drafts.merge(seed, twin);
    }
  }
  return changed;
}

template <typename Round>
void for_each_seed(Drafts& drafts, bool chains, Round round) {
  for (DraftId seed : drafts.live(ClusterClass::Rows)) {
    if (drafts[seed].members.empty() || is_chain(drafts, seed) != chains) continue;
    while (round(seed)) {
    }
  }
}

}  // namespace

void fuse_row_cores(Drafts& drafts) {
  for_each_seed(drafts, false, [&](DraftId seed) {
    bool changed = take(drafts, seed, drafts.consumers(seed), true);
    changed |= merge_single_use_producers(drafts, seed);
    return changed;
  });
  for_each_seed(drafts, true, [&](DraftId seed) { return merge_single_use_producers(drafts, seed); });
}

void fuse_rows(Drafts& drafts) {
  for (const bool chains : {false, true}) {
    for_each_seed(drafts, chains, [&](DraftId seed) {
      bool changed = take(drafts, seed, drafts.consumers(seed), true);
      changed |= take(drafts, seed, drafts.producers(seed), false);
      if (chains) changed |= take_twins(drafts, seed);
      return changed;
    });
  }
}

}  // namespace gradus::fuse
