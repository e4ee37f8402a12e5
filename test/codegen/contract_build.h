// The kernel of a matrix product with its epilogue, from graph text.
#pragma once

#include <string>

#include "graph/text.h"
#include "kernel/build/build.h"
#include "kernel/schedule/schedules.h"
#include "kernel_check.h"

namespace gradus::codegen {

class Product {
 public:
  explicit Product(const std::string& text) {
    SourceMap sources;
    DiagEngine diags(sources);
    auto graphs = read_graphs(sources, sources.add("t.gir", text), diags);
    if (!graphs) throw std::runtime_error(diags.render(false));
    graph_ = graphs->front();
    Cluster cluster;
    cluster.cls = ClusterClass::Contract;
    clustering_.cluster_of.resize(graph_.size());
    clustering_.names = value_names(graph_);
    for (size_t i = 0; i < graph_.size(); ++i) {
      NodeId id(i);
      OpClass cls = op_def(graph_[id].op).cls;
      if (cls == OpClass::Contract) cluster.anchor = id;
      if (cls != OpClass::Pointwise && cls != OpClass::Contract) continue;
      cluster.members.push_back(id);
      clustering_.cluster_of[id] = ClusterId(0);
    }
    for (const Result& result : graph_.results) {
      cluster.yields.push_back(result.value);
      if (result.kind == ResultKind::Update)
        cluster.updates.push_back({result.value, leaf(result)});
    }
    clustering_.clusters.push_back(cluster);
  }

  kernel::Schedule schedule(const Target& target, int64_t capacity) const {
    return kernel::schedule_contract(graph_, clustering_.clusters[ClusterId(0)], target, capacity);
  }
  bool legal(const kernel::Schedule& schedule, const Target& target) const {
    return !kernel::check_contract_schedule(graph_, clustering_.clusters[ClusterId(0)], schedule,
                                            target);
  }
  kernel::Kernel build(const kernel::Schedule& schedule, const Target& target,
                       int64_t capacity) const {
    return kernel::build_kernel(graph_, clustering_, ClusterId(0), schedule, target, capacity);
  }

 private:
  Graph graph_;
  Clustering clustering_;

  NodeId leaf(const Result& result) const {
    for (size_t i = 0; i < graph_.size(); ++i) {
      const Node& node = graph_[NodeId(i)];
      bool variable = node.op == OpKind::Param || node.op == OpKind::State;
      if (variable && leaf_name(node) == result.name) return NodeId(i);
    }
    throw std::runtime_error("no leaf " + result.name);
  }
};

/// m x n from inner size k in one of four layouts; m may be "batch" or "3*batch".
inline std::string product_text(const std::string& m, int64_t n, int64_t k, bool ta, bool tb,
                                const std::string& epilogue = "  return %0\n") {
  std::string ks = std::to_string(k);
  std::string ns = std::to_string(n);
  std::string left = ta ? "[" + ks + "," + m + "]" : "[" + m + "," + ks + "]";
  std::string right = tb ? "[" + ns + "," + ks + "]" : "[" + ks + "," + ns + "]";
  std::string attrs = ta && tb ? " {ta=true, tb=true}" : ta ? " {ta=true}" : tb ? " {tb=true}" : "";
  return "graph @p {\n  %a = input \"a\" : f32" + left + "\n  %b = param \"b\" : f32" + right +
         "\n  %0 = matmul %a, %b" + attrs + " : f32[" + m + "," + ns + "]\n" + epilogue + "}\n";
}

}  // namespace gradus::codegen
