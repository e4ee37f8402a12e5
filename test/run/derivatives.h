// A value of rank 0 with its derivatives of first and second order by all that it is computed from:
// in f64 against dual numbers, and as compiled in f32 against f64.
#pragma once

#include <fmt/format.h>

#include "autodiff/differentiate.h"
#include "graph/builder.h"
#include "opt/dce.h"
#include "run/step_case.h"

namespace gradus::run {

inline constexpr double kFirstOrder = 1e-10;      // derivative and dual numbers, over 1 + |dual|
inline constexpr double kSecondOrder = 1e-8;      // the same once more
inline constexpr double kSinglePrecision = 1e-5;  // |f32 - f64| / |f64| in the Euclidean norm

/// sum(x * weights) with an input for the weights: no two elements count alike.
inline NodeId weighed_sum(GraphBuilder& builder, NodeId x, const std::string& weights) {
  const TensorType type = builder.type(x);
  const NodeId weight = builder.make(OpKind::Input, {}, {{AttrName::Name, weights}}, &type);
  std::vector<int64_t> dims;
  for (size_t d = 0; d < type.rank(); ++d) dims.push_back(static_cast<int64_t>(d));
  return builder.sum(builder.mul(x, weight), dims);
}

/// Down to ordinary nodes, only what results need. What hinders a derivative is an exception.
inline Graph differentiated(Graph graph) {
  std::vector<autodiff::DerivativeProblem> problems;
  autodiff::differentiate(graph, problems);
  if (!problems.empty()) throw std::runtime_error(problems[0].message);
  opt::dce(graph);
  return graph;
}

/// The same function without the derivatives that functions brought along: dual numbers then see
/// their bodies, at every order.
inline Graph without_custom_vjps(Graph graph) {
  for (Node& node : graph.nodes) {
    for (NodeId& operand : node.operands) {
      while (graph[operand].op == OpKind::CustomVjp) operand = graph[operand].operands[0];
    }
  }
  return graph;
}

inline bool is_float_leaf(const Node& node) {
  const bool named =
      node.op == OpKind::Input || node.op == OpKind::Param || node.op == OpKind::State;
  return named && is_float(node.type.dtype);
}

/// The graph of a total, with all gradients of the total, and of a weighed sum of the gradients.
class Derivatives {
 public:
  struct Variable {
    std::string name;
    NodeId leaf, first, second;  // invalid where nothing depends on the leaf
  };

  /// The results that `source` has are values which are compared as well.
  Derivatives(const Graph& source, NodeId of) : graph(source), total(of) {
    for (size_t i = 0; i < source.size(); ++i) {
      const NodeId id(i);
      if (is_float_leaf(source[id])) variables.push_back({leaf_name(source[id]), id, {}, {}});
    }
    for (Variable& x : variables) x.first = gradient_if_any(total, x.leaf);
    GraphBuilder builder(graph);
    for (const Variable& x : variables) {
      if (!x.first.valid()) continue;
      const NodeId sum = weighed_sum(builder, x.first, "direction " + x.name);
      const NodeId each = builder.convert(sum, builder.type(total).dtype);
      slope = slope.valid() ? builder.add(slope, each) : each;
    }
    if (!slope.valid()) return;
    for (Variable& x : variables) x.second = gradient_if_any(slope, x.leaf);
    add_results();
  }

  Graph graph;
  NodeId total, slope;
  std::vector<Variable> variables;

