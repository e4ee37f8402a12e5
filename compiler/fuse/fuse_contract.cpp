// Products take what follows them in their space, the optimizer's update included, and then what
// only serves those: pointwise producers that nobody else reads.
#include "fuse/legality.h"
#include "graph/op.h"

namespace gradus::fuse {

namespace {

/// Another product that comes later and feeds this draft directly: it will take the draft itself.
bool waits_for_later_product(const Drafts& drafts, DraftId candidate, NodeId product) {
  for (DraftId producer : drafts.producers(candidate)) {
    const Cluster& cluster = drafts[producer];
    if (cluster.cls == ClusterClass::Contract && cluster.anchor > product) return true;
  }
  return false;
}

bool take_consumers(Drafts& drafts, DraftId product) {
  bool changed = false;
  for (DraftId candidate : drafts.consumers(product)) {
    if (drafts[candidate].cls != ClusterClass::Pointwise) continue;
    const NodeId anchor = drafts[product].anchor;
    if (waits_for_later_product(drafts, candidate, anchor)) continue;
    changed |= drafts.merge(product, candidate);
  }
  return changed;
}

}  // namespace

void fuse_contract(Drafts& drafts) {
  for (DraftId product : drafts.live(ClusterClass::Contract)) {
    bool changed = true;
    while (changed) {
      changed = take_consumers(drafts, product);
      changed |= merge_single_use_producers(drafts, product);
    }
  }
}

}  // namespace gradus::fuse
