// Each cluster that stores rows looks for chunked sums of what it stores or reads.
#include "fuse/fuse_column_sums.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "cluster/cluster_space.h"
#include "fuse/strip_set.h"
#include "graph/op.h"

namespace gradus::fuse {

namespace {

/// A matrix that stays in the first cache until its own kernel sums it.
constexpr int64_t kNearAnyway = 16 << 10;

class ColumnSums {
 public:
  ColumnSums(const Sources& sources, int64_t capacity, Clustering& clustering, Remarks* remarks)
      : graph_(sources.graph()),
        capacity_(capacity),
        clustering_(clustering),
        remarks_(remarks),
        strips_(sources, clustering) {
    for (size_t i = 0; i < strips_.clusters(); ++i) {
      if (!is_sum(at(i)) || !is_far(summed(at(i)))) continue;
      for (NodeId read : strips_.reads(i)) sums_of_[read].push_back(i);
    }
  }

  void run() {
    for (size_t i = 0; i < strips_.clusters(); ++i) take_sums(i);
    strips_.replace(clustering_);
  }

 private:
  const Graph& graph_;
  int64_t capacity_;
  Clustering& clustering_;
  Remarks* remarks_;
  StripSet strips_;
  std::unordered_map<NodeId, std::vector<size_t>> sums_of_;  // of far matrices that read a value

  const Cluster& at(size_t cluster) const { return clustering_.clusters[ClusterId(cluster)]; }
  bool is_free(size_t cluster) const { return strips_.strip_of(cluster) == StripSet::kNone; }
  bool is_sum(const Cluster& cluster) const {
    return cluster.cls == ClusterClass::Rows && graph_[cluster.anchor].op == OpKind::PartialSum &&
           cluster.updates.empty();
  }

  /// [rows, columns] of the matrix that the cluster sums.
  Shape summed(const Cluster& sum) const {
    const Shape& shape = graph_.type(graph_[sum.anchor].operands[0]).shape;
    return shape.size() == 2 ? shape : Shape{};
  }
  bool is_far(const Shape& matrix) const {
    return !matrix.empty() && !matrix[1].batch && !matrix[1].is_one() &&
           byte_size({DType::F32, matrix}, capacity_) >= kNearAnyway;
  }
  bool may_store_rows(const Cluster& cluster) const {
    if (!cluster.updates.empty()) return false;
    return cluster.cls == ClusterClass::Contract ||
           (cluster.cls == ClusterClass::Rows && folds_along_lanes(graph_, graph_[cluster.anchor]));
  }
  /// Products of this size, and rows with one loop over all of them.
  bool stores_rows(const Cluster& cluster, const Shape& matrix) const {
    if (cluster.cls == ClusterClass::Contract) {
      return graph_.type(cluster.anchor).shape == matrix &&
             graph_.type(cluster.anchor).dtype == DType::F32;
    }
    const std::optional<ClusterSpace> space = find_space(graph_, cluster);
    return space && space->extents == matrix && space->folded == std::vector<bool>{false, true};
  }
  /// Matrices are read as they lie, and are all at hand: stored by `rows`, or by rows also read.
  bool reads_what_is_near(const Cluster& sum, size_t by) const {
    const Cluster& rows = at(by);
    const std::vector<NodeId>& read = strips_.reads(by);
    for (NodeId member : sum.members) {
      for (size_t k = 0; k < graph_[member].operands.size(); ++k) {
        const View view = operand_view(graph_, member, k);
        const bool small = graph_.type(view.source).shape.size() < 2;
        if (contains(sum.members, view.source) || small) continue;
        const bool stored = contains(rows.members, view.source);
        const bool near = stored || (rows.cls == ClusterClass::Rows && contains(read, view.source));
        if (!near || operand_role(graph_[member], k) == OperandRole::Indexed) return false;
        const std::optional<View> matrix = reshape_view(view, summed(sum));
        if (!matrix || matrix->offset != 0) return false;
        if (matrix->strides != memory_strides(summed(sum))) return false;
      }
    }
    return true;
  }

  /// Sums of what a cluster stores or reads, in order.
  std::set<size_t> candidates(size_t rows) {
    std::set<size_t> found;
    const auto add = [&](NodeId value) {
      const auto sums = sums_of_.find(value);
      if (sums == sums_of_.end()) return;
      std::erase_if(sums->second, [&](size_t sum) { return !is_free(sum); });
      found.insert(sums->second.begin(), sums->second.end());
    };
    std::ranges::for_each(at(rows).yields, add);
    std::ranges::for_each(strips_.reads(rows), add);
    return found;
  }
  void take_sums(size_t rows) {
    if (!is_free(rows) || is_sum(at(rows)) || !may_store_rows(at(rows))) return;
    StripParts strip;
    strip.own = {rows};
    for (size_t sum : candidates(rows)) {
      if (!stores_rows(at(rows), summed(at(sum))) || !fits(strip, sum, rows)) continue;
      strip.own.insert(sum);
      if (strips_.leaves_and_returns(strip)) strip.own.erase(sum);
    }
    if (strip.own.size() < 2) return;
    if (remarks_) {
      remarks_->push_back(
          fmt::format("{} sums of columns with the rows of @{}", strip.own.size() - 1, rows));
    }
    strips_.add(std::move(strip));
  }
  /// Near, and in the same chunks as the others.
  bool fits(const StripParts& strip, size_t sum, size_t rows) const {
    const auto chunk = [&](size_t i) {
      return graph_[at(i).anchor].attrs.integer(AttrName::Chunk);
    };
    const bool alike = std::ranges::all_of(
        strip.own, [&](size_t other) { return other == rows || chunk(other) == chunk(sum); });
    return alike && reads_what_is_near(at(sum), rows);
  }
};

}  // namespace

void fuse_column_sums(const Sources& sources, int64_t capacity, Clustering& clustering,
                      Remarks* remarks) {
  ColumnSums(sources, capacity, clustering, remarks).run();
}

}  // namespace gradus::fuse
