// The library's functions as numbers: graphs evaluated in f64 against formulas written here.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "autodiff/differentiate.h"
#include "eval/eval.h"
#include "lang/load.h"

namespace gradus::lang {
namespace {

using Numbers = std::vector<double>;

const Numbers kX = {0.5, -1.25, 2.0,  0.0,   -0.75, 3.5,
                    1.0, -2.0,  0.25, 0.125, -0.5,  1.5};  // 3 rows of 4

/// The output `y` of a model of x: float[batch, 4] whose body is `let y = <expression>`.
Numbers output(const std::string& expression, const std::string& before = "") {
  Loaded loaded = load_body("output y = " + expression, before);
  EXPECT_EQ(loaded.messages, "") << expression;
  if (!loaded.model) return {};
  Environment<double> leaves;
  leaves["x"] = {DType::F32, {3, 4}, kX, {}};
  EvalContext context;
  context.n = context.capacity = 3;
  Graph& predict = loaded.model->predict;
  std::vector<autodiff::DerivativeProblem> problems;
  autodiff::differentiate(predict, problems);
  EXPECT_TRUE(problems.empty()) << expression;
  auto initial = eval<double>(loaded.model->init, {}, EvalContext());
  for (const Result& result : loaded.model->init.results)
    leaves[result.name] = initial[result.value];
  return eval<double>(predict, leaves, context)[predict.results[0].value].floats;
}

void expect_near(const Numbers& found, const Numbers& expected, double tolerance = 1e-7) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i)
    EXPECT_NEAR(found[i], expected[i], tolerance) << "at " << i;
}

Numbers each(const std::function<double(double)>& f) {
  Numbers result;
  for (double x : kX) result.push_back(f(x));
  return result;
}

TEST(Library, Activations) {
  expect_near(output("relu(x)"), each([](double x) { return std::max(x, 0.0); }));
  expect_near(output("leaky_relu(x)"), each([](double x) { return x < 0 ? 0.01 * x : x; }));
  expect_near(output("gelu(x)"),
              each([](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); }));
  expect_near(output("gelu_tanh(x)"), each([](double x) {
                return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
              }));
  expect_near(output("silu(x)"), each([](double x) { return x / (1 + std::exp(-x)); }));
  expect_near(output("softplus(x)"), each([](double x) { return std::log(1 + std::exp(x)); }));
  expect_near(output("elu(x)"), each([](double x) { return x > 0 ? x : std::expm1(x); }));
  expect_near(output("selu(x)"), each([](double x) {
                return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x));
              }),
              1e-6);  // its constants are rounded to f32
  expect_near(output("mish(x)"),
              each([](double x) { return x * std::tanh(std::log1p(std::exp(x))); }));
  expect_near(output("log_sigmoid(40 * x)"), each([](double x) {
                return x < 0 ? 40 * x - std::log1p(std::exp(40 * x))
                             : -std::log1p(std::exp(-40 * x));
              }));
  auto cut = [](double x) { return std::clamp(x, 0.0, 6.0); };
  expect_near(output("relu6(3 * x)"), each([&](double x) { return cut(3 * x); }));
  expect_near(output("hard_sigmoid(3 * x)"), each([&](double x) { return cut(3 * x + 3) / 6; }));
  expect_near(output("hard_swish(3 * x)"),
              each([&](double x) { return 3 * x * cut(3 * x + 3) / 6; }));
}

TEST(Library, NormalDistribution) {
  const auto share = [](double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); };
  const auto density = [](double x) { return std::exp(-x * x / 2) / std::sqrt(2 * M_PI); };
  expect_near(output("normal_cdf(x)"), each(share));
  expect_near(output("normal_density(x)"), each(density));
  expect_near(output("grad(sum(normal_cdf(x)), x)"), each(density));
  expect_near(output("grad(sum(normal_density(x)), x)"),
              each([&](double x) { return -x * density(x); }));
  expect_near(output("0 * x + normal_cdf(-1.5) + normal_density(0.5)"),
              Numbers(12, share(-1.5) + density(0.5)), 1e-7);  // a number of the text is an f32
}

TEST(Library, SlopesOfGelu) {
  expect_near(output("grad(sum(gelu(x)), x)"), each([](double x) {
                return 0.5 * std::erfc(-x / std::sqrt(2.0)) +
                       x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
              }));
  const auto tanh_form = [](double x) {
    return x / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  };
  constexpr double kStep = 1e-5;
  expect_near(output("grad(sum(gelu_tanh(x)), x)"), each([&](double x) {
                return (tanh_form(x + kStep) - tanh_form(x - kStep)) / (2 * kStep);
              }));
}

