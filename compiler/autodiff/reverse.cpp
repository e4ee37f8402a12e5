// Which nodes the walk passes, and the walk itself.
#include "autodiff/reverse.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "autodiff/differentiate.h"
#include "autodiff/masks.h"

namespace gradus::autodiff {

namespace {

bool is_float_node(const Graph& graph, NodeId id) { return is_float(graph.type(id).dtype); }

Differentiable differentiable(const Node& node) {
  if (node.op == OpKind::CustomVjp) return Differentiable::Yes;
  return op_def(node.op).differentiable;
}

bool is_stop(const Node& node) { return differentiable(node) == Differentiable::Stops; }

/// Whether a derivative passes from operand `from` to `node`.
bool passes(const Graph& graph, NodeId from, const Node& node) {
  return differentiable(node) == Differentiable::Yes && is_float(node.type.dtype) &&
         is_float_node(graph, from);
}

Dependence strongest(const Graph& graph, const Node& node, const Flow& flow) {
  Dependence strongest = Dependence::None;
  for (NodeId operand : flow_operands(node)) {
    Dependence each = flow.dependence[operand];
    // Through a mask or an index nothing flows on.
    if (each == Dependence::Flows && !passes(graph, operand, node)) each = Dependence::Stopped;
    strongest = std::max(strongest, each);
  }
  return strongest;
}

Dependence dependence_of(const Graph& graph, const Node& node, const Flow& flow) {
  // It hides even what would be an error; other rows that stop leave a trace, which must not come
  // back as a number.
  if (node.op == OpKind::StopGradient) return Dependence::None;
  return strongest(graph, node, flow);
}

/// Nodes whose value y hangs on in any way but through what stops.
IdVector<NodeId, bool> find_useful(const Graph& graph, NodeId y) {
  IdVector<NodeId, bool> useful(y.index() + 1);
  useful[y] = true;
  for (size_t i = y.index() + 1; i-- > 0;) {
    const Node& node = graph[NodeId(i)];
    if (!useful[NodeId(i)] || is_stop(node)) continue;
    for (NodeId operand : flow_operands(node)) useful[operand] = true;
  }
  return useful;
}

/// No rule passes here: an operator without derivative, float to integer, or a mask as a number.
bool is_obstacle(const Graph& graph, const Node& node, const Flow& flow) {
  for (NodeId operand : flow_operands(node)) {
    Dependence dependence = flow.dependence[operand];
    bool blocked = !is_stop(node) &&
                   (differentiable(node) == Differentiable::No || !is_float(node.type.dtype));
    if (dependence == Dependence::Flows && is_float_node(graph, operand) && blocked) return true;
    // A user's `float(x > 0)`. Derivative rules write masks so and know what they do.
    bool mask_as_number = node.op == OpKind::Convert && is_float(node.type.dtype) &&
                          !is_float_node(graph, operand) && !node.of.valid();
    if (dependence == Dependence::Stopped && mask_as_number) return true;
  }
  return false;
}

void find_reaching(const Graph& graph, NodeId y, Flow& flow) {
  flow.reaches[y] = is_float_node(graph, y);
  for (size_t i = y.index() + 1; i-- > 0;) {
    if (!flow.reaches[NodeId(i)]) continue;
    const Node& node = graph[NodeId(i)];
    for (NodeId operand : flow_operands(node)) {
      if (passes(graph, operand, node)) flow.reaches[operand] = true;
    }
  }
}

}  // namespace

std::span<const NodeId> flow_operands(const Node& node) {
  if (node.op == OpKind::CustomVjp) return custom_vjp_parts(node).arguments;
  return node.operands;
}

Flow find_flow(const Graph& graph, NodeId y, const std::vector<NodeId>& wanted) {
  size_t count = y.index() + 1;
  Flow flow{IdVector<NodeId, Dependence>(count), IdVector<NodeId, bool>(count), {}};
  IdVector<NodeId, bool> useful = find_useful(graph, y);
  IdVector<NodeId, bool> is_wanted(count);
  for (NodeId id : wanted) {
    if (id <= y) is_wanted[id] = true;
  }
  for (size_t i = 0; i < count; ++i) {
    NodeId id(i);
    if (is_obstacle(graph, graph[id], flow)) {
      // What comes after it is not reported again.
      if (useful[id]) flow.obstacles.push_back(id);
    } else {
      flow.dependence[id] = dependence_of(graph, graph[id], flow);
    }
    if (is_wanted[id] && is_float_node(graph, id)) flow.dependence[id] = Dependence::Flows;
  }
  find_reaching(graph, y, flow);
  return flow;
}

namespace {

/// What has arrived at a node. Where `mask` does not hold it is 0, or would be but for a slope that is
/// not finite: then `at_risk`.
struct Arrived {
  NodeId value = {};
  MaskRef mask = nullptr;
  bool at_risk = false;
};

class Walk {
 public:
  Walk(GraphBuilder& builder, NodeId y, const Flow& flow)
      : builder_(&builder), masks_(builder), flow_(&flow), arrived_(y.index() + 1) {}

