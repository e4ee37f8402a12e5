// Schedules, optimizers and what gradients and weights pass through, as numbers over several steps:
// graphs evaluated in f64 against formulas written here.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autodiff/differentiate.h"
#include "graph/eval.h"
#include "lang/load.h"

namespace gradus::lang {
namespace {

constexpr int64_t kSteps = 40;
constexpr double kTolerance = 1e-6;  // numbers of the library are held in f32

/// Trains two weights on the loss w * g, so that g is the gradient, and tells what was stored.
class Training {
 public:
  explicit Training(const std::string& train) {
    Loaded loaded = load_text(
        "model m(g: float[2]) {\n  param w: float[2] = zeros()\n  loss sum(w * g)\n}\n"
        "train {\n  steps = 40\n" +
        train + "\n}\n");
    EXPECT_EQ(loaded.messages, "");
    graph_ = loaded.model->train;
    std::vector<autodiff::DerivativeProblem> problems;
    autodiff::differentiate(graph_, problems);
    EXPECT_TRUE(problems.empty());
    for (const Node& node : graph_.nodes) {
      if (is_leaf(node) && (node.op == OpKind::Param || node.op == OpKind::State))
        kept_[leaf_name(node)] = {DType::F32, {2}, {0, 0}, {}};
    }
  }

  void step(int64_t number, double first, double second) {
    kept_["g"] = {DType::F32, {2}, {first, second}, {}};
    EvalContext context;
    context.step = number;
    context.steps = kSteps;
    const auto all = eval<double>(graph_, kept_, context);
    for (const Result& result : graph_.results) {
      if (result.kind == ResultKind::Update) kept_[result.name] = all[result.value];
    }
  }
  double operator[](const std::string& path) const { return kept_.at(path).floats[0]; }
  double second(const std::string& path) const { return kept_.at(path).floats[1]; }

