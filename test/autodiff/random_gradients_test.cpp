// Gradients of random graphs against dual numbers, first and second order, before and after the
// passes that rewrite; and rewriting keeps the bits.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "autodiff/differentiate.h"
#include "graph/text.h"
#include "ops/graph_text.h"
#include "ops/random_graph.h"
#include "opt/cse.h"
#include "opt/dce.h"
#include "opt/fold_constants.h"
#include "opt/form_fma.h"
#include "opt/simplify.h"
#include "opt/split_reductions.h"

namespace gradus {
namespace {

using autodiff::DerivativeProblem;
using test::RandomGraph;

constexpr int kGraphs = 60;
constexpr int kOperations = 18;
constexpr int64_t kRows = 3;

/// Adds the gradients by all leaves that the value depends on; their ids, or invalid ones.
std::vector<NodeId> add_gradients(Graph& graph, NodeId y, const std::vector<NodeId>& leaves) {
  std::vector<NodeId> gradients;
  for (NodeId leaf : leaves) {
    Graph trial = graph;
    GraphBuilder try_builder(trial);
    trial.results = {{ResultKind::Value, "",
                      try_builder.make(OpKind::Gradient, {y, leaf, try_builder.one_like(y)})}};
    std::vector<DerivativeProblem> problems;
    autodiff::differentiate(trial, problems);
    GraphBuilder builder(graph);
    bool exists = problems.empty();
    gradients.push_back(exists ? builder.make(OpKind::Gradient, {y, leaf, builder.one_like(y)})
                               : NodeId());
  }
  return gradients;
}

/// The direction of a leaf's change: some fixed numbers.
double direction(size_t leaf, size_t i) {
  return std::sin(static_cast<double>(7 * leaf + 3 * i + 1));
}

/// The change of the first result when all leaves move along `direction`.
double by_duals(Graph graph, const RandomGraph& random, const Environment<double>& values) {
  std::vector<DerivativeProblem> problems;
  autodiff::differentiate(graph, problems);
  Environment<Dual> duals;
  for (size_t leaf = 0; leaf < random.leaves.size(); ++leaf) {
    const std::string& name = leaf_name(random.graph[random.leaves[leaf]]);
    const Array<double>& from = values.at(name);
    Array<Dual> array{from.dtype, from.sizes, {}, {}};
    for (size_t i = 0; i < from.floats.size(); ++i)
      array.floats.push_back({from.floats[i], direction(leaf, i)});
    duals[name] = array;
  }
  EvalContext context{.n = kRows, .capacity = kRows};
  return eval<Dual>(graph, duals, context)[graph.results[0].value].floats[0].tangent;
}

/// The same from gradients that are results of the graph.
double by_gradients(const Graph& graph, const std::vector<size_t>& leaves,
                    const Environment<double>& values) {
  EvalContext context{.n = kRows, .capacity = kRows};
  auto all = eval<double>(graph, values, context);
  double change = 0;
  for (size_t k = 0; k < leaves.size(); ++k) {
    const std::vector<double>& gradient = all[graph.results[k].value].floats;
    for (size_t i = 0; i < gradient.size(); ++i) change += gradient[i] * direction(leaves[k], i);
  }
  return change;
}

void expect_near(double found, double expected, double tolerance, const Graph& graph) {
  EXPECT_LE(std::abs(found - expected), tolerance * std::max(1.0, std::abs(expected)))
      << found << " and by duals " << expected << "\n"
      << print_graph(graph);
}

/// Checks the gradients of `y` by all leaves, also after rewriting.
void check_gradients(Graph graph, NodeId y, RandomGraph& random, const Environment<double>& values,
                     double tolerance) {
  graph.results = {{ResultKind::Value, "", y}};
  double expected = by_duals(graph, random, values);
  std::vector<NodeId> gradients = add_gradients(graph, y, random.leaves);
  std::vector<size_t> leaves;
  graph.results.clear();
  for (size_t leaf = 0; leaf < gradients.size(); ++leaf) {
    if (!gradients[leaf].valid()) continue;
    leaves.push_back(leaf);
    graph.results.push_back({ResultKind::Value, "", gradients[leaf]});
  }
  if (leaves.empty()) return;
  std::vector<DerivativeProblem> problems;
  ASSERT_TRUE(autodiff::differentiate(graph, problems));
  test::expect_valid(graph, Stage::Joint);
  expect_near(by_gradients(graph, leaves, values), expected, tolerance, random.graph);
  opt::dce(graph);
  opt::fold_constants(graph);
  opt::simplify(graph);
  opt::cse(graph);
  opt::form_fma(graph);
  opt::split_reductions(graph, kRows);
  opt::cse(graph);
  opt::dce(graph);
  test::expect_valid(graph, Stage::Ordered);
  expect_near(by_gradients(graph, leaves, values), expected, tolerance, random.graph);
}

TEST(RandomGradients, FirstOrder) {
  for (uint64_t seed = 1; seed <= kGraphs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph random(seed, kOperations, DType::F64);
    Environment<double> values = random.values<double>(kRows);
    check_gradients(random.graph, random.loss, random, values, 1e-9);
  }
}

TEST(RandomGradients, SecondOrder) {
  for (uint64_t seed = 1; seed <= kGraphs / 2; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph random(1000 + seed, kOperations / 2, DType::F64);
    Environment<double> values = random.values<double>(kRows);
    Graph graph = random.graph;
    NodeId sum;
    for (NodeId gradient : add_gradients(graph, random.loss, random.leaves)) {
      if (!gradient.valid()) continue;
      GraphBuilder builder(graph);
      std::vector<int64_t> dims;
      for (size_t d = 0; d < builder.type(gradient).rank(); ++d)
        dims.push_back(static_cast<int64_t>(d));
      NodeId each = builder.sum(builder.mul(gradient, gradient), dims);
      sum = sum.valid() ? builder.add(sum, each) : each;
    }
    if (sum.valid()) check_gradients(graph, sum, random, values, 1e-7);
  }
}

std::vector<uint32_t> bits_of(const Array<float>& array) {
  std::vector<uint32_t> bits;
  for (float x : array.floats) bits.push_back(std::bit_cast<uint32_t>(x));
  return bits;
}

TEST(RandomGradients, RewritingKeepsTheBits) {
  for (uint64_t seed = 1; seed <= kGraphs; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph random(2000 + seed, kOperations, DType::F32);
    Environment<float> values = random.values<float>(kRows);
    Graph plain = random.graph;
    for (NodeId gradient : add_gradients(plain, random.loss, random.leaves)) {
      if (gradient.valid()) plain.results.push_back({ResultKind::Value, "", gradient});
    }
    std::vector<DerivativeProblem> problems;
    autodiff::differentiate(plain, problems);
    Graph rewritten = plain;
    opt::fold_constants(rewritten);
    opt::simplify(rewritten);
    opt::cse(rewritten);
    opt::dce(rewritten);
    opt::split_reductions(plain, kRows);
    opt::split_reductions(rewritten, kRows);
    EvalContext context{.n = kRows, .capacity = kRows};
    auto before = eval_exact(plain, values, context);
    auto after = eval_exact(rewritten, values, context);
    for (size_t k = 0; k < plain.results.size(); ++k) {
      EXPECT_EQ(bits_of(before[plain.results[k].value]), bits_of(after[rewritten.results[k].value]))
          << "result " << k << "\n"
          << print_graph(random.graph);
    }
  }
}

}  // namespace
}  // namespace gradus
