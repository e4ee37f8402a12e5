// The derivative of every row against dual numbers, first and second order, generated from the
// table.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autodiff/differentiate.h"
#include "eval/eval.h"
#include "graph/builder.h"
#include "graph/text.h"
#include "ops/samples.h"

namespace gradus {
namespace {

using autodiff::DerivativeProblem;
using autodiff::differentiate;
using test::OpSample;

constexpr double kFirstOrder = 1e-10;
constexpr double kSecondOrder = 1e-8;
constexpr uint64_t kSeed = 20240607;

std::string name_of(const OpSample& sample) {
  return std::string(op_def(sample.op).name) + " (" + sample.what + ")";
}

Environment<Dual> as_duals(const Environment<double>& values) {
  Environment<Dual> duals;
  for (const auto& [name, array] : values) {
    Array<Dual> dual{array.dtype, array.sizes, {}, array.integers};
    for (double value : array.floats) dual.floats.push_back({value, 0});
    duals[name] = std::move(dual);
  }
  return duals;
}

/// d total / d x for each element of the float leaf `name`, where total is the first result, rank
/// 0.
std::vector<double> by_duals(const Graph& graph, const Environment<double>& values,
                             const std::string& name, const EvalContext& context) {
  Environment<Dual> duals = as_duals(values);
  std::vector<double> derivative;
  for (size_t i = 0; i < duals[name].floats.size(); ++i) {
    duals[name].floats[i].tangent = 1;
    auto all = eval<Dual>(graph, duals, context);
    derivative.push_back(all[graph.results[0].value].floats[0].tangent);
    duals[name].floats[i].tangent = 0;
  }
  return derivative;
}

std::vector<int64_t> all_dims(const TensorType& type) {
  std::vector<int64_t> dims;
  for (size_t i = 0; i < type.rank(); ++i) dims.push_back(static_cast<int64_t>(i));
  return dims;
}

/// A value that is differentiated, with its seed, and the scalar sum(y * seed) that has the same
/// derivative: what duals see.
struct Weighed {
  NodeId y, seed, total;
};

/// The elements of x weigh unequally, by a new input.
Weighed weighed(GraphBuilder& builder, NodeId x, const std::string& name, int64_t n,
                Environment<double>& values, std::mt19937_64& random) {
  const TensorType type = builder.type(x);
  NodeId weights = builder.make(OpKind::Input, {}, {{AttrName::Name, name}}, &type);
  values[name] = test::sample_array<double>({.type = type, .low = -1, .high = 1}, n, random);
  return {x, weights, builder.sum(builder.mul(x, weights), all_dims(type))};
}

void set_result(Graph& graph, NodeId value) { graph.results = {{ResultKind::Value, "", value}}; }

/// The graph of a sample with its inputs by name.
struct Case {
  Graph graph;
  Environment<double> values;
  std::vector<NodeId> variables;  // float operands
  EvalContext context;
  Weighed result;
};

Case make_case(const OpSample& sample) {
  Case made;
  made.graph = test::sample_graph(sample);
  made.values = test::sample_values<double>(sample, kSeed);
  made.context.n = made.context.capacity = sample.n;
  for (size_t i = 0; i < sample.operands.size(); ++i) {
    if (is_float(sample.operands[i].type.dtype)) made.variables.push_back(NodeId(i));
  }
  GraphBuilder builder(made.graph);
  std::mt19937_64 random(kSeed + 1);
  made.result =
      weighed(builder, made.graph.results[0].value, "weights", sample.n, made.values, random);
  return made;
}

/// Compares the derivative of `of.y` by `x` with duals. Returns "" or what is wrong.
std::string compare(const Case& made, const Weighed& of, NodeId x, double tolerance) {
  Graph plain = made.graph;
  set_result(plain, of.total);
  Graph graph = plain;
  GraphBuilder builder(graph);
  set_result(graph, builder.make(OpKind::Gradient, {of.y, x, of.seed}));
  std::vector<DerivativeProblem> none, problems;
  differentiate(plain, none);
  EXPECT_TRUE(none.empty());
  std::vector<double> expected =
      by_duals(plain, made.values, leaf_name(made.graph[x]), made.context);
  differentiate(graph, problems);
  std::vector<double> found(expected.size(), 0);
  if (!problems.empty()) {
    // Then the value must not move with x at all.
    if (problems[0].kind != DerivativeProblem::Kind::NoPath) return problems[0].message;
  } else {
    found = eval<double>(graph, made.values, made.context)[graph.results[0].value].floats;
  }
  for (size_t i = 0; i < expected.size(); ++i) {
    double error = std::abs(found[i] - expected[i]);
    if (!(error <= tolerance * std::max(1.0, std::abs(expected[i])))) {
      return "element " + std::to_string(i) + " by " + leaf_name(made.graph[x]) + ": " +
             std::to_string(found[i]) + ", duals give " + std::to_string(expected[i]);
    }
  }
  return "";
}

/// First derivatives by all variables; "" or the operator and what is wrong.
std::string check_first_order(const OpSample& sample) {
  Case made = make_case(sample);
  for (NodeId x : made.variables) {
    std::string problem = compare(made, made.result, x, kFirstOrder);
    if (!problem.empty()) return name_of(sample) + ": " + problem;
  }
  return "";
}

/// Derivatives of a weighed sum of the first derivatives, by variables and by the weights of y.
std::string check_second_order(const OpSample& sample) {
  Case made = make_case(sample);
  GraphBuilder builder(made.graph);
  std::mt19937_64 random(kSeed + 2);
  NodeId total;
  for (NodeId x : made.variables) {
    NodeId first = builder.make(OpKind::Gradient, {made.result.y, x, made.result.seed});
    std::string name = "weights" + leaf_name(made.graph[x]);
    NodeId each = weighed(builder, first, name, sample.n, made.values, random).total;
    total = total.valid() ? builder.add(total, each) : each;
  }
  Weighed second{total, builder.one_like(total), total};
  std::vector<NodeId> variables = made.variables;
  variables.push_back(made.result.seed);
  for (NodeId x : variables) {
    std::string problem = compare(made, second, x, kSecondOrder);
    if (!problem.empty()) return name_of(sample) + ", second order: " + problem;
  }
  return "";
}

bool has_derivative(const OpDef& row) {
  return row.differentiable == Differentiable::Yes && row.cls != OpClass::Derivative;
}

bool result_is_float(const OpSample& sample) {
  Graph graph = test::sample_graph(sample);
  return is_float(graph.type(graph.results[0].value).dtype);
}

bool takes_floats(const OpSample& sample) {
  return std::ranges::any_of(sample.operands, [](const test::SampleOperand& operand) {
    return is_float(operand.type.dtype);
  });
}

std::vector<OpSample> differentiable_samples(const OpDef& row) {
  std::vector<OpSample> samples;
  for (OpSample& sample : test::samples_of(row.kind, DType::F64)) {
    if (takes_floats(sample) && result_is_float(sample)) samples.push_back(std::move(sample));
  }
  return samples;
}

TEST(RowGradients, EveryOperatorHasSamples) {
  for (const OpDef* row : all_ops()) {
    if (row->cls == OpClass::Leaf || row->cls == OpClass::Derivative) continue;
    EXPECT_FALSE(test::samples_of(row->kind, DType::F64).empty()) << row->name;
    if (has_derivative(*row)) {
      EXPECT_FALSE(differentiable_samples(*row).empty()) << row->name;
    }
  }
}

TEST(RowGradients, FirstOrderAgreesWithDualNumbers) {
  for (const OpDef* row : all_ops()) {
    if (!has_derivative(*row)) continue;
    for (const OpSample& sample : differentiable_samples(*row)) {
      EXPECT_EQ(check_first_order(sample), "");
    }
  }
}

TEST(RowGradients, SecondOrderAgreesWithDualNumbers) {
  for (const OpDef* row : all_ops()) {
    if (!has_derivative(*row)) continue;
    for (const OpSample& sample : differentiable_samples(*row)) {
      EXPECT_EQ(check_second_order(sample), "");
    }
  }
}

/// The rule that a mutant changes; rules are plain functions and cannot carry it.
VjpRule right_rule = nullptr;

NodeId* first_wanted(Cotangents& cotangents, const VjpArgs& args) {
  for (size_t i = 0; i < cotangents.size(); ++i) {
    if (args.wanted[i] && cotangents[i].valid()) return &cotangents[i];
  }
  return nullptr;
}

Cotangents flipped_sign(GraphBuilder& g, const VjpArgs& args) {
  Cotangents cotangents = right_rule(g, args);
  NodeId* first = first_wanted(cotangents, args);
  *first = g.neg(*first);
  return cotangents;
}

Cotangents slightly_more(GraphBuilder& g, const VjpArgs& args) {
  Cotangents cotangents = right_rule(g, args);
  NodeId* first = first_wanted(cotangents, args);
  *first = g.mul(*first, g.constant_like(*first, 1 + 1e-8));
  return cotangents;
}

std::string check_mutant(const OpDef& row, VjpRule rule) {
  OpDef wrong = row;
  right_rule = row.vjp;
  wrong.vjp = rule;
  const OpDef* right = replace_op_def_for_test(row.kind, &wrong);
  std::string problem;
  for (const OpSample& sample : differentiable_samples(wrong)) {
    if (problem.empty()) problem = check_first_order(sample);
  }
  replace_op_def_for_test(row.kind, right);
  return problem;
}

TEST(RowGradients, AWrongRuleOfAnyRowIsFoundAndNamed) {
  for (const OpDef* row : all_ops()) {
    if (!has_derivative(*row)) continue;
    for (VjpRule mutant : {flipped_sign, slightly_more}) {
      std::string problem = check_mutant(*row, mutant);
      EXPECT_EQ(problem.find(row->name), 0u) << row->name << ": " << problem;
    }
  }
}

TEST(RowGradients, ARuleThatReadsWhatItDoesNotSaveIsRefused) {
  OpDef wrong = op_def(OpKind::Tanh);
  wrong.saves = Saves::Operands;
  const OpDef* right = replace_op_def_for_test(OpKind::Tanh, &wrong);
  EXPECT_THROW(check_first_order(differentiable_samples(wrong)[0]), InternalError);
  replace_op_def_for_test(OpKind::Tanh, right);
}

}  // namespace
}  // namespace gradus
