// Cluster text, as cluster/cluster.h shows it: nodes by the names that print_graph gives them.
#include <fmt/format.h>

#include <set>

#include "fuse/fuse.h"
#include "graph/text.h"

namespace gradus::fuse {

namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

class Printer {
 public:
  Printer(const Graph& graph, const Clustering& clustering)
      : graph_(graph), clustering_(clustering), names_(value_names(graph)) {}

  std::string print() const {
    std::string text;
    for (size_t i = 0; i < clustering_.clusters.size(); ++i) {
      text += print_cluster(i, clustering_.clusters[ClusterId(i)]);
    }
    return text;
  }

 private:
  std::string print_cluster(size_t number, const Cluster& cluster) const {
    if (cluster.copy_result >= 0) {
      const Result& result = graph_.results[static_cast<size_t>(cluster.copy_result)];
      const std::string kind(result_kind_name(result.kind));
      return fmt::format("copy @{} {} into {} \"{}\"\n", number, names_[cluster.anchor], kind,
                         result.name);
    }
    std::string text = fmt::format("cluster @{} {}({}) ", number, cluster_class_name(cluster.cls),
                                   names_[cluster.anchor]);
    if (cluster.cls == ClusterClass::Strip) {
      text += cluster.items.empty() ? "by rows" : "over " + to_string(cluster.items);
      text += " {\n" + print_parts(cluster);
    } else {
      text += "{\n";
      for (NodeId member : cluster.members) text += "  " + print_member(member);
    }
    return text + "}" + print_stored(cluster) + "\n";
  }
  std::string print_parts(const Cluster& strip) const {
    std::string text;
    std::set<NodeId> printed;
    for (const Cluster& part : strip.parts) {
      text += fmt::format("  part {}({}) {}{{\n", cluster_class_name(part.cls), names_[part.anchor],
                          part.again ? "again " : "");
      for (NodeId member : part.members) text += "    " + print_member(member);
      text += "  }" + print_stored(part) + "\n";
      printed.insert(part.members.begin(), part.members.end());
    }
    for (NodeId member : strip.members) {
      if (printed.count(member) == 0) text += "  " + print_member(member);
    }
    return text;
  }
  /// What leaves a cluster, each kind that there is.
  std::string print_stored(const Cluster& cluster) const {
    std::vector<std::string> yields, updates, moves;
    for (NodeId yield : cluster.yields) yields.push_back(names_[yield]);
    for (const auto& [value, leaf] : cluster.updates) {
      updates.push_back(names_[leaf] + " = " + names_[value]);
    }
    for (const auto& [value, into] : cluster.moves) {
      moves.push_back(names_[into] + " = " + names_[value]);
    }
    std::string text;
    if (!yields.empty()) text += " yields " + joined(yields);
    if (!updates.empty()) text += " updates " + joined(updates);
    if (!moves.empty()) text += " moves " + joined(moves);
    return text;
  }
  std::string print_member(NodeId member) const {
    const Node& node = graph_[member];
    std::vector<std::string> operands;
    for (NodeId operand : node.operands) operands.push_back(print_operand(operand));
    return fmt::format("{} = {} {} : {}\n", names_[member], op_def(node.op).name,
                       joined(operands), to_string(node.type));
  }
  std::string print_operand(NodeId operand) const {
    const Node& node = graph_[operand];
    if (node.op == OpKind::Constant && node.type.is_scalar() &&
        !node.attrs.find(AttrName::Values)) {
      return float_text(node.attrs.get_or<double>(AttrName::Value, 0.0), node.type.dtype);
    }
    return names_[operand];
  }

  const Graph& graph_;
  const Clustering& clustering_;
  IdVector<NodeId, std::string> names_;
};

}  // namespace

std::string print_clustering(const Graph& graph, const Clustering& clustering) {
  return Printer(graph, clustering).print();
}

}  // namespace gradus::fuse
