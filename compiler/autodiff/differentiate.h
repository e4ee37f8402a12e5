// Replaces every `gradient` node by the ordinary nodes that compute the derivative.
//
//   %2 = mul %w, %x : f32[4]                      %2 = mul %w, %x : f32[4]
//   %3 = sum %2 {dims=[0]} : f32[]         ->     %3 = broadcast 1.0 : f32[4] {of=..}
//   %4 = gradient %3, %w, 1.0 : f32[4]            %4 = mul %3, %x : f32[4] {of=..}
//
// gradient(y, x, seed): the product of seed (typed as y) with the derivative of y by x. Identity is
// the node's: x is that one node, and all paths from it to y count. Gradients are replaced in
// topological order, so a gradient of a gradient walks over ordinary nodes.
//
// custom_vjp(result, placeholder, k arguments, k cotangents): its value is `result`; its
// derivative by argument i is cotangent i with the leaf `placeholder` (a seed) replaced by the
// cotangent that arrives. Where a cotangent reads `result`, the copy reads this node, so that a
// second derivative goes through the custom vjp again. Nothing flows into `result` or the
// cotangents.
//
// Stage in: Source; out: Joint (no gradient, custom_vjp, stop_gradient nodes, no seeds). Every
// node made has `of`, the node whose rule made it, and that node's span and scope. Nothing is
// merged or dropped here that has a meaning: `cse` and `dce` come after. Cost: linear in the nodes
// walked, one walk for all gradients of one (y, seed).
#pragma once

#include <vector>

#include "graph/graph.h"
#include "support/diag.h"

namespace gradus::autodiff {

/// Derivatives of derivatives may double with each: what a joint graph has at most.
constexpr size_t kMaxJointNodes = 1'000'000;

/// Why a derivative does not exist; the caller makes a diagnostic of it.
struct DerivativeProblem {
  enum class Kind : uint8_t {
    NoPath,    // y does not depend on x by a differentiable path
    Operator,  // an operator without derivative stands on the path from x to y
    TooLarge,  // it takes more nodes than a joint graph may have
  };
  Kind kind = Kind::NoPath;
  Span span;  // of the gradient, or of the operator
  std::string message;
  std::vector<DiagNote> notes;
  NodeId gradient;  // in the graph as it was given; one of them for Operator
};

/// True if the graph changed. With problems the graph is left as it was.
bool differentiate(Graph& graph, std::vector<DerivativeProblem>& problems);

}  // namespace gradus::autodiff