  /// False as soon as the graph is too large.
  bool run(NodeId y, NodeId seed) {
    GRADUS_CHECK(builder_->type(seed) == builder_->type(y), "the seed has another type than y");
    arrived_[y].value = seed;
    for (size_t i = y.index() + 1; i-- > 0;) {
      NodeId id(i);
      if (builder_->graph().size() > kMaxJointNodes) return false;
      if (flow_->walked(id) && arrived_[id].value.valid()) step(id);
    }
    return true;
  }

  NodeId cotangent(NodeId id) {
    stand_at(id);
    settle(arrived_[id]);
    return arrived_[id].value;
  }

 private:
  /// Sends the cotangent of `id` on to its operands.
  void step(NodeId id) {
    const Node node = builder_->graph()[id];
    std::span<const NodeId> operands = flow_operands(node);
    auto wanted = std::make_unique<bool[]>(operands.size() + 1);
    bool any = false;
    for (size_t i = 0; i < operands.size(); ++i) {
      wanted[i] = flow_->walked(operands[i]) && passes(builder_->graph(), operands[i], node);
      any |= wanted[i];
    }
    if (!any) return;
    stand_at(id);
    const std::span<const bool> asked(wanted.get(), operands.size());
    size_t before = builder_->graph().size();
    Cotangents parts = apply_rule(id, node, asked);
    if (arrived_[id].at_risk && mixes(id, node, parts, before)) {
      settle(arrived_[id]);
      before = builder_->graph().size();
      parts = apply_rule(id, node, asked);
    }
    const Arrived own = arrived_[id];
    const Passage passage(builder_->graph(), own.value, before);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (wanted[i]) arrive(operands[i], passed(own, node, operands[i], parts[i], passage), id);
    }
  }

