// Every row of the operator table as compiled in f32 against f64: its value, its gradients and
// theirs. The gradients in f64 are checked with dual numbers in autodiff/row_gradients_test.cpp.
#include <gtest/gtest.h>

#include "ops/samples.h"
#include "run/derivatives.h"

namespace gradus::run {
namespace {

constexpr uint64_t kSeed = 20240612;

/// The samples of one row side by side in one graph, whose values are outputs: compiled at once.
class RowCase {
 public:
  explicit RowCase(const OpDef& row) {
    graph.name = "row";
    std::mt19937_64 random(kSeed);
    for (const test::OpSample& sample : test::samples_of(row.kind, DType::F32)) {
      context.n = context.capacity = sample.n;
      add(sample, random);
    }
  }
  bool empty() const { return graph.results.empty(); }

  Graph graph;
  NodeId total;  // the weighed sum of all values that have derivatives
  Environment<float> leaves;
  EvalContext context;

 private:
  void add(const test::OpSample& sample, std::mt19937_64& random) {
    GraphBuilder builder(graph);
    const std::string name = "sample " + std::to_string(graph.results.size());
    std::vector<NodeId> operands;
    for (size_t i = 0; i < sample.operands.size(); ++i) {
      const test::SampleOperand& operand = sample.operands[i];
      const std::string leaf = name + " x" + std::to_string(i);
      operands.push_back(builder.make(OpKind::Input, {}, {{AttrName::Name, leaf}}, &operand.type));
      leaves[leaf] = test::sample_array<float>(operand, sample.n, random);
    }
    const TensorType* given = sample.given ? &*sample.given : nullptr;
    const NodeId value = builder.make(sample.op, operands, sample.attrs, given);
    graph.results.push_back({ResultKind::Output, name, value});
    if (!is_float(builder.type(value).dtype) || !has_derivative(sample.op)) return;
    const NodeId each = builder.convert(weighed_sum(builder, value, name + " weight"), DType::F32);
    total = total.valid() ? builder.add(total, each) : each;
  }
  static bool has_derivative(OpKind op) { return op_def(op).differentiable == Differentiable::Yes; }
};

/// Weights and directions, which the derivatives add.
void add_missing(const Graph& graph, const EvalContext& context, Environment<float>& leaves) {
  for (auto& [name, array] : random_leaves(graph, context.n, kSeed + 1, {}))
    leaves.emplace(name, std::move(array));
}

/// The error of the compiled code; an integer that differs is one far beyond the limit.
double check(const OpDef& row, const Target& target) {
  RowCase made(row);
  Graph graph = made.total.valid() ? Derivatives(made.graph, made.total).graph : made.graph;
  add_missing(graph, made.context, made.leaves);
  const StepCase step(graph, target, made.context, made.leaves);
  const auto jit = codegen::compile_jit({step.unit("step")}, target);
  EXPECT_EQ(step.compiled(jit->find("step")), "");
  std::string where;
  const auto wide = wide_results(graph, widened(made.leaves), made.context);
  const double error = single_error(step, wide, where);
  EXPECT_LE(error, kSinglePrecision) << where << "\n" << print_graph(graph);
  return error;
}

TEST(RowAgreement, CompiledCodeIsNearF64) {
  const Target host = codegen::detect_host();
  double worst = 0;
  std::string worst_row;
  int rows = 0;
  for (const OpDef* row : all_ops()) {
    if (row->cls == OpClass::Leaf || row->cls == OpClass::Derivative) continue;
    SCOPED_TRACE(row->name);
    EXPECT_FALSE(RowCase(*row).empty());
    const double error = check(*row, host);
    ++rows;
    if (error <= worst) continue;
    worst = error;
    worst_row = row->name;
  }
  fmt::print("{} rows, largest error {:.1e} of `{}`\n", rows, worst, worst_row);
}

}  // namespace
}  // namespace gradus::run
