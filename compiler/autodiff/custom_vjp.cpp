// Custom vjps: copies of the expressions that a function gives as its cotangents, for the cotangent
// that arrives.
#include <algorithm>

#include "autodiff/reverse.h"

namespace gradus::autodiff {

CustomVjpParts custom_vjp_parts(const Node& node) {
  GRADUS_CHECK(
      node.op == OpKind::CustomVjp && node.operands.size() % 2 == 0 && node.operands.size() >= 2,
      "a custom_vjp has a result, a placeholder, and as many arguments as cotangents");
  std::span<const NodeId> operands = node.operands;
  size_t count = (operands.size() - 2) / 2;
  return {operands[0], operands[1], operands.subspan(2, count), operands.subspan(2 + count)};
}

namespace {

/// Copies what hangs on the substituted nodes; the rest is shared with the original.
class Substitution {
 public:
  /// Of nodes in [begin, own).
  Substitution(GraphBuilder& builder, NodeId begin, NodeId own)
      : builder_(&builder), begin_(begin), own_(own), map_(own.index()) {
    for (size_t i = 0; i < own.index(); ++i) map_[NodeId(i)] = NodeId(i);
  }

  void set(NodeId from, NodeId to) { map_[from] = to; }

  /// Copies all nodes that are needed by `roots` and hang on a substituted node.
  void run(std::span<const NodeId> roots) {
    IdVector<NodeId, bool> needed = needed_by(roots);
    for (size_t i = begin_.index(); i < map_.size(); ++i) {
      NodeId id(i);
      if (needed[id] && map_[id] == id) copy_if_changed(id);
    }
  }

  NodeId operator[](NodeId id) const { return map_[id]; }

 private:
  IdVector<NodeId, bool> needed_by(std::span<const NodeId> roots) const {
    IdVector<NodeId, bool> needed(map_.size());
    for (NodeId root : roots) needed[root] = true;
    for (size_t i = map_.size(); i-- > begin_.index();) {
      NodeId id(i);
      if (!needed[id] || map_[id] != id) continue;
      for (NodeId operand : builder_->graph()[id].operands) needed[operand] = true;
    }
    return needed;
  }

  void copy_if_changed(NodeId id) {
    Node node = builder_->graph()[id];
    bool changed = false;
    for (NodeId& operand : node.operands) {
      changed |= map_[operand] != operand;
      operand = map_[operand];
    }
    if (!changed) return;
    if (!node.of.valid()) node.of = own_;
    map_[id] = builder_->copy(node, node.operands);
  }

  GraphBuilder* builder_;
  NodeId begin_, own_;
  IdVector<NodeId, NodeId> map_;
};

}  // namespace

Cotangents custom_vjp_cotangents(GraphBuilder& builder, NodeId own, NodeId arriving,
                                 std::span<const bool> wanted) {
  const Node node = builder.graph()[own];
  CustomVjpParts parts = custom_vjp_parts(node);
  std::vector<NodeId> roots;
  for (size_t i = 0; i < parts.cotangents.size(); ++i) {
    if (wanted[i]) roots.push_back(parts.cotangents[i]);
  }
  Substitution substitution(builder, std::min(parts.result, parts.placeholder), own);
  // A function that returns its argument: then it is the argument that the cotangents read.
  bool returns_argument = std::ranges::count(parts.arguments, parts.result) > 0;
  if (!returns_argument) substitution.set(parts.result, own);
  substitution.set(parts.placeholder, arriving);
  substitution.run(roots);
  Cotangents cotangents(parts.arguments.size());
  for (size_t i = 0; i < cotangents.size(); ++i) {
    if (wanted[i]) cotangents[i] = substitution[parts.cotangents[i]];
  }
  return cotangents;
}

}  // namespace gradus::autodiff
