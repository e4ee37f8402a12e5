// The words for derivatives that do not exist.
#pragma once

#include "autodiff/differentiate.h"
#include "autodiff/reverse.h"

namespace gradus::autodiff {

/// One gradient that is asked for, in the rebuilt graph.
struct GradientRequest {
  NodeId gradient;  // in the graph as it was given
  NodeId y, x;
};

/// Problems of the gradients of one y; empty where all exist.
std::vector<DerivativeProblem> find_problems(const Graph& source, const Graph& graph,
                                             const std::vector<GradientRequest>& requests,
                                             const Flow& flow);

}  // namespace gradus::autodiff
