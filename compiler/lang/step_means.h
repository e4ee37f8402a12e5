// Whether a value of each step says the same of a pass, whatever its steps: the mean over the steps,
// weighted by their rows, of `mean(e)` is the mean of the pass, that of `sqrt(mean(e))` or `max(e)` is
// not and depends on the size of a batch.
#pragma once

#include "graph/graph.h"

namespace gradus::lang {

bool depends_on_steps(const Graph& graph, NodeId value);

}  // namespace gradus::lang