/// First and second derivative at 0: where formulas have kinks and functions have none.
void expect_at_zero(const std::string& of_x, double first, double second) {
  const std::string slope =
      "fn slope(x: float[..., 4]) -> float[..., 4] { return grad(sum(" + of_x + "), x) }\n";
  expect_near(output("slope(0 * x)", slope), Numbers(12, first));
  const std::string curve =
      "fn curve(x: float[..., 4]) -> float[..., 4] { let s = slope(x)\n return grad(sum(s), x) }\n";
  expect_near(output("curve(0 * x)", slope + curve), Numbers(12, second));
}

TEST(Library, SlopesAtZero) {
  expect_at_zero("relu(x) * (x + 1)", 0, 0);
  expect_at_zero("leaky_relu(x, slope: 0.25) * (x + 1)", 0.25, 0.5);
  expect_at_zero("gelu(x)", 0.5, 2 / std::sqrt(2 * M_PI));
  expect_at_zero("gelu_tanh(x)", 0.5, std::sqrt(2 / M_PI));
  expect_at_zero("silu(x)", 0.5, 0.5);
  expect_at_zero("softplus(x)", 0.5, 0.25);
  expect_at_zero("elu(x)", 1, 1);
  expect_at_zero("elu(x, alpha: 0.5)", 0.5, 0.5);
  expect_at_zero("binary_cross_entropy(x, 0 * x + 0.75)", -0.25, 0.25);
  expect_at_zero("12 * huber(x, 0 * x)", 0, 1);
  expect_at_zero("12 * mse(x, 0 * x)", 0, 2);
}

/// What is not taken passes a derivative of 0, whatever its slope: infinite or NaN at 0 here.
TEST(Library, BranchesNotTaken) {
  expect_at_zero("where(x > 0, sqrt(x), 0)", 0, 0);
  expect_at_zero("where(x > 0, log(x), x)", 1, 0);
  expect_at_zero("where(x <= 0, 3 * x, 1 / x)", 3, 0);
  expect_at_zero("where(x > 0, x * log(x), 2 * x ^ 2)", 0, 4);
  expect_at_zero("where(x > 0, sqrt(x) ^ 3 / x, x + 1)", 1, 0);
  expect_at_zero("where(x > 0, softplus(log(x)), x ^ 2)", 0, 2);
  expect_at_zero("where(x > 0, where(x < 1, sqrt(x), log(x)), 0)", 0, 0);
  expect_at_zero("where(x > 0, reshape(sqrt(x), [..., 4]), 0)", 0, 0);
  expect_at_zero("where(x > 0, transpose(sqrt(transpose(x))), x)", 1, 0);
  expect_at_zero("maximum(sqrt(x), 1)", 0, 0);
  expect_at_zero("minimum(1 / abs(x), x)", 1, 0);
  expect_at_zero("max(concat([reshape(sqrt(x), [..., 4, 1]), reshape(x + 1, [..., 4, 1])], axis: -1), axis: -1)",
                 1, 0);
  expect_at_zero("where(sum(x) > 0, sqrt(sum(x)), 0) + 0 * x", 0, 0);
  expect_at_zero("reshape(where(reshape(sum(x), [1, 1]) > 0, reshape(sqrt(sum(x)), [1, 1]), x), [..., 4])", 1, 0);
  expect_at_zero("reshape(where(reshape(sum(x), [1, 1]) > 0, reshape(sqrt(sum(x)), [1, 1]), 0), []) + x", 1, 0);
  expect_at_zero("where(sum(abs(x), axis: -1, keep: true) > 0, x / sqrt(sum(x ^ 2, axis: -1, keep: true)), x)",
                 1, 0);
  expect_at_zero("where(sum(x, axis: -1) > 0, log(sum(sqrt(x), axis: -1)), 0)", 0, 0);
  expect_at_zero("x ^ stop_gradient(x)", 0, 0);
}