 private:
  NodeId gradient_if_any(NodeId y, NodeId x) {
    Graph trial = graph;
    GraphBuilder builder(trial);
    trial.results = {
        {ResultKind::Value, "", builder.make(OpKind::Gradient, {y, x, builder.one_like(y)})}};
    std::vector<autodiff::DerivativeProblem> problems;
    autodiff::differentiate(trial, problems);
    if (!problems.empty()) {
      if (problems[0].kind == autodiff::DerivativeProblem::Kind::NoPath) return {};
      throw std::runtime_error(problems[0].message);
    }
    GraphBuilder own(graph);
    return own.make(OpKind::Gradient, {y, x, own.one_like(y)});
  }
  void add_results() {
    for (const Variable& x : variables) {
      if (x.first.valid())
        graph.results.push_back({ResultKind::Output, "first by " + x.name, x.first});
      if (x.second.valid())
        graph.results.push_back({ResultKind::Output, "second by " + x.name, x.second});
    }
  }
};

inline double norm_of(const std::vector<double>& values) {
  return std::sqrt(std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
}

// ---- f64 against dual numbers ----

/// Each element by itself where they are few, else some random directions.
inline std::vector<std::vector<double>> directions(size_t count, uint64_t seed) {
  constexpr size_t kFew = 12, kRandom = 4;
  std::vector<std::vector<double>> out;
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (size_t k = 0; k < (count <= kFew ? count : kRandom); ++k) {
    out.emplace_back(count, 0.0);
    if (count <= kFew) {
      out.back()[k] = 1;
    } else {
      for (double& each : out.back()) each = uniform(random);
    }
  }
  return out;
}

/// How one value moves with its leaves.
class ByDuals {
 public:
  ByDuals(const Graph& graph, NodeId y, const Environment<double>& values, const EvalContext& at)
      : context_(at) {
    Graph plain = without_custom_vjps(graph);
    plain.results = {{ResultKind::Value, "", y}};
    graph_ = differentiated(std::move(plain));
    for (const auto& [name, array] : values) {
      Array<Dual> dual{array.dtype, array.sizes, {}, array.integers};
      for (double value : array.floats) dual.floats.push_back({value, 0});
      duals_[name] = std::move(dual);
    }
  }

  double along(const std::string& leaf, const std::vector<double>& direction) {
    std::vector<Dual>& x = duals_.at(leaf).floats;
    for (size_t i = 0; i < x.size(); ++i) x[i].tangent = direction[i];
    const auto all = eval<Dual>(graph_, duals_, context_);
    for (Dual& each : x) each.tangent = 0;
    return all[graph_.results[0].value].floats[0].tangent;
  }

 private:
  EvalContext context_;
  Graph graph_;
  Environment<Dual> duals_;
};

/// The f64 values of all results, by name.
inline std::map<std::string, std::vector<double>> wide_results(const Graph& graph,
                                                               const Environment<double>& values,
                                                               const EvalContext& context) {
  const Graph plain = differentiated(graph);
  const auto all = eval<double>(plain, values, context);
  std::map<std::string, std::vector<double>> results;
  for (const Result& result : plain.results) {
    const Array<double>& array = all[result.value];
    results[result.name] = is_float(array.dtype)
                               ? array.floats
                               : std::vector<double>(array.integers.begin(), array.integers.end());
  }
  return results;
}

/// What is wrong with the gradients of `order` ("first", "second"); empty where nothing is.
inline std::string compare_with_duals(const Derivatives& of, const std::string& order,
                                      const Environment<double>& values,
                                      const std::map<std::string, std::vector<double>>& found,
                                      const EvalContext& context) {
  const bool first = order == "first";
  const double tolerance = first ? kFirstOrder : kSecondOrder;
  ByDuals duals(of.graph, first ? of.total : of.slope, values, context);
  for (const Derivatives::Variable& x : of.variables) {
    const auto gradient = found.find(order + " by " + x.name);
    const size_t count = values.at(x.name).floats.size();
    for (const std::vector<double>& direction : directions(count, count)) {
      const double expected = duals.along(x.name, direction);
      // Without a gradient the value must not move at all.
      const double change = gradient == found.end()
                                ? 0
                                : std::inner_product(direction.begin(), direction.end(),
                                                     gradient->second.begin(), 0.0);
      if (!(std::abs(change - expected) <= tolerance * (1 + std::abs(expected)))) {
        return fmt::format("{} order by {}: {:.17g}, duals give {:.17g}", order, x.name, change,
                           expected);
      }
    }
  }
  return "";
}

// ---- f32, compiled, against f64 ----

/// The largest error of any result, in the norm; `where` tells which.
inline double single_error(const StepCase& step,
                           const std::map<std::string, std::vector<double>>& wide,
                           std::string& where) {
  double worst = 0;
  for (const Result& result : step.lowered.ordered.results) {
    const Array<float>& found = step.expected[result.value];
    std::vector<double> difference = wide.at(result.name);
    const double norm = norm_of(difference);
    for (size_t i = 0; i < difference.size(); ++i)
      difference[i] -= element(found, static_cast<int64_t>(i));
    const double error = norm_of(difference) / (norm > 0 ? norm : 1);
    if (error <= worst) continue;
    worst = error;
    where = result.name;
  }
  return worst;
}

}  // namespace gradus::run
