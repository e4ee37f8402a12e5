// The driver of the equations: node by node, rules of the operator first, then those of its class.
#include "opt/simplify.h"

#include <cmath>
#include <map>

#include "opt/simplifier.h"

namespace gradus::opt {

namespace {

/// Rules by operator, in order of the tables.
const std::vector<Rewrite>& rules_of(OpKind kind) {
  static const std::map<OpKind, std::vector<Rewrite>> table = [] {
    std::map<OpKind, std::vector<Rewrite>> rules;
    for (auto theme : {arithmetic_rules(), layout_rules(), reduce_rules()}) {
      for (const SimplifyRule& rule : theme) rules[rule.op].push_back(rule.rewrite);
    }
    return rules;
  }();
  static const std::vector<Rewrite> none;
  auto found = table.find(kind);
  return found == table.end() ? none : found->second;
}

NodeId apply_rules(Simplifier& s, const Node& node) {
  for (Rewrite rewrite : rules_of(node.op)) {
    if (NodeId made = rewrite(s, node); made.valid()) return made;
  }
  switch (op_def(node.op).cls) {
    case OpClass::Pointwise:
      return simplify_pointwise(s, node);
    case OpClass::Layout:
      return simplify_layout_of_scalar(s, node);
    case OpClass::Leaf:
    case OpClass::Reduce:
    case OpClass::Contract:
    case OpClass::Indexed:
    case OpClass::Derivative:
      return {};
  }
  return {};
}

}  // namespace

Simplifier::Simplifier(Graph&& source)
    : source_uses_(count_uses(source)), rewrite_(std::move(source)), graph_(rewrite_.graph()) {}

std::pair<Graph, bool> Simplifier::run() {
  for (NodeId id : rewrite_.order()) {
    Node node = rewrite_.translated(id);
    span_ = node.span;
    scope_ = node.scope;
    of_ = node.of;
    NodeId made = add(std::move(node));
    rewrite_.replace(id, made);
    uses_.resize(std::max(uses_.size(), graph_.size()));
    uses_[made.index()] += source_uses_[id];
  }
  return {rewrite_.finish(), fired_};
}

NodeId Simplifier::add(Node node) {
  if (NodeId made = apply_rules(*this, node); made.valid()) {
    fired_ = true;
    return made;
  }
  return graph_.nodes.push_back(std::move(node));
}

std::optional<double> Simplifier::splat(NodeId id) const {
  const Node& node = (*this)[id];
  if (node.op == OpKind::Broadcast && type(node.operands[0]).is_scalar()) {
    return splat(node.operands[0]);
  }
  if (node.op != OpKind::Constant || node.attrs.find(AttrName::Values)) return std::nullopt;
  return node.attrs.get_or<double>(AttrName::Value, 0);
}

bool Simplifier::is_splat(const Node& n, size_t i, double value) const {
  std::optional<double> found = splat(n.operands[i]);
  if (!found || *found != value) return false;
  return !is_float(type(n.operands[i]).dtype) || std::signbit(*found) == std::signbit(value);
}

bool Simplifier::single_use(NodeId id) const {
  return id.index() >= uses_.size() || uses_[id.index()] <= 1;
}

ShapeResult Simplifier::infer(OpKind kind, std::span<const NodeId> operands, const Attrs& attrs,
                              const TensorType* given) {
  return builder_.infer(kind, operands, attrs, given);
}

NodeId Simplifier::make(OpKind kind, std::vector<NodeId> operands, Attrs attrs,
                        const TensorType* given) {
  ShapeResult result = infer(kind, operands, attrs, given);
  auto* problem = std::get_if<ShapeProblem>(&result);
  GRADUS_CHECK(!problem, problem->message);
  return add({kind, std::get<TensorType>(std::move(result)), std::move(operands), std::move(attrs),
              span_, of_, scope_});
}

NodeId Simplifier::constant_like(NodeId like, double value) {
  TensorType scalar{type(like).dtype, {}};
  return make(OpKind::Constant, {}, {{AttrName::Value, value}}, &scalar);
}

NodeId Simplifier::reshape(NodeId x, const Shape& shape) {
  TensorType wanted{type(x).dtype, shape};
  return make(OpKind::Reshape, {x}, {}, &wanted);
}

NodeId Simplifier::as(const Node& n, NodeId x) {
  if (type(x) == n.type) return x;
  TensorType wanted = n.type;
  return make(OpKind::Broadcast, {x}, {}, &wanted);
}

bool simplify(Graph& graph) {
  auto [simplified, changed] = Simplifier(std::move(graph)).run();
  graph = std::move(simplified);
  return changed;
}

}  // namespace gradus::opt
