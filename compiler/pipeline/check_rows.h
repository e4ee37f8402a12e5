// Each operator of a graph by itself: its derivative rule against dual numbers on the operands that the
// graph gives it.
#pragma once

#include <string>
#include <vector>

#include "eval/eval.h"
#include "graph/graph.h"

namespace gradus::pipeline {

/// Names of the operators whose rule disagrees, each once, in order of the graph.
std::vector<std::string> find_wrong_rows(const Graph& graph, const Environment<double>& leaves,
                                         const EvalContext& context);

}  // namespace gradus::pipeline
