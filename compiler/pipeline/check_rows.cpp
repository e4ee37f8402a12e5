// A node becomes a graph of its own: operands are inputs, the cotangent is one; the vector-Jacobian
// product by the rule meets the Jacobian-vector product by dual numbers in <seed, J d> = <vjp, d>.
#include "pipeline/check_rows.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "autodiff/differentiate.h"
#include "graph/builder.h"
#include "pipeline/random_data.h"

namespace gradus::pipeline {

namespace {

struct RowGraphs {
  Graph value;      // results[0] is the node
  Graph gradients;  // one result per float operand
  std::vector<size_t> wanted;
};

NodeId add_input(GraphBuilder& g, const std::string& name, const TensorType& type) {
  return g.make(OpKind::Input, {}, {{AttrName::Name, name}}, &type);
}

RowGraphs make_row_graphs(const Graph& graph, const Node& node) {
  RowGraphs out;
  GraphBuilder g(out.value);
  std::vector<NodeId> operands;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    operands.push_back(add_input(g, fmt::format("x{}", i), graph.type(node.operands[i])));
  }
  NodeId y = g.copy(node, operands);
  // Both name things of the whole graph.
  out.value[y].of = NodeId();
  out.value[y].scope = -1;
  out.value.results = {{ResultKind::Value, "", y}};
  out.gradients = out.value;
  out.gradients.results.clear();
  GraphBuilder b(out.gradients);
  NodeId seed = add_input(b, "seed", node.type);
  for (size_t i = 0; i < operands.size(); ++i) {
    if (!is_float(graph.type(node.operands[i]).dtype)) continue;
    out.wanted.push_back(i);
    NodeId gradient = b.make(OpKind::Gradient, {y, operands[i], seed});
    out.gradients.results.push_back({ResultKind::Value, "", gradient});
  }
  return out;
}

Array<double> random_like(Random& random, const Array<double>& array) {
  Array<double> out = array;
  for (double& v : out.floats) v = 2 * random.uniform() - 1;
  return out;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Array<Dual> dual_of(const Array<double>& array, const Array<double>* direction) {
  Array<Dual> out;
  out.dtype = array.dtype;
  out.sizes = array.sizes;
  out.integers = array.integers;
  for (size_t i = 0; i < array.floats.size(); ++i) {
    out.floats.push_back({array.floats[i], direction ? direction->floats[i] : 0});
  }
  return out;
}

bool row_agrees(const Graph& graph, const Node& node, const IdVector<NodeId, Array<double>>& values,
                const EvalContext& context) {
  RowGraphs rows = make_row_graphs(graph, node);
  std::vector<autodiff::DerivativeProblem> problems;
  autodiff::differentiate(rows.gradients, problems);
  if (!problems.empty()) return true;
  Random random(5);
  Environment<double> leaves;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    leaves[fmt::format("x{}", i)] = values[node.operands[i]];
  }
  Array<double> like = eval<double>(rows.value, leaves, context)[rows.value.results[0].value];
  leaves["seed"] = random_like(random, like);
  auto gradients = eval<double>(rows.gradients, leaves, context);
  for (size_t k = 0; k < rows.wanted.size(); ++k) {
    std::string name = fmt::format("x{}", rows.wanted[k]);
    Array<double> direction = random_like(random, leaves.at(name));
    Environment<Dual> duals;
    for (const auto& [leaf, array] : leaves) {
      if (leaf != "seed") duals[leaf] = dual_of(array, leaf == name ? &direction : nullptr);
    }
    auto forward = eval<Dual>(rows.value, duals, context)[rows.value.results[0].value];
    std::vector<double> tangents;
    for (const Dual& d : forward.floats) tangents.push_back(d.tangent);
    double by_dual = dot(leaves.at("seed").floats, tangents);
    double by_rule = dot(gradients[rows.gradients.results[k].value].floats, direction.floats);
    // Constants of a rule are rounded to the element type, f32 as a rule: erf's 2 / sqrt(pi) is off by 3e-8.
    if (std::abs(by_dual - by_rule) > 1e-6 * (1 + std::abs(by_dual))) return false;
  }
  return true;
}

}  // namespace

std::vector<std::string> find_wrong_rows(const Graph& graph, const Environment<double>& leaves,
                                         const EvalContext& context) {
  std::vector<std::string> wrong;
  auto values = eval<double>(graph, leaves, context);
  for (const Node& node : graph.nodes) {
    const OpDef& def = op_def(node.op);
    if (def.differentiable != Differentiable::Yes || !is_float(node.type.dtype)) continue;
    std::string name(def.name);
    if (std::find(wrong.begin(), wrong.end(), name) != wrong.end()) continue;
    if (!row_agrees(graph, node, values, context)) wrong.push_back(name);
  }
  return wrong;
}

}  // namespace gradus::pipeline
