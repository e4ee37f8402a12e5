// The dearest node stands for its cluster: a contraction before a fold before the rest.
#include "pipeline/describe.h"

#include <fmt/format.h>

#include <algorithm>

#include "graph/op.h"

namespace gradus::pipeline {

namespace {

int dearness(const Node& node) {
  switch (op_def(node.op).cls) {
    case OpClass::Contract:
      return 3;
    case OpClass::Reduce:
    case OpClass::Indexed:
      return 2;
    case OpClass::Pointwise:
      return 1;
    case OpClass::Leaf:
    case OpClass::Layout:
    case OpClass::Derivative:
      return 0;
  }
  return 0;
}

std::string scope_path(const Graph& graph, int32_t scope) {
  std::string path;
  for (; scope >= 0; scope = graph.scopes[static_cast<size_t>(scope)].parent) {
    const std::string& name = graph.scopes[static_cast<size_t>(scope)].name;
    path = path.empty() ? name : name + "." + path;
  }
  return path;
}

/// Names of the parameters that the launch stores, those of an optimizer's state left out.
std::string updated_params(const plan::Program& program, const plan::Launch& launch) {
  const kernel::Kernel& kernel = program.kernels[launch.kernel];
  std::string names;
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    const kernel::Slot& slot = kernel.slots[kernel::SlotId(i)];
    if (!launch.buffers[i].valid() || slot.dir == kernel::SlotDir::In) continue;
    const plan::Buffer& buffer = program.buffers[launch.buffers[i]];
    if (buffer.kind != plan::BufferKind::Param) continue;
    names += (names.empty() ? "" : " ") + buffer.name;
  }
  return names;
}

}  // namespace

std::optional<NodeId> dearest_node(const Graph& ordered, const plan::Launch& launch) {
  if (launch.nodes.empty()) return std::nullopt;
  return *std::ranges::max_element(launch.nodes, {}, [&](NodeId id) { return dearness(ordered[id]); });
}

std::string describe_launch(const Graph& ordered, const plan::Program& program,
                            const plan::Launch& launch) {
  const std::optional<NodeId> dearest = dearest_node(ordered, launch);
  if (!dearest) return launch.name;
  const Node& node = ordered[*dearest];
  const std::string path = scope_path(ordered, node.scope);
  std::string text = path.empty() ? "" : path + ": ";
  text += op_def(node.op).name;
  if (node.of.valid()) text += " backward";
  const std::string params = updated_params(program, launch);
  if (!params.empty()) text += ", updates " + params;
  return text;
}

}  // namespace gradus::pipeline
