// Which indices can leave their axis, and what is written in place of those.
#include "lang/guard_indices.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>

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

/// Which operand is the index, of the rows that the language makes: the transposes of these come with
/// differentiation and read what is guarded.
std::optional<size_t> index_operand(const Node& node) {
  if (node.op == OpKind::Gather || node.op == OpKind::TakeAlong) return 1;
  return node.op == OpKind::PutAlong ? std::optional<size_t>(0) : std::nullopt;
}

NodeId index_of(const Node& node) { return node.operands[*index_operand(node)]; }

int64_t limit_of(const Graph& graph, const Node& node) {
  const auto axis = static_cast<size_t>(node.attrs.get_or<int64_t>(AttrName::Axis, 0));
  const Shape& shape = node.op == OpKind::PutAlong ? node.type.shape : graph.type(node.operands[0]).shape;
  return shape[axis].value;
}

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
    if (!index_operand(node)) return false;
    const Source source = source_of(graph, index_of(node));
    if (source.input.valid()) {
      const Use& use = uses_.at(leaf_name(graph[source.input]));
      return !source.whole && (use.limits.size() > 1 || use.as_number);
    }
    const Range range = range_of(graph, index_of(node));
    return range.low < 0 || range.high >= limit_of(graph, node);
  }

 private:
  void note_uses(const Graph& graph, const Node& node) {
    if (only_moves(node)) return;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      const NodeId input = source_of(graph, node.operands[i]).input;
      if (!input.valid()) continue;
      Use& use = uses_[leaf_name(graph[input])];
      if (index_operand(node) == i) use.limits.insert(limit_of(graph, node));
      else use.as_number = true;
    }
  }

  std::map<std::string, Use> uses_;
};

/// The user's text that a node comes from: calls of the library's functions are gone up.
Span user_span(const Graph& graph, const Node& node, const std::function<bool(Span)>& in_library) {
  Span span = node.span;
  for (int32_t scope = node.scope; in_library(span) && scope >= 0;) {
    span = graph.scopes[static_cast<size_t>(scope)].call;
    scope = graph.scopes[static_cast<size_t>(scope)].parent;
  }
  return span;
}

/// Numbers of what is guarded: one for each place in the text, in order of graphs and nodes.
class Sites {
 public:
  explicit Sites(const std::function<bool(Span)>& in_library) : in_library_(in_library) {}

  size_t number_of(const Graph& graph, const Node& node) {
    const Shape& shape = graph.type(index_of(node)).shape;
    const bool of_rows = std::ranges::any_of(shape, &Dim::batch);
    const ComputedIndex site{user_span(graph, node, in_library_), limit_of(graph, node), of_rows};
    const auto known = std::ranges::find(sites_, site);
    if (known == sites_.end()) sites_.push_back(site);
    return static_cast<size_t>(std::ranges::find(sites_, site) - sites_.begin());
  }
  std::vector<ComputedIndex> take() { return std::move(sites_); }

 private:
  const std::function<bool(Span)>& in_library_;
  std::vector<ComputedIndex> sites_;
};

/// Puts guards into one graph.
class Writer {
 public:
  Writer(const Graph& graph, const Guard& guard, Sites& sites)
      : rewrite_(graph), guard_(guard), sites_(sites) {}

  Graph run() {
    for (NodeId id : rewrite_.order()) {
      if (guard_.needs(rewrite_.source(), rewrite_.source()[id])) {
        write(id);
      } else {
        rewrite_.keep(id);
      }
    }
    Graph graph = rewrite_.finish();
    for (const auto& [number, row] : first_rows_) {
      graph.results.push_back({ResultKind::Check, std::to_string(number), row});
    }
    return graph;
  }

 private:
  Rewriter rewrite_;
  const Guard& guard_;
  Sites& sites_;
  std::map<size_t, NodeId> first_rows_;  // by the numbers of sites

