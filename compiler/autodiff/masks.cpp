// The operators that keep a 0 are few and named here: they are what derivative rules choose and scale
// by, and whether a slope is finite is no question to an operator but to the rule that multiplies.
#include "autodiff/masks.h"

#include <algorithm>
#include <cmath>

namespace gradus::autodiff {

namespace {

bool is_zero(const Node& node) {
  return node.op == OpKind::Constant && !node.attrs.find(AttrName::Values) &&
         node.attrs.get_or<double>(AttrName::Value, 0.0) == 0;
}

/// A factor or divisor that takes a 0 to a 0: finite, and not 0.
bool is_plain_number(const Node& node) {
  if (node.op == OpKind::BatchSize) return true;
  if (node.op != OpKind::Constant || node.attrs.find(AttrName::Values)) return false;
  const double value = node.attrs.get_or<double>(AttrName::Value, 0.0);
  return std::isfinite(value) && value != 0;
}

bool is_move(OpKind op) {
  return op == OpKind::Reshape || op == OpKind::Broadcast || op == OpKind::Transpose ||
         op == OpKind::Slice;
}

/// The bool that `node` is the number of, if it is one.
NodeId counted_mask(const Graph& graph, NodeId id) {
  const Node& node = graph[id];
  bool counts = node.op == OpKind::Convert && graph.type(node.operands[0]).dtype == DType::Bool;
  return counts ? node.operands[0] : NodeId();
}

}  // namespace

bool Mask::is_scalar() const {
  return std::ranges::all_of(shape, [](const Dim& dim) { return dim.is_one(); });
}

bool fits(const Mask& mask, const Shape& shape) {
  return mask.is_scalar() || broadcast_shapes(mask.shape, shape) == shape;
}

MaskRef Masks::only(Mask mask) {
  if (mask.is_scalar()) mask.shape.clear();
  Key key{mask.kind, mask.nodes, mask.left.get(), mask.right.get()};
  MaskRef& known = known_[std::move(key)];
  if (!known) known = std::make_shared<Mask>(std::move(mask));
  return known;
}

MaskRef Masks::of(Mask::Kind kind, NodeId condition) {
  return only({.kind = kind, .nodes = {condition}, .shape = builder_->type(condition).shape});
}

MaskRef Masks::joined(Mask::Kind kind, MaskRef left, MaskRef right) {
  constexpr int kMaxDepth = 64;  // then the condition is made, before it is too long to recurse on
  if (left == right) return left;
  std::optional<Shape> shape = broadcast_shapes(left->shape, right->shape);
  GRADUS_CHECK(shape, "masks of one cotangent fit each other");
  const int depth = 1 + std::max(left->depth, right->depth);
  Mask mask{.kind = kind, .left = left, .right = right, .shape = *shape, .depth = depth};
  return depth < kMaxDepth ? only(std::move(mask)) : of(Mask::Kind::If, build(*only(std::move(mask))));
}

MaskRef Masks::moved(MaskRef mask, std::vector<NodeId> moves) {
  // A broadcast is done without saying so.
  std::erase_if(moves, [&](NodeId id) { return builder_->graph()[id].op == OpKind::Broadcast; });
  if (moves.empty()) return mask;
  const Shape shape = builder_->type(moves.back()).shape;
  const int depth = mask->depth + 1;
  return only({.kind = Mask::Kind::Moved,
               .nodes = std::move(moves),
               .left = std::move(mask),
               .shape = shape,
               .depth = depth});
}

NodeId Masks::move(NodeId mask, const std::vector<NodeId>& moves) {
  for (NodeId id : moves) {
    const Node node = builder_->graph()[id];
    const TensorType type{DType::Bool, node.type.shape};
    mask = builder_->broadcast(mask, builder_->type(node.operands[0]).shape);
    mask = builder_->make(node.op, {mask}, node.attrs, op_def(node.op).given_type ? &type : nullptr);
  }
  return mask;
}

NodeId Masks::build(Mask& mask) {
  if (mask.built.valid()) return mask.built;
  switch (mask.kind) {
    case Mask::Kind::If:
      mask.built = mask.nodes[0];
      break;
    case Mask::Kind::Unless:
      mask.built = builder_->unary(OpKind::Not, mask.nodes[0]);
      break;
    case Mask::Kind::Either:
    case Mask::Kind::Both: {
      NodeId left = build(*mask.left);
      NodeId right = build(*mask.right);
      OpKind op = mask.kind == Mask::Kind::Both ? OpKind::And : OpKind::Or;
      mask.built = builder_->make(op, {left, right});
      break;
    }
    case Mask::Kind::Moved:
      mask.built = move(build(*mask.left), mask.nodes);
      break;
  }
  if (mask.shape.empty()) mask.built = builder_->reshape(mask.built, {});
  return mask.built;
}

Passage::Passage(const Graph& graph, NodeId cotangent, size_t first)
    : graph_(&graph), cotangent_(cotangent), first_(first) {
  found_.reserve(graph.size() - first);
  for (size_t i = first; i < graph.size(); ++i) found_.push_back(find(graph[NodeId(i)]));
}

Passage::Found Passage::at(NodeId id) const {
  if (id == cotangent_) return {true, true, true};
  return id.index() < first_ ? Found{} : found_[id.index() - first_];
}

Passage::Found Passage::find(const Node& node) const {
  Found found{.keeps_zeros = true, .in_place = op_def(node.op).cls == OpClass::Pointwise};
  std::vector<bool> depends;
  for (NodeId operand : node.operands) {
    const Found each = at(operand);
    depends.push_back(each.depends);
    if (!each.depends) continue;
    found.depends = true;
    found.keeps_zeros &= each.keeps_zeros;
    found.in_place &= each.in_place;
  }
  if (!found.depends) return {};
  const auto plain = [&](size_t i) { return is_plain_number((*graph_)[node.operands[i]]); };
  const auto zero = [&](size_t i) { return depends[i] || is_zero((*graph_)[node.operands[i]]); };
  switch (node.op) {
    case OpKind::Neg:
    case OpKind::Convert:
      break;
    case OpKind::Add:
    case OpKind::Sub:
      found.keeps_zeros &= zero(0) && zero(1);
      break;
    case OpKind::Select:
      found.keeps_zeros &= zero(1) && zero(2);
      break;
    case OpKind::Mul:
      found.keeps_zeros &= plain(depends[0] ? 1 : 0);
      break;
    case OpKind::Div:
      found.keeps_zeros &= depends[0] && plain(1);
      break;
    default:
      found.keeps_zeros &= op_def(node.op).cls == OpClass::Layout || node.op == OpKind::Sum;
      break;
  }
  return found;
}

std::vector<NodeId> Passage::moves(NodeId part) const {
  std::vector<NodeId> nodes;
  for (NodeId id = part; id != cotangent_; id = (*graph_)[id].operands[0]) {
    if (id.index() < first_ || !is_move((*graph_)[id].op)) return {};
    nodes.push_back(id);
  }
  std::ranges::reverse(nodes);
  return nodes;
}

MaskRef Passage::choice(Masks& masks, NodeId part) const {
  if (part.index() < first_) return nullptr;
  const Node& node = (*graph_)[part];
  if (node.op == OpKind::Mul) {
    for (NodeId operand : node.operands) {
      NodeId condition = counted_mask(*graph_, operand);
      if (condition.valid()) return masks.of(Mask::Kind::If, condition);
    }
  }
  if (node.op != OpKind::Select) return nullptr;
  const NodeId condition = node.operands[0];
  if (is_zero((*graph_)[node.operands[2]])) return masks.of(Mask::Kind::If, condition);
  if (is_zero((*graph_)[node.operands[1]])) return masks.of(Mask::Kind::Unless, condition);
  MaskRef rest = choice(masks, node.operands[2]);
  if (!rest) return nullptr;
  return masks.joined(Mask::Kind::Either, masks.of(Mask::Kind::If, condition), rest);
}

}  // namespace gradus::autodiff