/// The product rule twice over: each jvp has a seed of its own, of whatever value.
TEST(Library, SeedsAreToldApart) {
  const std::string both =
      "fn both(x: float[..., 4]) -> float[..., 4] {\n  let u = stop_gradient(x)\n"
      "  let v = stop_gradient(x + 1)\n  let y = u ^ 2 * v\n"
      "  return jvp(y, u, v) + jvp(y, v, u)\n}\n";
  expect_near(output("both(x)", both), each([](double x) { return 2 * x * (x + 1) * (x + 1) + x * x * x; }));
  const std::string seeds =
      "fn seeds(x: float[..., 4]) -> float[..., 4] {\n  let u = stop_gradient(x)\n"
      "  let v = stop_gradient(x + 1)\n  let y = u ^ 2 * v\n"
      "  let s = fill(1, [..., 4])\n  let t = fill(1, [..., 4])\n"
      "  let a = sum(vjp(y, u, s))\n  let b = sum(vjp(y, v, t))\n"
      "  return grad(a, s) - grad(b, t)\n}\n";
  expect_near(output("seeds(x)", seeds), each([](double x) { return 2 * x * (x + 1) - x * x; }));
}

TEST(Library, SmallArgumentsKeepTheirDigits) {
  expect_near(output("1e8 * elu(0 * x - 1e-8)"), Numbers(12, -1), 1e-6);
  expect_near(output("1e8 * selu(0 * x - 1e-8)"), Numbers(12, -1.0507009873554805 * 1.6732632423543772), 1e-6);
  expect_near(output("expm1(x)"), each([](double x) { return std::expm1(x); }));
  expect_near(output("grad(sum(expm1(x)), x)"), each([](double x) { return std::exp(x); }));
}

/// Equal elements share what arrives.
TEST(Library, TiesShare) {
  expect_near(output("grad(sum(maximum(x, x)), x)"), Numbers(12, 1));
  const std::string largest =
      "fn largest(x: float[..., 4]) -> float[..., 4] { return grad(sum(max(x, axis: -1)), x) }\n";
  expect_near(output("largest(0 * x)", largest), Numbers(12, 0.25));
  const std::string larger =
      "fn larger(x: float[..., 4]) -> float[..., 4] { return grad(sum(maximum(x, 0)), x) }\n";
  expect_near(output("larger(0 * x)", larger), Numbers(12, 0.5));
}

/// What a call leaves as it is is still a value of its own: the derivative of z * x by z is x.
TEST(Library, CallsThatChangeNothingMakeValues) {
  for (const char* z : {"reshape(x, [..., 4])", "broadcast(x, [..., 4])", "transpose(x, 1, 1)",
                        "permute(x, [0, 1])", "x[:, :]", "x[:, 0:4]", "concat([x], axis: 1)",
                        "split(x, 1, axis: 1)", "float(x)", "pad(x, 0, 0, value: 1)"}) {
    SCOPED_TRACE(z);
    const std::string slope =
        "fn slope(x: float[..., 4]) -> float[..., 4] {\n  let z = " + std::string(z) +
        "\n  let y = sum(z * x)\n  return grad(y, z)\n}\n";
    expect_near(output("slope(x)", slope), kX);
  }
}

Numbers softmax_rows() {
  Numbers result;
  for (size_t r = 0; r < 3; ++r) {
    double sum = 0;
    for (size_t c = 0; c < 4; ++c) sum += std::exp(kX[4 * r + c]);
    for (size_t c = 0; c < 4; ++c) result.push_back(std::exp(kX[4 * r + c]) / sum);
  }
  return result;
}

TEST(Library, Softmax) {
  Numbers expected = softmax_rows();
  expect_near(output("softmax(x)"), expected);
  for (double& p : expected) p = std::log(p);
  expect_near(output("log_softmax(x)"), expected);
  expect_near(output("exp(log_softmax(1000 * x))[:, 2]"), {1, 0, 0});
}

TEST(Library, CrossEntropy) {
  Numbers p = softmax_rows(), plain, smooth;
  const size_t labels[] = {2, 1, 3};  // the largest of each row
  for (size_t r = 0; r < 3; ++r) {
    double at_label = -std::log(p[4 * r + labels[r]]), all = 0;
    for (size_t c = 0; c < 4; ++c) all -= std::log(p[4 * r + c]) / 4;
    plain.push_back(at_label);
    smooth.push_back(0.9 * at_label + 0.1 * all);
  }
  expect_near(output("cross_entropy(x, argmax(x, axis: 1))"), plain);
  expect_near(output("cross_entropy(x, argmax(x, axis: 1), smoothing: 0.1)"), smooth);
}

TEST(Library, BinaryCrossEntropy) {
  expect_near(output("binary_cross_entropy(x, 0 * x + 0.25)"), each([](double x) {
                return -0.25 * std::log(1 / (1 + std::exp(-x))) -
                       0.75 * std::log(1 / (1 + std::exp(x)));
              }));
}

