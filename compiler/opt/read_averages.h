// Reads averages of parameters in their place, for evaluation and prediction.
//
//   %w = param "fc.w" : f32[4]        ->        %w = param "fc.w@average" : f32[4]
//
// Stage: any in, the same out. Linear in the nodes.
#pragma once

#include <map>
#include <string>

#include "graph/graph.h"

namespace gradus::opt {

/// `averages`: from the path of a parameter to that of the state which is its average.
bool read_averages(Graph& graph, const std::map<std::string, std::string>& averages);

}  // namespace gradus::opt
