// The one list of stages.
#include "pipeline/stages.h"

namespace gradus::pipeline {

const std::vector<EmitInfo>& emit_stages() {
  static const std::vector<EmitInfo> stages = {
      {Emit::Ast, "ast", "the syntax tree", false},
      {Emit::Graph, "graph", "the graph as elaborated, derivatives still nodes", true},
      {Emit::Joint, "joint", "forward, backward and update in one graph", true},
      {Emit::Opt, "opt", "the joint graph simplified", true},
      {Emit::Ordered, "ordered", "the graph with every rounding fixed", true},
      {Emit::Fused, "fused", "the ordered graph, and clusters: what becomes one kernel", true},
      {Emit::Kernels, "kernels", "loop trees", true},
      {Emit::Program, "program", "buffers, kernels by their slots, launches", true},
      {Emit::Plan, "plan", "the program, and where each buffer lies", true},
      {Emit::Llvm, "llvm", "LLVM IR", false},
      {Emit::Asm, "asm", "assembly", false},
      {Emit::Dot, "dot", "the simplified graph for Graphviz", false},
  };
  return stages;
}

const EmitInfo& emit_info(Emit emit) { return emit_stages()[static_cast<size_t>(emit)]; }

std::optional<Emit> emit_from_name(std::string_view name) {
  for (const EmitInfo& stage : emit_stages()) {
    if (stage.name == name) return stage.emit;
  }
  return std::nullopt;
}

std::string stage_list() {
  std::string list;
  for (const EmitInfo& stage : emit_stages()) {
    list += (list.empty() ? "" : ", ") + std::string(stage.name);
  }
  return list;
}

std::string_view version() { return "0.1.0"; }

}  // namespace gradus::pipeline
