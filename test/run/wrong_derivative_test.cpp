// A wrong derivative row makes the check of gradients fail and name the operator, and only it.
#include <gtest/gtest.h>

#include "codegen/codegen.h"
#include "graph/builder.h"
#include "lang/model.h"
#include "pipeline/check_gradients.h"

namespace gradus::run {
namespace {

using G = GraphBuilder;
using A = VjpArgs;

/// Puts another row in the table for as long as it lives.
class ReplacedRow {
 public:
  ReplacedRow(OpKind kind, Cotangents (*vjp)(G&, const A&)) : kind_(kind), wrong_(op_def(kind)) {
    wrong_.vjp = vjp;
    right_ = replace_op_def_for_test(kind, &wrong_);
  }
  ~ReplacedRow() { replace_op_def_for_test(kind_, right_); }
  ReplacedRow(const ReplacedRow&) = delete;
  ReplacedRow& operator=(const ReplacedRow&) = delete;

 private:
  OpKind kind_;
  OpDef wrong_;
  const OpDef* right_;
};

pipeline::GradientReport check_text(const std::string& text,
                                    const pipeline::GradientCheckOptions& options = {}) {
  SourceMap sources;
  int32_t file = sources.add("m.grad", text);
  DiagEngine diags(sources);
  std::optional<lang::Model> model = lang::load_model(sources, file, {}, diags);
  if (!model) throw std::runtime_error(diags.render(false));
  pipeline::GradientReport report =
      pipeline::check_gradients(*model, codegen::detect_host(), options, diags);
  if (diags.has_errors()) throw std::runtime_error(diags.render(false));
  return report;
}

/// A model with tanh, exp, a product of matrices and a sum.
pipeline::GradientReport check_model() {
  return check_text(
      "model m(x: float[batch, 3], y: float[batch, 2]) {\n"
      "  let hidden = tanh(dense(x, 4))\n"
      "  loss mse(exp(dense(hidden, 2)), y)\n"
      "}\n");
}

using Names = std::vector<std::string>;

TEST(WrongDerivative, RightRowsPass) {
  pipeline::GradientReport report = check_model();
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.tensors.size(), 4u);
  EXPECT_EQ(report.wrong_operators, Names{});
}

/// The loss does not change with a bias of keys, nor with one before a norm: their gradients are 0 but
/// for rounding, of another size in f32 than in f64.
TEST(WrongDerivative, RoundingOfAGradientThatIsZeroPasses) {
  pipeline::GradientReport report = check_text(
      "model m(x: float[batch, 5, 4], y: float[batch, 5, 4]) {\n"
      "  let query = dense(x, 4)\n"
      "  let key = dense(x, 4)\n"
      "  let mixed = softmax(query @ transpose(key)) @ x\n"
      "  let normed = batch_norm(dense(reshape(mixed, [batch, 20]), 20))\n"
      "  loss mse(reshape(normed, [batch, 5, 4]), y)\n"
      "}\n");
  EXPECT_TRUE(report.passed());
  for (const pipeline::TensorCheck& tensor : report.tensors) {
    EXPECT_LT(tensor.jit_error, 1e-4) << tensor.path;
  }
}

TEST(WrongDerivative, APointwiseRowIsNamed) {
  ReplacedRow row(OpKind::Tanh, [](G& g, const A& a) -> Cotangents {
    return {g.mul(a.cotangent, g.sub(g.one_like(a.result), a.result))};
  });
  pipeline::GradientReport report = check_model();
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.wrong_operators, Names{"tanh"});
  // The second layer lies behind the tanh seen from the loss: its own gradients stay right.
  for (const pipeline::TensorCheck& tensor : report.tensors) {
    EXPECT_EQ(tensor.differences.agrees, tensor.path.find("hidden") == std::string::npos)
        << tensor.path;
  }
}

TEST(WrongDerivative, AWrongSignIsNamed) {
  ReplacedRow row(OpKind::Exp, [](G& g, const A& a) -> Cotangents {
    return {g.neg(g.mul(a.cotangent, a.result))};
  });
  pipeline::GradientReport report = check_model();
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.wrong_operators, Names{"exp"});
}

TEST(WrongDerivative, ARowThatIsALittleWrongIsNamed) {
  ReplacedRow row(OpKind::Exp, [](G& g, const A& a) -> Cotangents {
    NodeId right = g.mul(a.cotangent, a.result);
    return {g.mul(right, g.constant_like(right, 1.01))};
  });
  pipeline::GradientReport report = check_model();
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(report.wrong_operators, Names{"exp"});
}

/// `twist` and `keep` bring derivatives of their own; gelu, from the library, does too. `twist` returns its
/// argument itself, `keep` has two, one of them the result of the other function.
pipeline::GradientReport check_own(const std::string& twist, const std::string& keep,
                                   const pipeline::GradientCheckOptions& options = {}) {
  return check_text("fn twist(x: float[...]) -> float[...] { return x } vjp(seed) { return " + twist +
                        " }\n"
                        "fn keep(x: float[...], k: float[...]) -> float[...] { return sin(x) * k }\n"
                        "vjp(seed) { return " +
                        keep +
                        " }\n"
                        "model m(x: float[batch, 3], y: float[batch, 3]) {\n"
                        "  let h = twist(dense(x, 3))\n"
                        "  let v = keep(h, gelu(dense(h, 3)))\n"
                        "  loss mse(dense(v, 3), y)\n"
                        "}\n",
                    options);
}

Names names_of(const std::vector<pipeline::CustomVjp>& list) {
  Names names;
  for (const pipeline::CustomVjp& own : list) names.push_back(own.name);
  return names;
}

constexpr const char* kRight = "(seed * cos(x) * k, seed * sin(x))";

TEST(WrongCustomVjp, RightOnesPass) {
  pipeline::GradientReport report = check_own("seed", kRight);
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(names_of(report.wrong_functions), Names{});
}

TEST(WrongCustomVjp, TheFunctionIsNamedAndOnlyIt) {
  pipeline::GradientReport report = check_own("-seed", kRight);
  EXPECT_FALSE(report.passed());
  EXPECT_EQ(names_of(report.wrong_functions), Names{"twist"});
  EXPECT_EQ(report.wrong_operators, Names{});
  report = check_own("seed", "(seed * cos(x) * k, seed * cos(x))");
  EXPECT_EQ(names_of(report.wrong_functions), Names{"keep"});
}

TEST(WrongCustomVjp, WhatGoesThroughATrustedOneIsNotCompared) {
  pipeline::GradientReport report = check_own("-seed", kRight, {.trusted = {"twist"}});
  EXPECT_TRUE(report.passed());
  int compared = 0;
  for (const pipeline::TensorCheck& tensor : report.tensors) {
    EXPECT_EQ(tensor.trusted, tensor.path.starts_with("h.")) << tensor.path;
    compared += tensor.differences.entries > 0 ? 1 : 0;
  }
  EXPECT_EQ(compared, 4) << "those behind the trusted function seen from the loss are";
}

}  // namespace
}  // namespace gradus::run
