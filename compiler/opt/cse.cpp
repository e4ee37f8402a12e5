// One pass in topological order, with a table from a node's text of bytes to its first maker.
#include "opt/cse.h"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "graph/rewrite.h"

namespace gradus::opt {

namespace {

/// Bytes that are equal exactly for equal nodes.
class Key {
 public:
  explicit Key(const Node& node) {
    number(static_cast<int64_t>(node.op));
    type(node.type);
    operands(node);
    for (const AttrSpec& spec : op_def(node.op).attrs) attr(node, spec);
  }

  std::string bytes;

 private:
  template <typename T>
  void raw(const T& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  void number(int64_t value) { raw(value); }
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
    if (!value && spec.otherwise) value = &*spec.otherwise;
    number(value ? static_cast<int64_t>(value->index()) : -1);
    if (value) std::visit([this](const auto& each) { add(each); }, *value);
  }
  void operands(const Node& node) {
    std::vector<NodeId> ids = node.operands;
    if (op_def(node.op).commutative && ids.size() == 2) std::ranges::sort(ids);
    number(static_cast<int64_t>(ids.size()));
    for (NodeId id : ids) number(static_cast<int64_t>(id.index()));
  }
};

}  // namespace

bool cse(Graph& graph) {
  Rewriter rewrite(graph);
  std::unordered_map<std::string, NodeId> first;
  bool changed = false;
  for (NodeId id : rewrite.order()) {
    Key key(rewrite.translated(id));
    auto found = first.find(key.bytes);
    if (found != first.end()) {
      rewrite.replace(id, found->second);
      changed = true;
    } else {
      first.emplace(std::move(key.bytes), rewrite.keep(id));
    }
  }
  if (changed) graph = rewrite.finish();
  return changed;
}

}  // namespace gradus::opt