  /// Whether some part puts elements together that the mask of `id` tells apart.
  bool mixes(NodeId id, const Node& node, const Cotangents& parts, size_t before) {
    const Arrived& own = arrived_[id];
    const Passage passage(builder_->graph(), own.value, before);
    std::span<const NodeId> operands = flow_operands(node);
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!parts[i].valid() || passage.in_place(parts[i])) continue;
      if (!carried(own.mask, node, operands[i], parts[i], passage)) return true;
    }
    return false;
  }

  /// The mask of what the rule of `node` answers for an operand; nothing where it puts elements together
  /// that the node's own mask tells apart.
  MaskRef carried(const MaskRef& mask, const Node& node, NodeId operand, NodeId part,
                  const Passage& passage) {
    if (mask->is_scalar()) return mask;
    // Back from a broadcast, which is also what a smaller operand asks for, copies of one are added.
    bool of_one = passage.in_place(part) || node.op == OpKind::Broadcast;
    if (of_one && fits(*mask, builder_->type(operand).shape)) return mask;
    std::vector<NodeId> moves = passage.moves(part);
    return moves.empty() ? nullptr : masks_.moved(mask, std::move(moves));
  }

  /// The part that the rule of `node` answers for `operand`, with what is known of its zeros.
  Arrived passed(const Arrived& own, const Node& node, NodeId operand, NodeId part,
                 const Passage& passage) {
    GRADUS_CHECK(part.valid(),
                 fmt::format("the rule of {} leaves out a wanted cotangent", op_def(node.op).name));
    Arrived out{part};
    if (own.mask) {
      out.at_risk = own.at_risk || !passage.keeps_zeros(part);
      out.mask = carried(own.mask, node, operand, part, passage);
      if (!out.mask) {
        if (passage.in_place(part)) settle(out, own.mask);  // the sum for a smaller operand comes after
        out.at_risk = false;
      }
    }
    MaskRef chosen = passage.choice(masks_, part);
    if (chosen && fits(*chosen, builder_->type(operand).shape))
      out.mask = out.mask ? masks_.joined(Mask::Kind::Both, out.mask, chosen) : chosen;
    return out;
  }

  /// Takes out what slopes that are not finite have made of zeros.
  void settle(Arrived& arrived, const MaskRef& mask) {
    if (!arrived.at_risk) return;
    const NodeId zero = builder_->zero_like(arrived.value);
    if (mask->kind == Mask::Kind::Unless) {
      const MaskRef opposite = masks_.of(Mask::Kind::If, mask->nodes[0]);
      arrived.value = builder_->select(masks_.build(*opposite), zero, arrived.value);
    } else {
      arrived.value = builder_->select(masks_.build(*mask), arrived.value, zero);
    }
    arrived.at_risk = false;
  }
  void settle(Arrived& arrived) { settle(arrived, arrived.mask); }

  Cotangents apply_rule(NodeId id, const Node& node, std::span<const bool> wanted) {
    if (node.op == OpKind::CustomVjp) {
      return custom_vjp_cotangents(*builder_, id, arrived_[id].value, wanted);
    }
    size_t before = builder_->graph().size();
    VjpArgs args{node.operands, id, arrived_[id].value, node.attrs, wanted};
    Cotangents parts = op_def(node.op).vjp(*builder_, args);
    GRADUS_CHECK(parts.size() == node.operands.size(),
                 fmt::format("the rule of {} answers {} cotangents for {} operands",
                             op_def(node.op).name, parts.size(), node.operands.size()));
    check_saves(id, node, before, parts);
    return parts;
  }

  /// The rule read no more than its row says it saves.
  void check_saves(NodeId id, const Node& node, size_t before, const Cotangents& parts) const {
    for (size_t i = before; i < builder_->graph().size(); ++i) {
      for (NodeId read : builder_->graph()[NodeId(i)].operands) check_read(id, node, before, read);
    }
    for (NodeId part : parts) {
      if (part.valid()) check_read(id, node, before, part);
    }
  }

  void check_read(NodeId id, const Node& node, size_t before, NodeId read) const {
    if (read.index() >= before || read == arrived_[id].value) return;
    if (builder_->graph()[read].op == OpKind::Constant) return;  // kept by nobody, read by anybody
    auto saves = static_cast<unsigned>(op_def(node.op).saves);
    bool from_operands = std::ranges::count(node.operands, read) > 0 &&
                         (saves & static_cast<unsigned>(Saves::Operands));
    bool from_result = read == id && (saves & static_cast<unsigned>(Saves::Result));
    GRADUS_CHECK(from_operands || from_result,
                 fmt::format("the derivative rule of {} reads a value that its row does not save",
                             op_def(node.op).name));
  }

  /// Adds `part` to the cotangent of `operand` of `user`, summed back to the operand's shape.
  void arrive(NodeId operand, Arrived part, NodeId user) {
    const OpDef& row = op_def(builder_->graph()[user].op);
    const TensorType type = builder_->type(operand);
    if (row.cls == OpClass::Pointwise && builder_->type(part.value).shape != type.shape) {
      part.value = builder_->unbroadcast(part.value, type.shape);
    }
    GRADUS_CHECK(builder_->type(part.value) == type,
                 fmt::format("the rule of {} answers {} for an operand of type {}", row.name,
                             to_string(builder_->type(part.value)), to_string(type)));
    Arrived& total = arrived_[operand];
    if (!total.value.valid()) {
      total = std::move(part);
      return;
    }
    stand_at(operand);
    if (total.mask != part.mask) {
      settle(total);
      settle(part);
      bool both = total.mask && part.mask;
      total.mask = both ? masks_.joined(Mask::Kind::Either, total.mask, part.mask) : nullptr;
    }
    total.value = builder_->add(total.value, part.value);
    total.at_risk |= part.at_risk;
    stand_at(user);
  }

  /// What is made from here on belongs to the node `id`.
  void stand_at(NodeId id) {
    const Node& node = builder_->graph()[id];
    builder_->set_of(id);
    builder_->set_span(node.span);
    builder_->set_scope(node.scope);
  }

  GraphBuilder* builder_;
  Masks masks_;
  const Flow* flow_;
  IdVector<NodeId, Arrived> arrived_;
};

}  // namespace

std::vector<NodeId> reverse_walk(GraphBuilder& builder, NodeId y, NodeId seed,
                                 const std::vector<NodeId>& wanted, const Flow& flow) {
  Walk walk(builder, y, flow);
  if (!walk.run(y, seed)) return {};
  std::vector<NodeId> cotangents;
  for (NodeId id : wanted) cotangents.push_back(walk.cotangent(id));
  return cotangents;
}

}  // namespace gradus::autodiff