TEST(Library, Norms) {
  Numbers layer, rms;
  for (size_t r = 0; r < 3; ++r) {
    double mean = 0, variance = 0, square = 0;
    for (size_t c = 0; c < 4; ++c) mean += kX[4 * r + c] / 4;
    for (size_t c = 0; c < 4; ++c) {
      variance += (kX[4 * r + c] - mean) * (kX[4 * r + c] - mean) / 4;
      square += kX[4 * r + c] * kX[4 * r + c] / 4;
    }
    for (size_t c = 0; c < 4; ++c) {
      layer.push_back((kX[4 * r + c] - mean) / std::sqrt(variance + 1e-5));
      rms.push_back(kX[4 * r + c] / std::sqrt(square + 1e-6));
    }
  }
  expect_near(output("layer_norm(x)"), layer);
  expect_near(output("rms_norm(x)"), rms);
}

TEST(Library, Losses) {
  double square = 0, absolute = 0, huber = 0;
  for (double x : kX) {
    square += x * x / 12;
    absolute += std::fabs(x) / 12;
    huber += (std::fabs(x) <= 1 ? 0.5 * x * x : std::fabs(x) - 0.5) / 12;
  }
  expect_near(output("fill(mse(x, 0 * x), [batch])"), {square, square, square});
  expect_near(output("fill(mae(x, 0 * x), [batch])"), {absolute, absolute, absolute});
  expect_near(output("fill(huber(x, 0 * x), [batch])"), {huber, huber, huber});
}

TEST(Library, SlicesSplitsAndJoins) {
  expect_near(output("x[:, ::-2]"), {0, -1.25, -2, 3.5, 1.5, 0.125});
  expect_near(output("parts(x)",
                     "fn parts(x: float[..., D]) { let (a, b) = split(x, 2); return concat([b, a], "
                     "axis: -1) }"),
              {2, 0, 0.5, -1.25, 1, -2, -0.75, 3.5, -0.5, 1.5, 0.25, 0.125});
  expect_near(output("pad(x, 1, 0, value: 7)[:, 0:2]"), {7, 0.5, 7, -0.75, 7, 0.25});
  expect_near(output("cumsum(x, exclusive: true)[:, 2]"), {-0.75, 2.75, 0.375});
  expect_near(output("transpose(fill(2, [3, 4]))[range(2), 1]"), {2, 2});
}

/// Causal attention with the model's own weights: a row does not see what comes after it.
TEST(Library, CausalAttentionLooksBackOnly) {
  Numbers whole = output(
      "reshape(attention(reshape(x, [batch, 2, 2]), heads: 1, causal: true), [batch, 4])[:, 0:2]");
  Numbers first = output(
      "reshape(attention(reshape(x * where(range(4) < 2, 1, 5), [batch, 2, 2]), heads: 1, causal: "
      "true), [batch, 4])[:, 0:2]");
  ASSERT_EQ(whole.size(), 6u);
  expect_near(first, whole);
  Numbers seeing = output(
      "reshape(attention(reshape(x * where(range(4) < 2, 1, 5), [batch, 2, 2]), heads: 1), [batch, "
      "4])[:, 0:2]");
  EXPECT_GT(std::fabs(seeing[0] - whole[0]), 1e-6);
}

TEST(Library, InitialisersHaveTheirSpread) {
  auto spread = [](const std::string& init) {
    Loaded loaded = load_body("param w: float[200, 100] = " + init + "\n output y = x");
    EXPECT_EQ(loaded.messages, "");
    const Graph& graph = loaded.model->init;
    Numbers w = eval<double>(graph, {}, EvalContext())[graph.results[0].value].floats;
    double mean = 0, square = 0;
    for (double v : w) mean += v / static_cast<double>(w.size());
    for (double v : w) square += (v - mean) * (v - mean) / static_cast<double>(w.size());
    EXPECT_NEAR(mean, 0, 0.05 * std::sqrt(square)) << init;
    return std::sqrt(square);
  };
  EXPECT_NEAR(spread("normal(std: 2)"), 2, 0.05);
  EXPECT_NEAR(spread("glorot_uniform()"), std::sqrt(2.0 / 300), 0.002);
  EXPECT_NEAR(spread("glorot_normal()"), std::sqrt(2.0 / 300), 0.002);
  EXPECT_NEAR(spread("he_uniform()"), std::sqrt(2.0 / 200), 0.002);
  EXPECT_NEAR(spread("he_normal()"), std::sqrt(2.0 / 200), 0.002);
  EXPECT_NEAR(spread("uniform(-1, 1)"), std::sqrt(1.0 / 3), 0.02);
}

}  // namespace
}  // namespace gradus::lang
