// One pass in topological order finds for each node the first that is equal; where there are such,
// another takes the later ones out.
#include "opt/cse.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "graph/rewrite.h"
#include "support/append_number.h"

namespace gradus::opt {

namespace {

/// For each node the first that is equal to it: itself, or one before.
using Firsts = IdVector<NodeId, NodeId>;

/// Bytes that are equal exactly for equal nodes, whose operands have their firsts already.
class Key {
 public:
  void write(const Node& node, const Firsts& firsts) {
    bytes.clear();
    number(static_cast<int64_t>(node.op));
    type(node.type);
    operands(node, firsts);
    for (const AttrSpec& spec : op_def(node.op).attrs) attr(node, spec);
  }

  std::string bytes;

 private:
  template <typename T>
  void raw(const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void number(int64_t value) { append_number(bytes, value); }
  void add(int64_t value) { raw(value); }
  void add(double value) { raw(value); }
  void add(bool value) { number(value); }
  void add(const std::string& value) {
    number(static_cast<int64_t>(value.size()));
    bytes += value;
  }
  template <typename T>
  void add(const std::vector<T>& values) {
    number(static_cast<int64_t>(values.size()));
    for (const T& value : values) raw(value);
  }
  void type(const TensorType& type) {
    number(static_cast<int64_t>(type.dtype));
    number(static_cast<int64_t>(type.shape.size()));
    for (const Dim& dim : type.shape) {
      number(dim.value);
      number(dim.batch);
    }
  }
  /// Absent attributes have their default.
  void attr(const Node& node, const AttrSpec& spec) {
    const AttrValue* value = node.attrs.find(spec.name);
    if (!value && spec.default_value) value = &*spec.default_value;
    number(value ? static_cast<int64_t>(value->index()) : -1);
    if (value) std::visit([this](const auto& each) { add(each); }, *value);
  }
  void operands(const Node& node, const Firsts& firsts) {
    const size_t count = node.operands.size();
    number(static_cast<int64_t>(count));
    const bool swap = op_def(node.op).commutative && count == 2 &&
                      firsts[node.operands[1]] < firsts[node.operands[0]];
    for (size_t i = 0; i < count; ++i) {
      number(static_cast<int64_t>(firsts[node.operands[swap ? count - 1 - i : i]].index()));
    }
  }
};

class FirstFinder {
 public:
  explicit FirstFinder(const Graph& graph) : graph_(graph), firsts_(graph.size()) {
    of_hash_.reserve(graph.size());
  }

  Firsts run() {
    for (size_t i = 0; i < graph_.size(); ++i) firsts_[NodeId(i)] = first_like(NodeId(i));
    return std::move(firsts_);
  }

 private:
  /// Keys are not kept: few nodes have equals, and theirs are written again.
  NodeId first_like(NodeId id) {
    key_.write(graph_[id], firsts_);
    const size_t hash = std::hash<std::string_view>()(key_.bytes);
    const auto [begin, end] = of_hash_.equal_range(hash);
    for (auto at = begin; at != end; ++at) {
      other_.write(graph_[at->second], firsts_);
      if (other_.bytes == key_.bytes) return at->second;
    }
    of_hash_.emplace(hash, id);
    return id;
  }

  const Graph& graph_;
  Firsts firsts_;
  std::unordered_multimap<size_t, NodeId> of_hash_;
  Key key_, other_;
};

}  // namespace

bool cse(Graph& graph) {
  const Firsts firsts = FirstFinder(graph).run();
  bool changed = false;
  for (size_t i = 0; i < firsts.size() && !changed; ++i) changed = firsts[NodeId(i)] != NodeId(i);
  if (!changed) return false;
  Rewriter rewrite(std::move(graph));
  for (NodeId id : rewrite.order()) {
    if (firsts[id] == id) {
      rewrite.keep(id);
    } else {
      rewrite.replace(id, rewrite[firsts[id]]);
    }
  }
  graph = rewrite.finish();
  return true;
}

}  // namespace gradus::opt