 private:
  Graph graph_;
  Environment<double> kept_;
};

/// The rate of each step: how far a gradient of -1 moves the weight.
void expect_rates(const std::string& schedule, const std::function<double(double)>& formula) {
  Training training("  optimizer = sgd(rate: " + schedule + ")");
  double before = 0;
  for (int64_t step = 1; step <= kSteps + 2; ++step) {
    training.step(step, -1, 0);
    EXPECT_NEAR(training["w"] - before, formula(static_cast<double>(step)), kTolerance)
        << schedule << " at step " << step;
    before = training["w"];
  }
}

double half_cosine(double share) { return (1 + std::cos(M_PI * share)) / 2; }

TEST(TrainFunctions, RatesThatRise) {
  expect_rates("constant_rate(rate: 0.3)", [](double) { return 0.3; });
  expect_rates("ramp(warmup: 8)", [](double s) { return s < 8 ? s / 8 : 1; });
  expect_rates("warmup(peak: 0.5, warmup: 8)", [](double s) { return 0.5 * std::min(s / 8, 1.0); });
}

TEST(TrainFunctions, RatesThatFall) {
  expect_rates("step_decay(peak: 0.5, every: 10, factor: 0.2)", [](double s) {
    double rate = 0.5;
    for (; s > 10; s -= 10) rate *= 0.2;
    return rate;
  });
  expect_rates("exponential(peak: 0.5, every: 10, factor: 0.2)",
               [](double s) { return 0.5 * std::exp(std::log(0.2) * (s - 1) / 10); });
  expect_rates("cosine(peak: 0.5, warmup: 8, final: 0.1)", [](double s) {
    return s <= 8 ? 0.5 * s / 8 : 0.1 + 0.4 * half_cosine(std::min((s - 8) / 32, 1.0));
  });
  expect_rates("cosine(peak: 0.5)",
               [](double s) { return 0.5 * half_cosine(std::min(s / 40, 1.0)); });
}

TEST(TrainFunctions, OneCycleRisesAndFalls) {
  expect_rates("one_cycle(peak: 0.5, share: 0.25, start: 10, end: 100)", [](double s) {
    const double low = s <= 10 ? 0.05 : 0.005;
    const double share = s <= 10 ? 1 - s / 10 : std::min((s - 10) / 30, 1.0);
    return low + (0.5 - low) * half_cosine(share);
  });
}

/// Gradients that differ from step to step.
double gradient(int64_t step) { return std::sin(static_cast<double>(3 * step)) + 0.3; }

TEST(TrainFunctions, SgdWithMomentumAndDecay) {
  Training training("  optimizer = sgd(rate: 0.1, momentum: 0.9, decay: 0.2)");
  double w = 0, velocity = 0;
  for (int64_t step = 1; step <= 12; ++step) {
    training.step(step, gradient(step), 1);
    velocity = 0.9 * velocity + gradient(step) + 0.2 * w;
    w -= 0.1 * velocity;
    EXPECT_NEAR(training["w"], w, kTolerance);
    EXPECT_NEAR(training["w@velocity"], velocity, kTolerance);
  }
}

/// Adam with the decay in the gradient, or beside it.
void expect_adam(const std::string& optimizer, double in_gradient, double beside) {
  Training training("  optimizer = " + optimizer);
  double w = 0, m = 0, v = 0;
  for (int64_t step = 1; step <= 12; ++step) {
    training.step(step, gradient(step), 1);
    const double slope = gradient(step) + in_gradient * w;
    m = 0.8 * m + 0.2 * slope;
    v = 0.9 * v + 0.1 * slope * slope;
    const double mean = m / (1 - std::pow(0.8, step)), square = v / (1 - std::pow(0.9, step));
    w = w - 0.1 * beside * w - 0.1 * mean / (std::sqrt(square) + 1e-3);
    EXPECT_NEAR(training["w"], w, kTolerance);
  }
}

TEST(TrainFunctions, Adam) {
  expect_adam("adam(rate: 0.1, b1: 0.8, b2: 0.9, epsilon: 1e-3)", 0, 0);
  expect_adam("adam(rate: 0.1, b1: 0.8, b2: 0.9, epsilon: 1e-3, decay: 0.3)", 0.3, 0);
  expect_adam("adamw(rate: 0.1, b1: 0.8, b2: 0.9, epsilon: 1e-3, decay: 0.3)", 0, 0.3);
}

TEST(TrainFunctions, Clipping) {
  Training by_value("  optimizer = sgd(rate: 1)\n  gradient = clip_by_value(limit: 0.5)");
  by_value.step(1, 0.3, -0.7);
  EXPECT_NEAR(by_value["w"], -0.3, kTolerance);
  EXPECT_NEAR(by_value.second("w"), 0.5, kTolerance);
  Training by_norm("  optimizer = sgd(rate: 1)\n  gradient = clip_by_norm(limit: 1)");
  by_norm.step(1, 3, 4);
  EXPECT_NEAR(by_norm["w"], -0.6, kTolerance);
  EXPECT_NEAR(by_norm.second("w"), -0.8, kTolerance);
  by_norm.step(2, 0.3, 0);  // shorter than the limit: as it is
  EXPECT_NEAR(by_norm["w"], -0.9, kTolerance);
  by_norm.step(3, 0, 0);
  EXPECT_NEAR(by_norm["w"], -0.9, kTolerance);
}

TEST(TrainFunctions, MovingAverage) {
  Training training("  optimizer = sgd(rate: 1)\n  average = moving_average(decay: 0.75)");
  std::vector<double> weights;
  double w = 0;
  for (int64_t step = 1; step <= 12; ++step) {
    training.step(step, gradient(step), 1);
    weights.push_back(w -= gradient(step));
    double sum = 0, shares = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const double share = std::pow(0.75, static_cast<double>(weights.size() - 1 - i));
      sum += share * weights[i];
      shares += share;
    }
    EXPECT_NEAR(training["w@average"], sum / shares, kTolerance);
  }
}

}  // namespace
}  // namespace gradus::lang
