// Curves against what calculus says: each derivative against dual numbers of the one before at
// every sample, corners and jumps at their places to the last bit, gaps where there is no value.
#include "pipeline/function_curves.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "eval/eval.h"
#include "lang/load_functions.h"

namespace gradus::pipeline {
namespace {

constexpr double kTiny = std::numeric_limits<double>::denorm_min();

struct Plotted {
  std::string messages;
  std::optional<Graph> joint;
  Curves curves;

  /// The index of the sample at x, which must be there.
  size_t at(double x) const {
    for (size_t i = 0; i < curves.x.size(); ++i) {
      if (curves.x[i] == x) return i;
    }
    ADD_FAILURE() << "no sample at " << x;
    return 0;
  }
  double y(size_t result, double x) const { return curves.y[result][at(x)]; }
};

Plotted plot(const std::vector<std::string>& texts, int64_t order, double from = -8,
             double to = 8) {
  SourceMap sources;
  DiagEngine diags(sources);
  Plotted out;
  std::optional<Graph> functions = lang::load_functions(sources, texts, {}, diags);
  if (functions) out.joint = add_derivatives(*functions, order, diags);
  out.messages = diags.render(false);
  if (out.joint) out.curves = sample_curves(*out.joint, from, to);
  return out;
}

/// Tangents of result k against the values of result k + 1. Dual numbers take one of two equal
/// operands of a maximum, derivatives share: `at_ties` are the places left out.
void expect_dual_numbers(const std::string& text, int64_t order, double from, double to,
                         const std::vector<double>& at_ties = {}) {
  SCOPED_TRACE(text);
  const Plotted plotted = plot({text}, order, from, to);
  ASSERT_EQ(plotted.messages, "");
  for (size_t i = 0; i < plotted.curves.x.size(); ++i) {
    const double x = plotted.curves.x[i];
    if (std::ranges::find(at_ties, x) != at_ties.end()) continue;
    Environment<Dual> leaves;
    leaves["x"] = {.dtype = DType::F64, .sizes = {}, .floats = {{x, 1}}, .integers = {}};
    const auto values = eval<Dual>(*plotted.joint, leaves, {});
    for (int64_t k = 0; k < order; ++k) {
      const Dual dual = values[plotted.joint->results[static_cast<size_t>(k)].value].floats[0];
      const double derivative = plotted.curves.y[static_cast<size_t>(k) + 1][i];
      if (std::isnan(dual.tangent) && std::isnan(derivative)) continue;
      if (std::isnan(dual.value) && std::isnan(derivative)) continue;
      if (dual.tangent == derivative) continue;  // infinities too
      EXPECT_NEAR(derivative, dual.tangent,
                  2e-13 * (1 + std::abs(dual.tangent) + std::abs(dual.value)))
          << "order " << k + 1 << " at " << x;
    }
  }
  EXPECT_GT(plotted.curves.x.size(), 800u);
}

TEST(FunctionCurves, DerivativesAreThoseOfDualNumbersAtEverySample) {
  for (const char* text : {"relu(x)",
                           "leaky_relu(x)",
                           "sigmoid(x)",
                           "tanh(x)",
                           "gelu(x)",
                           "gelu_tanh(x)",
                           "silu(x)",
                           "elu(x)",
                           "selu(x)",
                           "relu6(x)",
                           "hard_sigmoid(x)",
                           "hard_swish(x)",
                           "erf(x)",
                           "normal_cdf(x)",
                           "x ^ 3 - 2 * x",
                           "abs(x) * x",
                           "sin(x) / (1 + x ^ 2)",
                           "where(x < 1.1, x, 2 * x)",
                           "exp(-x ^ 2 / 2)",
                           "1 / (x - 9)"}) {
    expect_dual_numbers(text, 2, -8, 8);
  }
  // The parts of softplus have corners at 0, which its custom vjp knows to be none of the
  // whole.
  for (const char* text : {"softplus(x)", "mish(x)", "log_sigmoid(x)"}) {
    expect_dual_numbers(text, 2, -8, 8, {0});
  }
  expect_dual_numbers("maximum(x, 0.3)", 1, -8, 8, {0.3});
  expect_dual_numbers("sqrt(x)", 2, 1e-3, 8);
  expect_dual_numbers("log(x)", 3, 1e-3, 8);
}

TEST(FunctionCurves, NumbersKeepTheirDigits) {
  const Plotted plotted = plot({"0.1 * x", "leaky_relu(x)"}, 1);
  EXPECT_EQ(plotted.y(1, 8), 0.1);
  EXPECT_EQ(plotted.y(3, -8), 0.01);
}

TEST(FunctionCurves, TheCornerOfReluAndTheJumpOfItsSlopeAreExact) {
  const Plotted relu = plot({"relu(x)"}, 1);
  EXPECT_EQ(relu.y(0, 0), 0);
  EXPECT_EQ(relu.y(1, 0), 0);  // the derivative at 0 is 0
  EXPECT_EQ(relu.y(1, kTiny), 1);
  const size_t corner = relu.at(0);
  EXPECT_EQ(relu.curves.x[corner + 1], kTiny);
  EXPECT_TRUE(relu.curves.joined(0, corner));
  EXPECT_FALSE(relu.curves.joined(1, corner));
  ASSERT_EQ(relu.curves.jumps.size(), 1u);
  EXPECT_EQ(relu.curves.jumps[0].result, 1u);
  EXPECT_EQ(relu.curves.jumps[0].sample, corner);
  EXPECT_FALSE(relu.curves.jumps[0].belongs_to_next);
}

TEST(FunctionCurves, PlacesThatNoGridHitsAreFound) {
  // The tie of `maximum` shares: half the slope at one number, alone between two jumps.
  const Plotted least = plot({"maximum(x, 0.3)"}, 1);
  const size_t tie = least.at(0.3);
  EXPECT_EQ(least.curves.y[1][tie - 1], 0);
  EXPECT_EQ(least.curves.y[1][tie], 0.5);
  EXPECT_EQ(least.curves.y[1][tie + 1], 1);
  EXPECT_EQ(least.curves.x[tie - 1], std::nextafter(0.3, 0));
  EXPECT_EQ(least.curves.x[tie + 1], std::nextafter(0.3, 1));
  const Plotted steps = plot({"floor(x)"}, 0, 0.5, 3.5);
  EXPECT_EQ(steps.curves.jumps.size(), 3u);
  for (const Curves::Jump& jump : steps.curves.jumps) EXPECT_TRUE(jump.belongs_to_next);
}

TEST(FunctionCurves, WhatIsNotFiniteIsAGap) {
  const Plotted root = plot({"sqrt(x)"}, 1, -1, 1);
  const size_t zero = root.at(0);
  EXPECT_TRUE(std::isnan(root.curves.y[0][zero - 1]));
  EXPECT_EQ(root.curves.x[zero - 1], -kTiny);
  EXPECT_FALSE(root.curves.joined(0, zero - 1));
  EXPECT_TRUE(root.curves.joined(0, zero));
  EXPECT_TRUE(std::isinf(root.curves.y[1][zero]));
  EXPECT_FALSE(root.curves.joined(1, zero));
  const Plotted log = plot({"log(x)"}, 1, -1, 1);
  EXPECT_TRUE(std::isnan(log.y(1, -1))) << "no slope where there is no value";
}

TEST(FunctionCurves, NothingIsDrawnAcrossAPole) {
  for (const char* text : {"1 / x", "1 / (x - 0.123)", "sin(x) / cos(x)"}) {
    SCOPED_TRACE(text);
    const Plotted plotted = plot({text}, 1, -3, 3);
    const Curves& curves = plotted.curves;
    for (size_t i = 0; i + 1 < curves.x.size(); ++i) {
      const bool across = curves.y[0][i] * curves.y[0][i + 1] < -100;
      EXPECT_FALSE(across && curves.joined(0, i)) << curves.x[i];
    }
    EXPECT_LT(curves.ranges[0].second, 60);
    EXPECT_GT(curves.ranges[0].first, -60);
  }
}

TEST(FunctionCurves, ANarrowBumpIsSeenWhole) {
  const Plotted bump = plot({"exp(-(100 * (x - 0.3)) ^ 2)"}, 0);
  EXPECT_GT(bump.curves.ranges[0].second, 0.3);
  EXPECT_GT(std::ranges::max(bump.curves.y[0]), 0.99);
}

TEST(FunctionCurves, WithoutAPathTheDerivativeIsZero) {
  const Plotted flat = plot({"3", "relu(x)", "2 * x"}, 2);
  ASSERT_EQ(flat.messages, "");
  for (size_t i = 0; i < flat.curves.x.size(); ++i) {
    EXPECT_EQ(flat.curves.y[1][i], 0);
    EXPECT_EQ(flat.curves.y[5][i], 0);
    EXPECT_EQ(flat.curves.y[8][i], 0);
  }
  EXPECT_NE(plot({"floor(x)"}, 1).messages.find("`floor` has no derivative"), std::string::npos);
  EXPECT_EQ(plot({"floor(x)"}, 0).messages, "");
}

TEST(FunctionCurves, AnyRangeIsSampled) {
  for (const auto& [from, to] :
       {std::pair{-1e299, 1e299}, std::pair{5e-324, 1e-322}, std::pair{1e9, 1e9 + 1}}) {
    const Plotted plotted = plot({"abs(x)", "1 / x"}, 2, from, to);
    EXPECT_EQ(plotted.curves.x.front(), from);
    EXPECT_EQ(plotted.curves.x.back(), to);
    EXPECT_TRUE(std::ranges::is_sorted(plotted.curves.x));
  }
}

}  // namespace
}  // namespace gradus::pipeline
