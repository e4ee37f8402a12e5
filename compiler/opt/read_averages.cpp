#include "opt/read_averages.h"

namespace gradus::opt {

bool read_averages(Graph& graph, const std::map<std::string, std::string>& averages) {
  if (averages.empty()) return false;
  bool changed = false;
  for (size_t i = 0; i < graph.size(); ++i) {
    Node& node = graph[NodeId(i)];
    if (node.op != OpKind::Param) continue;
    const auto average = averages.find(leaf_name(node));
    if (average == averages.end()) continue;
    node.attrs.set(AttrName::Name, average->second);
    changed = true;
  }
  return changed;
}

}  // namespace gradus::opt
