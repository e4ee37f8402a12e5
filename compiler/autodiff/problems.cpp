// Messages for missing derivatives: what was found, where, and what helps.
#include "autodiff/problems.h"

#include <fmt/format.h>

namespace gradus::autodiff {

namespace {

/// "parameter `fc.w`", "input `x`", or "this value" for what has no name of its own.
std::string describe(const Node& node) {
  if (node.op == OpKind::Param) return fmt::format("parameter `{}`", leaf_name(node));
  if (node.op == OpKind::Input) return fmt::format("input `{}`", leaf_name(node));
  if (node.op == OpKind::State) return fmt::format("state `{}`", leaf_name(node));
  return fmt::format("this value (`{}`)", op_def(node.op).name);
}

std::string operator_message(const Graph& graph, const Node& node) {
  if (node.op != OpKind::Convert) {
    return fmt::format(
        "`{}` has no derivative, but stands on the way of a gradient; "
        "`stop_gradient` cuts the way",
        op_def(node.op).name);
  }
  DType from = graph.type(node.operands[0]).dtype;
  std::string hint = is_float(from) ? "`stop_gradient` cuts the way"
                                    : "select with `where`, or cut the way with `stop_gradient`";
  return fmt::format(
      "the conversion from {} to {} has no derivative, but stands on the way of a "
      "gradient; {}",
      dtype_name(from), dtype_name(node.type.dtype), hint);
}

/// The first gradient whose x the obstacle hangs on.
const GradientRequest& request_behind(const Graph& graph, NodeId obstacle,
                                      const std::vector<GradientRequest>& requests) {
  IdVector<NodeId, bool> above(graph.size());
  above[obstacle] = true;
  for (size_t i = obstacle.index() + 1; i-- > 0;) {
    if (!above[NodeId(i)]) continue;
    for (NodeId operand : flow_operands(graph[NodeId(i)])) above[operand] = true;
  }
  for (const GradientRequest& request : requests) {
    if (above[request.x]) return request;
  }
  return requests.front();
}

void add_notes(const Graph& graph, const GradientRequest& request, DerivativeProblem& problem) {
  const Node& x = graph[request.x];
  const Node& y = graph[request.y];
  if (y.span.valid()) problem.notes.push_back({y.span, "the gradient is of this value"});
  if (x.span.valid()) problem.notes.push_back({x.span, fmt::format("by {}", describe(x))});
}

DerivativeProblem operator_problem(const Graph& graph, NodeId obstacle,
                                   const std::vector<GradientRequest>& requests) {
  const GradientRequest& request = request_behind(graph, obstacle, requests);
  const Node& node = graph[obstacle];
  DerivativeProblem problem{DerivativeProblem::Kind::Operator,
                            node.span,
                            operator_message(graph, node),
                            {},
                            request.gradient};
  add_notes(graph, request, problem);
  return problem;
}

/// Whether y hangs on x at all, through whatever operator.
bool depends(const Graph& graph, NodeId y, NodeId x) {
  IdVector<NodeId, bool> above(y.index() + 1);
  above[y] = true;
  for (size_t i = y.index() + 1; i-- > 0;) {
    if (!above[NodeId(i)]) continue;
    if (NodeId(i) == x) return true;
    for (NodeId operand : graph[NodeId(i)].operands) above[operand] = true;
  }
  return false;
}

DerivativeProblem no_path_problem(const Graph& source, const Graph& graph,
                                  const GradientRequest& request) {
  const Node& x = graph[request.x];
  const Node& y = graph[request.y];
  std::string why = "the one does not depend on the other";
  if (x.op == OpKind::Param) why = "freeze or delete it, or let the value depend on it";
  if (request.x <= request.y && depends(graph, request.y, request.x)) {
    why = "every path ends in a comparison, an index or `stop_gradient`";
  }
  std::string to = y.op == OpKind::Param || y.op == OpKind::Input || y.op == OpKind::State
                       ? describe(y)
                       : "the value that is differentiated";
  DerivativeProblem problem{
      DerivativeProblem::Kind::NoPath,
      source[request.gradient].span,
      fmt::format("no differentiable path from {} to {}; {}", describe(x), to, why),
      {},
      request.gradient};
  add_notes(graph, request, problem);
  return problem;
}

}  // namespace

std::vector<DerivativeProblem> find_problems(const Graph& source, const Graph& graph,
                                             const std::vector<GradientRequest>& requests,
                                             const Flow& flow) {
  std::vector<DerivativeProblem> problems;
  for (NodeId obstacle : flow.obstacles) {
    problems.push_back(operator_problem(graph, obstacle, requests));
  }
  if (!problems.empty()) return problems;
  for (const GradientRequest& request : requests) {
    if (request.x <= request.y && flow.reaches[request.x]) continue;
    problems.push_back(no_path_problem(source, graph, request));
  }
  return problems;
}

}  // namespace gradus::autodiff
