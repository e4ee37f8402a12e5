// Lists are written with their length before them, so that no two clusters run together.
//
// Builders look at members, at layout nodes through which these read, and at the type of what lies
// behind. Only causal masks are traced further, by find_bands: there its answer is written.
//
// Invariant: whatever a schedule or a builder asks of the graph is in the key. A builder that asks
// something new must add it here, else two different kernels share a key and one is lost. Nodes are
// numbered in the order of first mention (as in a canonical form of a graph), so the blocks of a
// deep model, equal but for their nodes, write equal keys.
#include "kernel/build/cluster_form.h"

#include <bit>

#include "graph/op.h"
#include "kernel/build/kernel_builder.h"
#include "kernel/schedule/strip_bands.h"
#include "support/append_number.h"
#include "support/check.h"

namespace gradus::kernel {

namespace {

/// The name of a leaf, and what a dense constant holds, which lies in its buffer: no kernel
/// depends on them.
bool is_left_out(AttrName name) { return name == AttrName::Name || name == AttrName::Values; }

bool is_variable(const Node& node) { return node.op == OpKind::Param || node.op == OpKind::State; }

}  // namespace

FormFinder::FormFinder(const Graph& graph, const Clustering& clustering)
    : graph_(graph), clustering_(clustering), numbers_(graph.size(), -1) {
  for (size_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph[NodeId(i)];
    if (is_variable(node)) leaves_.emplace(leaf_name(node), NodeId(i));
  }
}

ClusterForm FormFinder::find(const Cluster& cluster) {
  form_ = {};
  form_.key.reserve(1024);
  mention(cluster.members);
  mention(cluster.repeats);
  for (const Cluster& part : cluster.parts) mention(part.members);
  const size_t own = form_.nodes.size();
  describe(cluster);
  // The list grows while nodes mention their operands.
  for (size_t i = 0; i < form_.nodes.size(); ++i) describe_node(form_.nodes[i], i < own);
  for (NodeId id : form_.nodes) numbers_[id] = -1;
  return std::move(form_);
}

void FormFinder::write(int64_t number) { append_number(form_.key, number); }

void FormFinder::write(const Shape& shape) {
  write(static_cast<int64_t>(shape.size()));
  for (const Dim& dim : shape) write(dim.value * 2 + (dim.batch ? 1 : 0));
}

void FormFinder::write(const Attrs& attrs) {
  write(static_cast<int64_t>(attrs.items().size()));
  for (const auto& [name, value] : attrs.items()) {
    write(static_cast<int64_t>(name));
    write(static_cast<int64_t>(value.index()));
    if (is_left_out(name)) continue;
    if (const auto* number = std::get_if<int64_t>(&value)) write(*number);
    if (const auto* number = std::get_if<double>(&value)) write(std::bit_cast<int64_t>(*number));
    if (const auto* flag = std::get_if<bool>(&value)) write(int64_t{*flag});
    if (const auto* text = std::get_if<std::string>(&value)) {
      write(static_cast<int64_t>(text->size()));
      form_.key += *text;
    }
    if (const auto* list = std::get_if<std::vector<int64_t>>(&value)) {
      write(static_cast<int64_t>(list->size()));
      for (int64_t number : *list) write(number);
    }
    GRADUS_CHECK(!std::holds_alternative<std::vector<double>>(value), "a list of doubles is data");
  }
}

void FormFinder::mention(NodeId id) {
  int64_t& number = numbers_[id];
  if (number < 0) {
    number = static_cast<int64_t>(form_.nodes.size());
    form_.nodes.push_back(id);
  }
  write(number);
}

void FormFinder::mention(const std::vector<NodeId>& ids) {
  write(static_cast<int64_t>(ids.size()));
  for (NodeId id : ids) mention(id);
}

void FormFinder::mention(const std::vector<std::pair<NodeId, NodeId>>& pairs) {
  write(static_cast<int64_t>(pairs.size()));
  for (const auto& [first, second] : pairs) {
    mention(first);
    mention(second);
  }
}

void FormFinder::describe(const Cluster& cluster) {
  write(static_cast<int64_t>(cluster.cls));
  write(int64_t{cluster.again});
  mention(cluster.anchor);
  mention(cluster.members);
  mention(cluster.yields);
  mention(cluster.updates);
  mention(cluster.moves);
  write(cluster.items);
  describe_copy(cluster);
  write(static_cast<int64_t>(cluster.parts.size()));
  for (const Cluster& part : cluster.parts) describe(part);
  if (!cluster.items.empty() && !cluster.parts.empty()) describe_bands(cluster);
}

void FormFinder::describe_bands(const Cluster& strip) {
  const std::optional<Bands> bands = find_bands(graph_, strip);
  write(int64_t{bands.has_value()});
  if (!bands) return;
  write(bands->columns);
  mention(bands->trims_columns);
  mention(bands->k_ends_at_diagonal);
  mention(bands->k_starts_at_diagonal);
}

/// Whether a buffer of its own is filled, or a variable's, and whose.
void FormFinder::describe_copy(const Cluster& copy) {
  write(int64_t{copy.copy_result >= 0});
  if (copy.copy_result < 0) return;
  const Result& result = graph_.results[static_cast<size_t>(copy.copy_result)];
  write(int64_t{result.kind == ResultKind::Update});
  mention(result.kind == ResultKind::Update ? leaves_.at(result.name) : result.value);
}

void FormFinder::describe_node(NodeId id, bool own) {
  const Node& node = graph_[id];
  write(static_cast<int64_t>(node.op));
  write(static_cast<int64_t>(node.type.dtype));
  write(node.type.shape);
  write(node.attrs);
  mention(stored_in(clustering_, id));
  const bool opaque = !own && op_def(node.op).cls != OpClass::Layout;
  write(int64_t{opaque});
  if (!opaque) mention(node.operands);
}

}  // namespace gradus::kernel
