// The way of a value through layout nodes, forwards: each dimension of a node on the way is a list
// of factors of the value's own dimensions; in the last node every factor has a stride.
#include <algorithm>
#include <utility>

#include "cluster/cluster.h"

namespace gradus {

namespace {

/// A run of indices of dimension `dim` of the value: index = sum over its factors of step * place.
struct Factor {
  size_t dim;
  Dim extent;
  int64_t step;
};
using Factors = std::vector<Factor>;  // outermost first

/// From the moved node down to the value; empty where it is not reached through layout nodes.
std::vector<NodeId> way_to(const Graph& graph, NodeId value, NodeId moved) {
  if (moved == value) return {value};
  const Node& node = graph[moved];
  if (node.op != OpKind::Reshape && node.op != OpKind::Transpose && node.op != OpKind::Concat) {
    return {};
  }
  for (NodeId operand : node.operands) {
    std::vector<NodeId> way = way_to(graph, value, operand);
    if (way.empty()) continue;
    way.push_back(moved);
    return way;
  }
  return {};
}

/// Takes `wanted` from the inner end of the factors.
std::optional<Factors> take_inner(Factors& from, Dim wanted) {
  Factors taken;
  while (!wanted.is_one()) {
    if (from.empty()) return std::nullopt;
    Factor& inner = from.back();
    if (inner.extent == wanted || (!inner.extent.batch && wanted.value % inner.extent.value == 0)) {
      wanted =
          inner.extent == wanted ? Dim{} : Dim{wanted.value / inner.extent.value, wanted.batch};
      taken.insert(taken.begin(), inner);
      from.pop_back();
      continue;
    }
    if (wanted.batch || inner.extent.value % wanted.value != 0) return std::nullopt;
    taken.insert(taken.begin(), {inner.dim, wanted, inner.step});
    inner.extent.value /= wanted.value;
    inner.step *= wanted.value;
    wanted = Dim{};
  }
  return taken;
}

std::optional<std::vector<Factors>> reshaped(const std::vector<Factors>& dims, const Shape& shape) {
  Factors line;
  for (const Factors& dim : dims) line.insert(line.end(), dim.begin(), dim.end());
  std::vector<Factors> result(shape.size());
  for (size_t d = shape.size(); d-- > 0;) {
    std::optional<Factors> taken = take_inner(line, shape[d]);
    if (!taken) return std::nullopt;
    result[d] = std::move(*taken);
  }
  return line.empty() ? std::optional(result) : std::nullopt;
}

std::vector<Factors> transposed(const std::vector<Factors>& dims,
                                const std::vector<int64_t>& perm) {
  std::vector<Factors> result;
  for (int64_t from : perm) result.push_back(dims[static_cast<size_t>(from)]);
  return result;
}

/// Strides of the value's dimensions in a dense buffer of `shape`.
std::optional<View> strides_in(const std::vector<Factors>& dims, const Shape& shape, View view) {
  const std::vector<int64_t> dense = memory_strides(shape);
  std::vector<bool> known(view.extents.size(), false);
  for (size_t d = 0; d < dims.size(); ++d) {
    int64_t stride = dense[d];
    for (size_t f = dims[d].size(); f-- > 0;) {
      const Factor& factor = dims[d][f];
      if (stride % factor.step != 0) return std::nullopt;
      int64_t& own = view.strides[factor.dim];
      if (known[factor.dim] && own != stride / factor.step) return std::nullopt;
      own = stride / factor.step;
      known[factor.dim] = true;
      stride *= factor.extent.value;
    }
  }
  return view;
}

/// Elements of a concatenation before operand `part`.
int64_t elements_before(const Graph& graph, const Node& concat, NodeId part) {
  const auto axis = static_cast<size_t>(concat.attrs.integer(AttrName::Axis));
  int64_t rows = 0;
  for (NodeId operand : concat.operands) {
    if (operand == part) break;
    rows += graph.type(operand).shape[axis].value;
  }
  return rows * memory_strides(concat.type.shape)[axis];
}

}  // namespace

std::optional<View> stored_view(const Graph& graph, NodeId value, NodeId moved) {
  const std::vector<NodeId> way = way_to(graph, value, moved);
  if (way.size() < 2) return std::nullopt;
  const Shape& shape = graph.type(value).shape;
  std::vector<Factors> dims(shape.size());
  for (size_t d = 0; d < shape.size(); ++d) {
    if (!shape[d].is_one()) dims[d] = {{d, shape[d], 1}};
  }
  View view{moved, shape, std::vector<int64_t>(shape.size(), 0), 0};
  for (size_t i = 1; i < way.size(); ++i) {
    const Node& node = graph[way[i]];
    if (node.op == OpKind::Transpose) {
      dims = transposed(dims, node.attrs.integers(AttrName::Perm));
    } else if (node.op == OpKind::Reshape) {
      std::optional<std::vector<Factors>> next = reshaped(dims, node.type.shape);
      if (!next) return std::nullopt;
      dims = std::move(*next);
    } else {
      // Only the last node has a buffer; the parts of a concatenation are longer rows of it.
      if (i + 1 != way.size()) return std::nullopt;
      view.offset = elements_before(graph, node, way[i - 1]);
    }
  }
  return strides_in(dims, graph.type(moved).shape, std::move(view));
}

}  // namespace gradus
