// Gradients against differences: many tensors in one move, one alone where they disagree.
#include "pipeline/compare_differences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "graph/builder.h"

namespace gradus::pipeline {
namespace {

constexpr int kTensors = 20, kEntries = 5, kDirections = 2;
constexpr size_t kSize = 8;

std::string name(int tensor) { return "w" + std::to_string(tensor); }

/// The sum of the sines of `kTensors` parameters; its gradient is their cosines.
class SumOfSines {
 public:
  explicit SumOfSines(OpKind of = OpKind::Sin) {
    const TensorType type{DType::F32, {Dim(kSize)}};
    GraphBuilder g(graph);
    NodeId total;
    for (int i = 0; i < kTensors; ++i) {
      const NodeId w = g.make(OpKind::Param, {}, {{AttrName::Name, name(i)}}, &type);
      const NodeId sum = g.sum(g.make(of, {w}), {0});
      total = total.valid() ? g.add(total, sum) : sum;
    }
    graph.results = {{ResultKind::Loss, "", total}};
    Random random(3);
    for (int i = 0; i < kTensors; ++i) {
      Array<double>& array = leaves[name(i)];
      array.sizes = {kSize};
      std::vector<double>& gradient = gradients.emplace_back();
      for (size_t k = 0; k < kSize; ++k) {
        array.floats.push_back(random.uniform());
        gradient.push_back(std::cos(array.floats.back()));
      }
    }
  }

  std::vector<DifferenceReport> compare(int* evaluations = nullptr) {
    const EvalContext context;
    const auto values = eval<double>(graph, leaves, context);
    std::vector<ComparedTensor> tensors;
    for (int i = 0; i < kTensors; ++i) {
      tensors.push_back({.path = name(i), .gradient = &gradients[static_cast<size_t>(i)]});
    }
    Random random(7);
    const int count =
        compare_differences({graph, leaves, values, context}, tensors, kEntries, kDirections, random);
    if (evaluations != nullptr) *evaluations = count;
    std::vector<DifferenceReport> found;
    for (const ComparedTensor& tensor : tensors) found.push_back(tensor.found);
    return found;
  }

  Graph graph;
  Environment<double> leaves;
  std::vector<std::vector<double>> gradients;
};

TEST(CompareDifferences, RightGradientsTakeTwoEvaluationsARound) {
  SumOfSines sines;
  int evaluations = 0;
  for (const DifferenceReport& tensor : sines.compare(&evaluations)) {
    EXPECT_TRUE(tensor.agrees);
    EXPECT_EQ(tensor.entries, kEntries);
    EXPECT_EQ(tensor.directions, kDirections);
    EXPECT_EQ(tensor.kinks, 0);
    EXPECT_GT(tensor.worst, 0);
    EXPECT_LT(tensor.worst, 1e-8);
  }
  EXPECT_EQ(evaluations, 2 * (kEntries + kDirections));
}

TEST(CompareDifferences, TheWrongTensorIsFoundAndOnlyIt) {
  for (size_t wrong : {0, 7, kTensors - 1}) {
    SumOfSines sines;
    // A little above the bound of a tensor alone: far below what 20 gradients together might hide.
    for (double& g : sines.gradients[wrong]) g += 1.1e-5 + 1.1e-3 * std::abs(g);
    int evaluations = 0;
    const auto found = sines.compare(&evaluations);
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].agrees, i != wrong) << i;
    EXPECT_LT(evaluations, 2 * (kEntries + kDirections) * kTensors) << "halves, not each alone";
  }
}

/// Errors that would add to nothing if tensors moved by equal amounts.
TEST(CompareDifferences, OppositeErrorsDoNotCancel) {
  SumOfSines sines;
  for (double& g : sines.gradients[4]) g += 0.01;
  for (double& g : sines.gradients[5]) g -= 0.01;
  const auto found = sines.compare();
  for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].agrees, i != 4 && i != 5) << i;
}

/// |x| has a kink at 0: one tensor stands there, which is counted and is no error.
TEST(CompareDifferences, AKinkIsCountedWhereItIs) {
  SumOfSines distances(OpKind::Abs);
  for (auto& gradient : distances.gradients) std::fill(gradient.begin(), gradient.end(), 1.0);
  for (double& x : distances.leaves["w3"].floats) x = 0;
  std::fill(distances.gradients[3].begin(), distances.gradients[3].end(), 0.5);
  const auto found = distances.compare();
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(found[i].agrees) << i;
    EXPECT_EQ(found[i].kinks, i == 3 ? kEntries + kDirections : 0) << i;
  }
}

}  // namespace
}  // namespace gradus::pipeline
