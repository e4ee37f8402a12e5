// Marks from the results up, then keeps the marked.
#include "opt/dce.h"

#include <algorithm>

#include "graph/rewrite.h"

namespace gradus::opt {

bool dce(Graph& graph) {
  IdVector<NodeId, bool> live(graph.size());
  for (const Result& result : graph.results) live[result.value] = true;
  for (size_t i = graph.size(); i-- > 0;) {
    if (!live[NodeId(i)]) continue;
    for (NodeId operand : graph[NodeId(i)].operands) live[operand] = true;
  }
  if (std::ranges::all_of(live.items(), [](bool is_live) { return is_live; })) return false;
  Rewriter rewrite(std::move(graph));
  for (NodeId id : rewrite.order()) {
    if (live[id]) rewrite.keep(id);
  }
  graph = rewrite.finish();
  return true;
}

}  // namespace gradus::opt
