// What a launch computes, in the user's names: for tables that people read.
#pragma once

#include <optional>
#include <string>

#include "graph/graph.h"
#include "plan/program.h"

namespace gradus::pipeline {

/// The node of the launch that costs most: a contraction before a fold before the rest. Nothing for
/// a copy.
std::optional<NodeId> dearest_node(const Graph& ordered, const plan::Launch& launch);

/// "hidden.dense: matmul", "hidden.dense: matmul backward, updates hidden.w": where in the model
/// the launch's work comes from, its dearest operator, whether that is a derivative, and the
/// parameters it stores. `ordered` is the graph that the program was made from.
std::string describe_launch(const Graph& ordered, const plan::Program& program,
                            const plan::Launch& launch);

}  // namespace gradus::pipeline
