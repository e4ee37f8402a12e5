// The one list of stages.
#include "pipeline/stages.h"

namespace gradus::pipeline {

const std::vector<EmitInfo>& emit_stages() {
  static const std::vector<EmitInfo> stages = {
      {Emit::Ast, "ast", "the syntax tree"},
      {Emit::Graph, "graph", "the graph as elaborated, derivatives still nodes"},
      {Emit::Joint, "joint", "forward, backward and update in one graph"},
      {Emit::Opt, "opt", "the joint graph simplified"},
      {Emit::Ordered, "ordered", "the graph with every rounding fixed"},
      {Emit::Fused, "fused", "clusters: what becomes one kernel"},
      {Emit::Kernels, "kernels", "loop trees"},
      {Emit::Program, "program", "buffers and launches"},
      {Emit::Plan, "plan", "where each buffer lies"},
      {Emit::Llvm, "llvm", "LLVM IR"},
      {Emit::Asm, "asm", "assembly"},
      {Emit::Dot, "dot", "the simplified graph for Graphviz"},
  };
  return stages;
}

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
