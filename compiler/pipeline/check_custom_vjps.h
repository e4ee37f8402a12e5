// Functions with a custom vjp: which of a graph's disagree with their bodies, and which
// parameters' gradients go through functions that are trusted.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "eval/eval.h"
#include "graph/graph.h"

namespace gradus::pipeline {

struct CustomVjp {
  std::string name;  // of the function
  Span span;         // of its `vjp`
};

/// The functions with a custom vjp in a graph at stage Source, each once, in order.
std::vector<CustomVjp> list_custom_vjps(const Graph& source);

/// Those whose cotangents disagree with the derivative of the body, by dual numbers, at these leaves.
std::vector<CustomVjp> find_wrong_custom_vjps(const Graph& source,
                                           const Environment<double>& leaves,
                                           const EvalContext& context);

/// Names of parameters that reach the loss through a function of `trusted`.
std::set<std::string> parameters_through(const Graph& source, const std::vector<std::string>& trusted);

}  // namespace gradus::pipeline