  /// The first row whose index is not `inside`; elements are counted where there are no rows.
  NodeId first_row(GraphBuilder& builder, NodeId is_inside) {
    const Shape& shape = builder.type(is_inside).shape;
    const NodeId none = builder.constant({DType::I32, {}}, kNoRow);
    if (shape.empty()) return builder.select(is_inside, none, builder.constant({DType::I32, {}}, 0));
    const auto batch = std::ranges::find(shape, true, &Dim::batch);
    const size_t axis = batch == shape.end() ? 0 : static_cast<size_t>(batch - shape.begin());
    const int64_t per_row = batch == shape.end() ? 1 : batch->value;
    NodeId row = builder.iota({DType::I32, shape}, static_cast<int64_t>(axis));
    if (per_row > 1) {
      const NodeId count = builder.constant_like(row, static_cast<double>(per_row));
      row = builder.make(OpKind::IntDiv, {row, count});
    }
    std::vector<int64_t> all(shape.size());
    std::iota(all.begin(), all.end(), 0);
    return builder.reduce(OpKind::Min, builder.select(is_inside, none, row), all);
  }

  void note(GraphBuilder& builder, size_t number, NodeId row) {
    const auto [known, added] = first_rows_.try_emplace(number, row);
    if (!added) known->second = builder.make(OpKind::Minimum, {known->second, row});
  }

  void write(NodeId id) {
    const Node& source = rewrite_.source()[id];
    const int64_t limit = limit_of(rewrite_.source(), source);
    GraphBuilder& builder = rewrite_.builder_at(id);
    Node node = rewrite_.translated(id);
    const NodeId index = index_of(node);
    const NodeId not_below = builder.make(OpKind::Maximum, {index, builder.zero_like(index)});
    const NodeId last = builder.constant_like(index, static_cast<double>(limit - 1));
    const NodeId inside = builder.make(OpKind::Minimum, {not_below, last});
    const NodeId is_inside = builder.equal(index, inside);
    note(builder, sites_.number_of(rewrite_.source(), source), first_row(builder, is_inside));
    node.operands[*index_operand(node)] = inside;
    if (node.op == OpKind::PutAlong) {
      node.operands[1] =
          builder.select(is_inside, node.operands[1], builder.zero_like(node.operands[1]));
      rewrite_.keep(id, std::move(node));
      return;
    }
    const bool per_row = node.op == OpKind::Gather;
    const NodeId taken = rewrite_.keep(id, std::move(node));
    if (!is_float(builder.type(taken).dtype)) return;
    Shape shape = builder.type(index).shape;
    if (per_row) shape.resize(builder.type(taken).rank(), Dim::fixed(1));
    const NodeId nan = builder.constant_like(taken, std::numeric_limits<double>::quiet_NaN());
    rewrite_.replace(id, builder.select(builder.reshape(is_inside, shape), taken, nan));
  }
};

/// What is known when compiling is refused then.
void refuse_constants(const Graph& graph, const std::function<bool(Span)>& in_library,
                      DiagEngine& diags) {
  for (const Node& node : graph.nodes) {
    if (!index_operand(node)) continue;
    NodeId index = index_of(node);
    while (only_moves(graph[index]) && graph[index].op != OpKind::Slice) index = graph[index].operands[0];
    if (graph[index].op != OpKind::Constant) continue;
    const Range range = range_of_constant(graph[index]);
    const int64_t limit = limit_of(graph, node);
    if (range.low >= 0 && range.high < limit) continue;
    diags.error(Diag::BadIndex, user_span(graph, node, in_library),
                fmt::format("index {} of an axis of {}, expected 0 to {}",
                            range.low < 0 ? range.low : range.high, limit, limit - 1));
    return;
  }
}

}  // namespace

std::vector<ComputedIndex> guard_indices(std::span<Graph* const> graphs,
                                         const std::function<bool(Span)>& in_library,
                                         DiagEngine& diags) {
  const Guard guard(graphs);
  Sites sites(in_library);
  for (Graph* graph : graphs) {
    if (!diags.has_errors()) refuse_constants(*graph, in_library, diags);
    const bool any = std::any_of(graph->nodes.begin(), graph->nodes.end(),
                                 [&](const Node& node) { return guard.needs(*graph, node); });
    if (any) *graph = Writer(*graph, guard, sites).run();
  }
  return sites.take();
}

}  // namespace gradus::lang
