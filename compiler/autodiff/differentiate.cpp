// The order of the work: rebuild the graph from the leaves up, walk back from y where the first
// gradient of y stands, then take out what only derivatives needed.
#include "autodiff/differentiate.h"

#include <fmt/format.h>

#include <algorithm>

#include "autodiff/problems.h"
#include "autodiff/reverse.h"
#include "graph/rewrite.h"

namespace gradus::autodiff {

namespace {

/// gradient(y, x, seed)
struct GradientParts {
  NodeId y, x, seed;
};
GradientParts gradient_parts(const Node& node) {
  GRADUS_CHECK(node.operands.size() == 3, "a gradient has the operands y, x and seed");
  return {node.operands[0], node.operands[1], node.operands[2]};
}

class Differentiation {
 public:
  explicit Differentiation(const Graph& source)
      : source_(&source),
        rewrite_(source),
        builder_(rewrite_.graph()),
        cotangents_(source.size()),
        is_variable_(source.size()) {
    for (const Node& node : source.nodes) {
      if (node.op == OpKind::Gradient) is_variable_[gradient_parts(node).x] = true;
    }
  }

  /// The graph without gradients; with `problems`, nothing of use.
  Graph run(std::vector<DerivativeProblem>& problems) {
    for (NodeId id : rewrite_.order()) {
      if ((*source_)[id].op != OpKind::Gradient) {
        rewrite_.keep(id);
        continue;
      }
      if (!cotangents_[id].valid()) differentiate_group(id, problems);
      if (!problems.empty()) return {};
      rewrite_.replace(id, as_variable(id, cotangents_[id]));
    }
    return rewrite_.finish();
  }

  const std::vector<NodeId>& renamings() const { return renamings_; }

 private:
  /// All gradients of the same y and seed as the gradient `first`, in one walk.
  void differentiate_group(NodeId first, std::vector<DerivativeProblem>& problems) {
    std::vector<GradientRequest> requests = requests_like(first);
    std::vector<NodeId> wanted;
    for (const GradientRequest& request : requests) wanted.push_back(request.x);
    NodeId y = requests.front().y;
    Flow flow = find_flow(rewrite_.graph(), y, wanted);
    problems = find_problems(*source_, rewrite_.graph(), requests, flow);
    if (!problems.empty()) return;
    NodeId seed = rewrite_[gradient_parts((*source_)[first]).seed];
    std::vector<NodeId> found = reverse_walk(builder_, y, seed, wanted, flow);
    if (found.empty()) {
      problems.push_back({DerivativeProblem::Kind::TooLarge,
                          (*source_)[first].span,
                          fmt::format("derivatives up to this one take more than {} operations",
                                      kMaxJointNodes),
                          {},
                          first});
      return;
    }
    for (size_t i = 0; i < found.size(); ++i) cotangents_[requests[i].gradient] = found[i];
  }

  /// An x that does not stand before `first` cannot lead to y; its gradient waits for its own turn,
  /// where this is reported.
  std::vector<GradientRequest> requests_like(NodeId first) const {
    GradientParts wanted = gradient_parts((*source_)[first]);
    std::vector<GradientRequest> requests;
    for (size_t i = first.index(); i < source_->size(); ++i) {
      const Node& node = (*source_)[NodeId(i)];
      if (node.op != OpKind::Gradient) continue;
      GradientParts parts = gradient_parts(node);
      bool alike = parts.y == wanted.y && same_seed(parts.seed, wanted.seed);
      if (!alike || !rewrite_.has(parts.x)) continue;
      requests.push_back({NodeId(i), rewrite_[parts.y], rewrite_[parts.x]});
    }
    return requests;
  }

  /// Equal constants are one seed, but where a gradient is taken by one of them: a jvp's seed stands
  /// for itself alone, whatever its value.
  bool same_seed(NodeId a, NodeId b) const {
    if (a == b) return true;
    if (is_variable_[a] || is_variable_[b]) return false;
    const Node& left = (*source_)[a];
    const Node& right = (*source_)[b];
    return left.op == OpKind::Constant && right.op == OpKind::Constant && left.type == right.type &&
           left.attrs == right.attrs;
  }

  /// A gradient that is itself an x gets a node of its own: its value may be one that other
  /// expressions read too, and these are not paths from it.
  NodeId as_variable(NodeId gradient, NodeId value) {
    if (!is_variable_[gradient]) return value;
    const TensorType type = rewrite_.graph().type(value);
    GraphBuilder& builder = rewrite_.builder_at(gradient);
    NodeId made = builder.make(OpKind::Reshape, {value}, {}, &type);
    renamings_.push_back(made);
    return made;
  }

  const Graph* source_;
  Rewriter rewrite_;
  GraphBuilder builder_;                 // of the backward nodes
  IdVector<NodeId, NodeId> cotangents_;  // of each gradient that was walked
  IdVector<NodeId, bool> is_variable_;   // x of some gradient
  std::vector<NodeId> renamings_;
};

/// What stands for the node once all gradients are taken: an operand of it, or nothing.
NodeId stand_in(const Node& node) {
  bool plain = node.op != OpKind::CustomVjp && node.op != OpKind::StopGradient;
  return plain ? NodeId() : node.operands[0];
}

/// Takes out custom_vjp, stop_gradient and renamings, and what hangs on seeds.
Graph clean(Graph graph, const std::vector<NodeId>& renamings) {
  Rewriter rewrite(std::move(graph));
  for (NodeId id : rewrite.order()) {
    const Node& node = rewrite.source()[id];
    NodeId instead = stand_in(node);
    if (std::ranges::binary_search(renamings, id)) instead = node.operands[0];
    if (instead.valid()) {
      if (rewrite.has(instead)) rewrite.replace(id, rewrite[instead]);
      continue;
    }
    bool of_seed = node.op == OpKind::Seed ||
                   std::ranges::any_of(node.operands, [&](NodeId x) { return !rewrite.has(x); });
    if (!of_seed) rewrite.keep(id);
  }
  return rewrite.finish();
}

bool has_derivative_nodes(const Graph& graph) {
  return std::ranges::any_of(graph.nodes, [](const Node& node) {
    return op_def(node.op).cls == OpClass::Derivative || node.op == OpKind::StopGradient ||
           node.op == OpKind::Seed;
  });
}

}  // namespace

bool differentiate(Graph& graph, std::vector<DerivativeProblem>& problems) {
  if (!has_derivative_nodes(graph)) return false;
  Differentiation work(graph);
  std::vector<DerivativeProblem> found;
  Graph differentiated = work.run(found);
  if (!found.empty()) {
    problems.insert(problems.end(), found.begin(), found.end());
    return false;
  }
  graph = clean(std::move(differentiated), work.renamings());
  return true;
}

}  // namespace gradus::autodiff
