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

/// A model with tanh, exp, a product of matrices and a sum.
pipeline::GradientReport check_model() {
  SourceMap sources;
  int32_t file = sources.add("m.grad",
                             "model m(x: float[batch, 3], y: float[batch, 2]) {\n"
                             "  let hidden = tanh(dense(x, 4))\n"
                             "  loss mse(exp(dense(hidden, 2)), y)\n"
                             "}\n");
  DiagEngine diags(sources);
  std::optional<lang::Model> model = lang::load_model(sources, file, {}, diags);
  if (!model) throw std::runtime_error(diags.render(false));
  pipeline::GradientReport report =
      pipeline::check_gradients(*model, codegen::detect_host(), {}, diags);
  if (diags.has_errors()) throw std::runtime_error(diags.render(false));
  return report;
}

using Names = std::vector<std::string>;

TEST(WrongDerivative, RightRowsPass) {
  pipeline::GradientReport report = check_model();
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.tensors.size(), 4u);
  EXPECT_EQ(report.wrong_operators, Names{});
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
    EXPECT_EQ(tensor.difference_agrees, tensor.path.find("hidden") == std::string::npos)
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

}  // namespace
}  // namespace gradus::run
