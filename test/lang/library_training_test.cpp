// Optimizers, schedules and what is done to gradients and weights, as numbers: steps of the training graph in f64
// against formulas written here.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "autodiff/differentiate.h"
#include "eval/eval.h"
#include "lang/load.h"

namespace gradus::lang {
namespace {

constexpr int kSteps = 20;

/// The parameter `path` after each step of a model with the parameter w = 2, whose loss has the slope a * w + b.
std::vector<double> steps_of(const std::string& train, double a, double b,
                             const std::string& path = "w", int steps = kSteps) {
  Loaded loaded = load_text("model m(x: float[batch]) {\n  param w: float[] = 2\n  loss " +
                            std::to_string(a / 2) + " * w ^ 2 + " + std::to_string(b) +
                            " * w + 0 * mean(x)\n}\ntrain { " + train + " }\n");
  EXPECT_EQ(loaded.messages, "") << train;
  if (!loaded.model) return {};
  Graph& graph = loaded.model->train;
  std::vector<autodiff::DerivativeProblem> problems;
  autodiff::differentiate(graph, problems);
  EXPECT_TRUE(problems.empty()) << train;
  Environment<double> leaves;
  leaves["x"] = {DType::F32, {1}, {0.0}, {}};
  auto initial = eval<double>(loaded.model->init, {}, EvalContext());
  for (const Result& result : loaded.model->init.results)
    leaves[result.name] = initial[result.value];
  std::vector<double> found;
  EvalContext context;
  context.steps = steps;
  for (context.step = 1; context.step <= steps; ++context.step) {
    auto values = eval<double>(graph, leaves, context);
    for (const Result& result : graph.results) {
      if (result.kind == ResultKind::Update) leaves[result.name] = values[result.value];
    }
    found.push_back(leaves.at(path).floats[0]);
  }
  return found;
}

/// `next` makes the next w of the last and its slope, in the step t (from 1).
void expect_steps(const std::string& train, double a, double b,
                  const std::function<double(double w, double g, int t)>& next) {
  std::vector<double> found = steps_of(train, a, b);
  ASSERT_EQ(found.size(), static_cast<size_t>(kSteps)) << train;
  double w = 2;
  for (int t = 1; t <= kSteps; ++t) {
    w = next(w, a * w + b, t);
    EXPECT_NEAR(found[static_cast<size_t>(t - 1)], w, 1e-5 * (1 + std::fabs(w)))
        << train << ", step " << t;
  }
}

TEST(LibraryTraining, Sgd) {
  expect_steps("optimizer = sgd(rate: 0.1)", 1, 0.5,
               [](double w, double g, int) { return w - 0.1 * g; });
  expect_steps("optimizer = sgd(rate: 0.1, decay: 0.2)", 1, 0.5,
               [](double w, double g, int) { return w - 0.1 * (g + 0.2 * w); });
  double v = 0;
  expect_steps("optimizer = sgd(rate: 0.1, momentum: 0.9)", 1, 0.5, [&](double w, double g, int) {
    v = 0.9 * v + g;
    return w - 0.1 * v;
  });
  v = 0;
  expect_steps("optimizer = sgd(rate: 0.1, momentum: 0.9, nesterov: true)", 1, 0.5,
               [&](double w, double g, int) {
                 v = 0.9 * v + g;
                 return w - 0.1 * (g + 0.9 * v);
               });
}

TEST(LibraryTraining, AdamAndItsKin) {
  double m = 0, s = 0;
  auto adam_step = [&](double g, int t) {
    m = 0.9 * m + 0.1 * g;
    s = 0.999 * s + 0.001 * g * g;
    return 0.05 * (m / (1 - std::pow(0.9, t))) / (std::sqrt(s / (1 - std::pow(0.999, t))) + 1e-8);
  };
  expect_steps("optimizer = adam(rate: 0.05)", 1, 0.5,
               [&](double w, double g, int t) { return w - adam_step(g, t); });
  m = s = 0;
  expect_steps("optimizer = adam(rate: 0.05, decay: 0.3)", 1, 0.5,
               [&](double w, double g, int t) { return w - adam_step(g + 0.3 * w, t); });
  m = s = 0;
  expect_steps("optimizer = adamw(rate: 0.05, decay: 0.3)", 1, 0.5, [&](double w, double g, int t) {
    return w - 0.05 * 0.3 * w - adam_step(g, t);
  });
}

/// A division takes as long as ten products: what is one number a step divides once.
TEST(LibraryTraining, AdamDividesEachElementOnce) {
  for (const char* optimizer : {"adam(rate: 0.05)", "adamw(rate: 0.05)"}) {
    Loaded loaded = load_text(
        "model m(x: float[batch]) {\n  param w: float[3] = fill(2, [3])\n  loss sum(w ^ 2) + 0 * "
        "mean(x)\n}\n"
        "train { optimizer = " +
        std::string(optimizer) + " }\n");
    ASSERT_EQ(loaded.messages, "");
    int divisions = 0;
    for (const Node& node : loaded.model->train.nodes) {
      divisions +=
          node.op == OpKind::Div && node.type.shape.size() == 1 && node.type.shape[0].value == 3;
    }
    EXPECT_EQ(divisions, 1) << optimizer;
  }
}

TEST(LibraryTraining, RatesOfEachElement) {
  double s = 0, v = 0;
  expect_steps("optimizer = rmsprop(rate: 0.02, keep: 0.9)", 1, 0.5, [&](double w, double g, int) {
    s = 0.9 * s + 0.1 * g * g;
    return w - 0.02 * g / (std::sqrt(s) + 1e-8);
  });
  s = 0;
  expect_steps("optimizer = rmsprop(rate: 0.02, momentum: 0.5, decay: 0.1)", 1, 0.5,
               [&](double w, double g, int) {
                 g += 0.1 * w;
                 s = 0.99 * s + 0.01 * g * g;
                 v = 0.5 * v + g / (std::sqrt(s) + 1e-8);
                 return w - 0.02 * v;
               });
  s = 0;
  expect_steps("optimizer = adagrad(rate: 0.3)", 1, 0.5, [&](double w, double g, int) {
    s += g * g;
    return w - 0.3 * g / (std::sqrt(s) + 1e-10);
  });
}

TEST(LibraryTraining, Clipping) {
  expect_steps("optimizer = sgd(rate: 0.1); gradient = clip_by_value(limit: 1.2)", 1, 0.5,
               [](double w, double g, int) { return w - 0.1 * std::clamp(g, -1.2, 1.2); });
  expect_steps("optimizer = sgd(rate: 0.1); gradient = clip_by_norm(limit: 1.2)", 1, 0.5,
               [](double w, double g, int) {
                 return w - 0.1 * g * std::min(1.0, 1.2 / std::fabs(g));
               });
}

TEST(LibraryTraining, MovingAverage) {
  std::vector<double> averages = steps_of(
      "optimizer = sgd(rate: 0.1); average = moving_average(decay: 0.8)", 1, 0.5, "w@average");
  ASSERT_EQ(averages.size(), static_cast<size_t>(kSteps));
  double w = 2, total = 0;
  for (int t = 1; t <= kSteps; ++t) {
    w -= 0.1 * (w + 0.5);
    total = 0.8 * total + 0.2 * w;
    EXPECT_NEAR(averages[static_cast<size_t>(t - 1)], total / (1 - std::pow(0.8, t)), 1e-5);
  }
}

/// With the slope 1 each step goes down by the rate.
void expect_rates(const std::string& schedule, const std::function<double(double t)>& rate) {
  expect_steps("optimizer = sgd(rate: " + schedule + ")", 0, 1,
               [&](double w, double, int t) { return w - rate(t); });
}

TEST(LibraryTraining, Schedules) {
  constexpr double kAll = kSteps;
  auto falls = [](double share) { return 0.5 * (1 + std::cos(M_PI * share)); };
  // 0 at the peak in step `top`, 1 one step after the last.
  auto fallen = [](double t, double top) { return (t - top) / (kAll + 1 - top); };
  expect_rates("constant_rate(0.3)", [](double) { return 0.3; });
  expect_rates("warmup(peak: 2, warmup: 4)", [](double t) { return t < 4 ? 2 * t / 4 : 2; });
  expect_rates("step_decay(peak: 2, every: 6)",
               [](double t) { return 2 * std::pow(0.1, std::floor((t - 1) / 6)); });
  expect_rates("exponential(peak: 2, every: 5, factor: 0.5)",
               [](double t) { return 2 * std::pow(0.5, (t - 1) / 5); });
  expect_rates("linear(peak: 2, warmup: 4, final: 0.5)", [&](double t) {
    return t < 4 ? 2 * t / 4 : 2 - 1.5 * fallen(t, 4);
  });
  expect_rates("linear(peak: 2)", [&](double t) { return 2 - 2 * fallen(t, 1); });
  expect_rates("cosine(peak: 2, warmup: 4, final: 0.5)", [&](double t) {
    return t < 4 ? 2 * t / 4 : 0.5 + 1.5 * falls(fallen(t, 4));
  });
  expect_rates("one_cycle(peak: 2, share: 0.25)", [&](double t) {
    double low = 2 / 25.0, last = 2 / 1e4;
    return t < 5 ? low + (2 - low) * (1 - falls((t - 1) / 4))
                 : last + (2 - last) * falls(fallen(t, 5));
  });
  expect_rates("0.3 * ramp(4)", [](double t) { return 0.3 * std::min(t / 4, 1.0); });
}

/// One convention: a schedule begins at its first value, and no step is spent on a rate of 0.
TEST(LibraryTraining, SchedulesBeginAndEndAlike) {
  for (const char* schedule : {"linear(peak: 2)", "cosine(peak: 2)", "step_decay(peak: 2, every: 3)",
                               "exponential(peak: 2, every: 3)", "warmup(peak: 2, warmup: 1)",
                               "linear(peak: 2, warmup: 1)", "cosine(peak: 2, warmup: 1)"}) {
    const std::string train = "optimizer = sgd(rate: " + std::string(schedule) + ")";
    EXPECT_NEAR(steps_of(train, 0, 1)[0], 2 - 2, 1e-6) << schedule;
    EXPECT_NEAR(steps_of(train, 0, 1, "w", 1)[0], 2 - 2, 1e-6) << schedule << ", one step";
    const std::vector<double> all = steps_of(train, 0, 1);
    EXPECT_LT(all[kSteps - 1], all[kSteps - 2]) << schedule << ", the last step";
  }
  EXPECT_NEAR(steps_of("optimizer = sgd(rate: one_cycle(peak: 2))", 0, 1)[0], 2 - 2 / 25.0, 1e-6);
  EXPECT_NEAR(steps_of("optimizer = sgd(rate: one_cycle(peak: 2))", 0, 1, "w", 1)[0], 0, 1e-6);
}

TEST(LibraryTraining, ArgumentsOutsideOfTheirRangeAreRefused) {
  const auto message = [](const std::string& train) {
    return load_text("model m(x: float[batch]) {\n  param w: float[] = 2\n  loss mean(w * x)\n}\n"
                     "train { " + train + " }\n").messages;
  };
  const std::pair<const char*, const char*> cases[] = {
      {"optimizer = adam(b1: 1)", "`b1` of `adam` is 1, expected a number from 0 to below 1"},
      {"optimizer = adam(b2: -0.5)", "`b2` of `adam` is -0.5, expected a number from 0 to below 1"},
      {"optimizer = adam(epsilon: 0)", "`epsilon` of `adam` is 0, expected a number above 0"},
      {"optimizer = adam(rate: -1)", "`rate` of `adam` is -1, expected a number from 0 on"},
      {"optimizer = adamw(b1: 2)", "`b1` of `adamw` is 2, expected a number from 0 to below 1"},
      {"optimizer = adamw(decay: -1)", "`decay` of `adamw` is -1, expected a number from 0 on"},
      {"optimizer = sgd(momentum: 1)", "`momentum` of `sgd` is 1, expected a number from 0 to below 1"},
      {"optimizer = sgd(rate: 0 / 0)", "nan, expected a number from 0 on"},
      {"optimizer = sgd(decay: -1)", "is -1, expected a number from 0 on"},
      {"optimizer = rmsprop(keep: 1)", "`keep` of `rmsprop` is 1, expected a number from 0 to below 1"},
      {"optimizer = adagrad(epsilon: 0)", "`epsilon` of `adagrad` is 0, expected a number above 0"},
      {"gradient = clip_by_norm(limit: 0)", "`limit` of `clip_by_norm` is 0, expected a number above 0"},
      {"gradient = clip_by_value(limit: -1)", "`limit` of `clip_by_value` is -1, expected a number above 0"},
      {"average = moving_average(decay: 1)",
       "`decay` of `moving_average` is 1, expected a number from 0 to below 1"},
      {"optimizer = sgd(rate: cosine(peak: -1))", "`peak` of `cosine` is -1, expected a number from 0 on"},
      {"optimizer = sgd(rate: step_decay(peak: 1, every: 0))",
       "`every` of `step_decay` is 0, expected a number above 0"},
      {"optimizer = sgd(rate: one_cycle(peak: 1, share: 2))",
       "`share` of `one_cycle` is 2, expected a number from 0 to 1"},
      {"optimizer = adam(); group(\"w\", b1: 1)", "`b1` of `adam` is 1, expected a number from 0 to below 1"},
  };
  for (const auto& [train, expected] : cases) {
    EXPECT_NE(message(train).find(expected), std::string::npos) << train << "\n" << message(train);
    EXPECT_NE(message(train).find("[bad-argument]"), std::string::npos) << train;
  }
  EXPECT_EQ(message("optimizer = sgd(rate: 0)"), "");
}

}  // namespace
}  // namespace gradus::lang
