// Which indices can leave their axis, and what is written in place of those.
#include "lang/guard_indices.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "graph/rewrite.h"

namespace gradus::lang {

namespace {

/// Whole numbers from low to high, both among them.
struct Range {
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
};

Range either(const Range& a, const Range& b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high)};
}

bool only_moves(const Node& node) {
  return node.op == OpKind::StopGradient ||
         (op_def(node.op).cls == OpClass::Layout && node.operands.size() == 1 &&
          node.op != OpKind::Pad);
}

Range range_of_constant(const Node& node) {
  if (node.attrs.find(AttrName::Values)) {
    const auto& values = node.attrs.get<std::vector<double>>(AttrName::Values);
    auto [low, high] = std::minmax_element(values.begin(), values.end());
    return {static_cast<int64_t>(*low), static_cast<int64_t>(*high)};
  }
  auto value = static_cast<int64_t>(node.attrs.get<double>(AttrName::Value));
  return {value, value};
}

/// What the elements of a whole number can be; deep expressions are not followed to their end.
Range range_of(const Graph& graph, NodeId id, int depth = 0) {
  constexpr int kDeep = 16;
  const Node& node = graph[id];
  if (!is_integer(node.type.dtype) || depth > kDeep) return {};
  const auto of = [&](size_t i) { return range_of(graph, node.operands[i], depth + 1); };
  if (only_moves(node)) return of(0);
  switch (node.op) {
    case OpKind::Constant: return range_of_constant(node);
    case OpKind::Iota: {
      auto axis = static_cast<size_t>(node.attrs.get<int64_t>(AttrName::Axis));
      return {0, node.type.shape[axis].value - 1};
    }
    case OpKind::Argmax: {
      const Shape& shape = graph.type(node.operands[0]).shape;
      auto axis = static_cast<size_t>(node.attrs.get<std::vector<int64_t>>(AttrName::Dims)[0]);
      if (shape[axis].batch) return {};
      return {0, shape[axis].value - 1};
    }
    case OpKind::Maximum: {
      Range a = of(0), b = of(1);
      return {std::max(a.low, b.low), std::max(a.high, b.high)};
    }
    case OpKind::Minimum: {
      Range a = of(0), b = of(1);
      return {std::min(a.low, b.low), std::min(a.high, b.high)};
    }
    case OpKind::Select: return either(of(1), of(2));
    default: return {};
  }
}

/// The input whose elements an index holds, and whether it holds all of them.
struct Source {
  NodeId input;
  bool whole = true;
};

Source source_of(const Graph& graph, NodeId id) {
  Source source;
  for (; only_moves(graph[id]); id = graph[id].operands[0])
    source.whole &= graph[id].op != OpKind::Slice;
  if (graph[id].op == OpKind::Input) source.input = id;
  return source;
}

int64_t axis_of(const Node& node) {
  return node.op == OpKind::TakeAlong ? node.attrs.get<int64_t>(AttrName::Axis) : 0;
}

int64_t limit_of(const Graph& graph, const Node& node) {
  return graph.type(node.operands[0]).shape[static_cast<size_t>(axis_of(node))].value;
}

bool takes(const Node& node) { return node.op == OpKind::Gather || node.op == OpKind::TakeAlong; }

/// How the graphs of a model use one input.
struct Use {
  std::set<int64_t> limits;    // sizes of the axes that it indexes
  bool as_number = false;      // some element is read for other things
};

class Guard {
 public:
  explicit Guard(std::span<Graph* const> graphs) {
    for (const Graph* graph : graphs) {
      for (const Node& node : graph->nodes) note_uses(*graph, node);
    }
  }

  bool needs(const Graph& graph, const Node& node) const {
    if (!takes(node)) return false;
    const Source source = source_of(graph, node.operands[1]);
    if (source.input.valid()) {
      const Use& use = uses_.at(leaf_name(graph[source.input]));
      return !source.whole && (use.limits.size() > 1 || use.as_number);
    }
    const Range range = range_of(graph, node.operands[1]);
    return range.low < 0 || range.high >= limit_of(graph, node);
  }

 private:
  void note_uses(const Graph& graph, const Node& node) {
    if (only_moves(node)) return;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const NodeId input = source_of(graph, node.operands[i]).input;
      if (!input.valid()) continue;
      Use& use = uses_[leaf_name(graph[input])];
      if (takes(node) && i == 1) use.limits.insert(limit_of(graph, node));
      else use.as_number = true;
    }
  }

  std::map<std::string, Use> uses_;
};

void write_guarded(Rewriter& rewrite, NodeId id) {
  const int64_t limit = limit_of(rewrite.source(), rewrite.source()[id]);
  GraphBuilder& builder = rewrite.builder_at(id);
  Node node = rewrite.translated(id);
  const NodeId index = node.operands[1];
  const NodeId inside =
      builder.make(OpKind::Minimum, {builder.make(OpKind::Maximum, {index, builder.zero_like(index)}),
                                     builder.constant_like(index, static_cast<double>(limit - 1))});
  node.operands[1] = inside;
  const bool per_row = node.op == OpKind::Gather;
  const NodeId taken = rewrite.keep(id, std::move(node));
  if (!is_float(builder.type(taken).dtype)) return;
  Shape shape = builder.type(index).shape;
  if (per_row) shape.resize(builder.type(taken).rank(), Dim::fixed(1));
  const NodeId right = builder.reshape(builder.equal(index, inside), shape);
  const NodeId nan = builder.constant_like(taken, std::numeric_limits<double>::quiet_NaN());
  rewrite.replace(id, builder.select(right, taken, nan));
}

Graph guarded(const Graph& graph, const Guard& guard) {
  Rewriter rewrite(graph);
  for (NodeId id : rewrite.order()) {
    if (guard.needs(graph, graph[id])) {
      write_guarded(rewrite, id);
    } else {
      rewrite.keep(id);
    }
  }
  return rewrite.finish();
}

}  // namespace

void guard_indices(std::span<Graph* const> graphs) {
  const Guard guard(graphs);
  for (Graph* graph : graphs) {
    const bool any = std::any_of(graph->nodes.begin(), graph->nodes.end(),
                                 [&](const Node& node) { return guard.needs(*graph, node); });
    if (any) *graph = guarded(*graph, guard);
  }
}

}  // namespace gradus::lang
