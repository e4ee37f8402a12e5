// One look at every access of the strip; whatever does not fit means no bands at all.
//
// Under a causal mask the square matrices of attention are lower triangles. Rows go in bands as
// high as the register tile, and each band stops at the diagonal element of its last row:
//
//           j ->
//     i     ##........   band 0      # computed: all columns up to the band's end
//     |     ##........               . neither computed, stored nor read
//     v     ####......   band 1
//           ####......
//           ######....   band 2
//
// Invariant: an element that is not computed is read by nobody. So bands are all or nothing: one
// reader that goes over whole rows (a sum of columns, an output, a transposed view) reads what was
// never written, and then no part is cut.
//
// Who may read a matrix of the strip:
//   rows of softmax      a fold whose identity stands above the diagonal, over the band's columns
//   weights @ values     k ends at the diagonal     (terms beyond are 0 * v)
//   weights' @ dout      k starts at the diagonal   (terms before are 0 * dout)
#include "kernel/schedule/strip_bands.h"

#include "cluster/cluster_space.h"
#include "graph/op.h"
#include "graph/sum_order.h"
#include "kernel/schedule/contract_shape.h"
#include "kernel/schedule/triangle.h"

namespace gradus::kernel {

namespace {

bool contains(const std::vector<NodeId>& nodes, NodeId id) {
  return std::ranges::find(nodes, id) != nodes.end();
}

class BandFinder {
 public:
  BandFinder(const Graph& graph, const Cluster& strip) : graph_(graph), strip_(strip) {}

  std::optional<Bands> find() {
    for (const Cluster& part : strip_.parts) {
      if (part.cls == ClusterClass::Rows && !rows_fit(part)) return std::nullopt;
    }
    for (const Cluster& part : strip_.parts) {
      if (part.cls == ClusterClass::Contract && !product_fits(part)) return std::nullopt;
      if (part.cls != ClusterClass::Contract && part.cls != ClusterClass::Rows) return std::nullopt;
    }
    return bands_.columns > 0 ? std::optional(bands_) : std::nullopt;
  }

 private:
  const Graph& graph_;
  const Cluster& strip_;
  Bands bands_;

  const Shape& shape(NodeId id) const { return graph_.type(id).shape; }
  bool is_matrix(NodeId id) const {
    const Shape& own = shape(id);
    if (own.size() != strip_.items.size() + 2) return false;
    return own.back() == Dim::fixed(bands_.columns) && own[own.size() - 2] == own.back();
  }
  bool is_intermediate(NodeId id) const {
    return (contains(strip_.members, id) || contains(strip_.repeats, id)) &&
           !contains(strip_.yields, id);
  }

  /// Folds take no part of what is above. What is handed on stays in the strip: rows do not read it
  /// there, and products that do find 0.
  bool rows_fit(const Cluster& part) {
    const Shape& folded = shape(graph_[part.anchor].operands[0]);
    if (bands_.columns == 0) bands_.columns = folded.back().value;
    for (NodeId member : part.members) {
      const Node& node = graph_[member];
      const bool fold = op_def(node.op).cls == OpClass::Reduce;
      if (!reads_fit(member)) return false;
      if (fold && !fold_fits(node)) return false;
      const bool handed_on = !fold && is_matrix(member) && contains(part.yields, member);
      if (handed_on && !is_intermediate(member)) return false;
    }
    return part.moves.empty();
  }
  bool fold_fits(const Node& fold) const {
    if (!is_matrix(fold.operands[0])) return false;
    const Above above = above_diagonal(graph_, fold.operands[0]);
    return (fold.op == OpKind::Max && above == Above::MinusInfinity) ||
           (fold.op == OpKind::Sum && above == Above::Zero);
  }
  /// Matrices of the strip are read as they lie, not transposed.
  bool reads_fit(NodeId member) const {
    for (size_t k = 0; k < graph_[member].operands.size(); ++k) {
      const View view = operand_view(graph_, member, k);
      if (!is_intermediate(view.source) || !is_matrix(view.source)) continue;
      if (operand_role(graph_[member], k) == OperandRole::Indexed) return false;
      if (view.strides != memory_strides(shape(view.source)) || view.offset != 0) return false;
    }
    return true;
  }

  /// The product's own result may be trimmed, its left operand may be a triangle, or both. On the
  /// right a triangle is refused: its k would end at the column, which differs within a tile.
  bool product_fits(const Cluster& part) {
    const ContractShape product = contract_shape(graph_, part, false);
    const bool cut = is_matrix(part.anchor) && read_by_rows_alone(part);
    if (cut) {
      bands_.trims_columns.push_back(part.anchor);
    } else if (reads_matrix_beside(part)) {
      return false;
    }
    const View &left = product.left.view, &right = product.right.view;
    if (is_intermediate(right.source) && is_matrix(right.source)) return false;
    if (!is_intermediate(left.source) || !is_matrix(left.source)) return true;
    if (above_diagonal(graph_, left.source) != Above::Zero || left.offset != 0) return false;
    if (product.inner.value > kProductChunk) return false;
    const Dim all = Dim::fixed(bands_.columns);
    if (product.rows != all || product.inner != all) return false;
    const std::vector<int64_t> dense = memory_strides(shape(left.source));
    const int64_t row = dense[dense.size() - 2], column = dense.back();
    const bool plain = product.left.outer_stride() == row && product.left.inner_stride() == column;
    const bool transposed =
        product.left.outer_stride() == column && product.left.inner_stride() == row;
    if (plain) bands_.k_ends_at_diagonal.push_back(part.anchor);
    if (transposed) bands_.k_starts_at_diagonal.push_back(part.anchor);
    return plain || transposed;
  }
  /// Everything of the part that is stored is a matrix of the strip that only rows parts read.
  bool read_by_rows_alone(const Cluster& part) const {
    if (!part.moves.empty()) return false;
    for (const Cluster& reader : strip_.parts) {
      if (reader.cls != ClusterClass::Contract) continue;
      const ContractShape product = contract_shape(graph_, reader, false);
      if (contains(part.yields, product.left.view.source)) return false;
      if (contains(part.yields, product.right.view.source)) return false;
      if (&reader != &part && reads_any(reader, part.yields)) return false;
    }
    return std::ranges::all_of(part.yields,
                               [&](NodeId id) { return is_intermediate(id) && is_matrix(id); });
  }
  bool reads_any(const Cluster& reader, const std::vector<NodeId>& values) const {
    return std::ranges::any_of(reader.members, [&](NodeId member) {
      return std::ranges::any_of(graph_[member].operands, [&](NodeId operand) {
        return contains(values, resolve_view(graph_, operand).source);
      });
    });
  }
  /// An epilogue that reads a matrix of the strip where the product is whole.
  bool reads_matrix_beside(const Cluster& part) const {
    return std::ranges::any_of(part.members, [&](NodeId member) {
      if (member == part.anchor) return false;
      return std::ranges::any_of(graph_[member].operands, [&](NodeId operand) {
        const NodeId source = resolve_view(graph_, operand).source;
        return is_intermediate(source) && is_matrix(source) && !contains(part.members, source);
      });
    });
  }
};

}  // namespace

std::optional<Bands> find_bands(const Graph& graph, const Cluster& strip) {
  return BandFinder(graph, strip).find();
}

}  // namespace gradus::kernel
