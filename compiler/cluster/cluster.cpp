// Views: which buffer a layout node reads, and by which strides.
#include "cluster/cluster.h"

#include <algorithm>

#include "cluster/viewed.h"

namespace gradus {

namespace {

View dense_view(const Graph& graph, NodeId id) {
  const Shape& shape = graph.type(id).shape;
  return {id, shape, memory_strides(shape), 0};
}

View transpose_view(View view, const std::vector<int64_t>& perm) {
  View out = view;
  for (size_t i = 0; i < perm.size(); ++i) {
    out.extents[i] = view.extents[static_cast<size_t>(perm[i])];
    out.strides[i] = view.strides[static_cast<size_t>(perm[i])];
  }
  return out;
}

View slice_view(View view, const Node& node) {
  const std::vector<int64_t>&start = node.attrs.integers(AttrName::Start),
        &step = node.attrs.integers(AttrName::Step);
  for (size_t i = 0; i < start.size(); ++i) {
    view.offset += start[i] * view.strides[i];
    view.strides[i] *= step[i];
  }
  view.extents = node.type.shape;
  return view;
}

/// Dimensions of the view without ones, neighbours merged where one stride says both.
struct Run {
  Dim extent;
  int64_t stride;
};
std::vector<Run> merged_runs(const View& view) {
  std::vector<Run> runs;
  for (size_t i = 0; i < view.extents.size(); ++i) {
    if (view.extents[i].is_one()) continue;
    Run run{view.extents[i], view.strides[i]};
    if (!runs.empty() && !run.extent.batch && runs.back().stride == run.stride * run.extent.value) {
      runs.back() = {{runs.back().extent.value * run.extent.value, runs.back().extent.batch},
                     run.stride};
    } else {
      runs.push_back(run);
    }
  }
  return runs;
}

/// Takes `dim` from the inner end of `run`; false where it does not divide.
bool split_inner(Run& run, const Dim& dim, int64_t& stride) {
  if (dim.batch && !run.extent.batch) return false;
  if (run.extent.value % dim.value != 0) return false;
  // A batch dimension can only be what remains outermost of its run.
  if (dim.batch && run.extent.value != dim.value) return false;
  stride = run.stride;
  run.extent = {run.extent.value / dim.value, run.extent.batch && !dim.batch};
  run.stride *= dim.value;
  return true;
}

// Kinds are named here because each layout operator moves the strides in its own way.
bool moves_strides(const Node& node) {
  const OpDef& def = op_def(node.op);
  return def.cls == OpClass::Layout && !def.guarded;
}

/// What `node` makes of its operand's view; nothing where strides cannot say it.
std::optional<View> view_through(const View& view, const Node& node) {
  if (node.op == OpKind::Transpose) {
    return transpose_view(view, node.attrs.integers(AttrName::Perm));
  }
  if (node.op == OpKind::Broadcast) return broadcast_view(view, node.type.shape);
  if (node.op == OpKind::Slice) return slice_view(view, node);
  return reshape_view(view, node.type.shape);
}

}  // namespace

std::string_view cluster_class_name(ClusterClass cls) {
  switch (cls) {
    case ClusterClass::Pointwise:
      return "pointwise";
    case ClusterClass::Rows:
      return "rows";
    case ClusterClass::Contract:
      return "contract";
    case ClusterClass::Strip:
      return "strip";
    case ClusterClass::Scatter:
      return "scatter";
    case ClusterClass::Scalar:
      return "scalar";
  }
  return "";
}

std::optional<View> reshape_view(const View& view, const Shape& shape) {
  View out{view.source, shape, std::vector<int64_t>(shape.size(), 0), view.offset};
  std::vector<Run> runs = merged_runs(view);
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i].is_one()) continue;
    while (!runs.empty() && runs.back().extent.is_one()) runs.pop_back();
    if (runs.empty() || !split_inner(runs.back(), shape[i], out.strides[i])) return std::nullopt;
  }
  while (!runs.empty() && runs.back().extent.is_one()) runs.pop_back();
  if (!runs.empty()) return std::nullopt;
  return out;
}

View broadcast_view(const View& view, const Shape& shape) {
  View out{view.source, shape, std::vector<int64_t>(shape.size(), 0), view.offset};
  size_t lead = shape.size() - view.extents.size();
  for (size_t i = 0; i < view.extents.size(); ++i) {
    bool repeated = view.extents[i].is_one() && !shape[lead + i].is_one();
    out.strides[lead + i] = repeated ? 0 : view.strides[i];
  }
  return out;
}

View resolve_view(const Graph& graph, NodeId id) {
  if (!moves_strides(graph[id])) return dense_view(graph, id);
  // Down to what is no layout operator, then up again: chains may be longer than the stack is deep.
  std::vector<NodeId> chain{id};
  while (moves_strides(graph[chain.back()])) chain.push_back(graph[chain.back()].operands[0]);
  View view = dense_view(graph, chain.back());
  for (size_t i = chain.size() - 1; i-- > 0;) {
    std::optional<View> next = view_through(view, graph[chain[i]]);
    view = next ? *std::move(next) : dense_view(graph, chain[i]);
  }
  return view;
}

IdVector<NodeId, NodeId> find_viewed(const Graph& graph) {
  IdVector<NodeId, NodeId> viewed(graph.size());
  IdVector<NodeId, size_t> place(graph.size());
  std::vector<View> views;  // of the nodes that move strides
  for (size_t i = 0; i < graph.size(); ++i) {
    const NodeId id(i);
    viewed[id] = id;
    const Node& node = graph[id];
    if (!moves_strides(node)) continue;
    const NodeId operand = node.operands[0];
    std::optional<View> view = moves_strides(graph[operand])
                                   ? view_through(views[place[operand]], node)
                                   : view_through(dense_view(graph, operand), node);
    place[id] = views.size();
    views.push_back(view ? *std::move(view) : dense_view(graph, id));
    viewed[id] = views.back().source;
  }
  return viewed;
}

}  // namespace gradus
