// Dropout of the weights of attention: the library's function against one that is written out in the
// model, evaluated exactly and compiled, on several workers; nothing of it outside of training.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lang/load.h"
#include "run/step_case.h"

namespace gradus::run {
namespace {

/// Draws like the library's, applied in another way: by a factor that is 0 or 1.
constexpr const char* kWrittenOut =
    "fn attention(x: float[..., T, D], heads: int, causal: bool = false, dropout: float = 0) {\n"
    "  let qkv = dense(x, 3 * D)\n"
    "  let query = transpose(reshape(qkv[..., 0:D], [..., T, heads, D / heads]), -3, -2)\n"
    "  let key = transpose(reshape(qkv[..., D:2 * D], [..., T, heads, D / heads]), -3, -2)\n"
    "  let value = transpose(reshape(qkv[..., 2 * D:], [..., T, heads, D / heads]), -3, -2)\n"
    "  let scores = query @ transpose(key) * sqrt(heads / D)\n"
    "  let seen = masked_scores(scores, causal)\n"
    "  let weights = softmax(seen)\n"
    "  if training {\n"
    "    let kept = float(random_uniform([..., heads, T, T]) >= dropout)\n"
    "    weights = weights / (1 - dropout) * kept\n"
    "  }\n"
    "  let mixed = weights @ value\n"
    "  let projected = dense(reshape(transpose(mixed, -3, -2), [..., T, D]), D)\n"
    "  return projected\n"
    "}\n";

std::string model_text(const std::string& arguments) {
  return "model m(x: float[batch, 33, 16], y: float[batch, 33, 16]) {\n"
         "  loss mse(attention(attention(x, heads: 2" +
         arguments + "), heads: 4" + arguments +
         "), y)\n}\n"
         "train {\n  optimizer = sgd(rate: 0.1)\n  steps = 10\n}\n";
}

lang::Model load(const std::string& text) {
  lang::Loaded loaded = lang::load_text(text);
  if (!loaded.model) throw std::runtime_error(loaded.messages + text);
  return std::move(*loaded.model);
}

EvalContext sizes() {
  EvalContext context;
  context.n = 3, context.capacity = 4;
  context.steps = 10, context.step = 2;
  context.seed = 5;
  return context;
}

std::map<std::string, std::vector<float>> results_of(const StepCase& step) {
  std::map<std::string, std::vector<float>> values;
  for (const Result& result : step.lowered.ordered.results)
    values[result.name] = step.expected[result.value].floats;
  return values;
}

TEST(AttentionDropout, IsThatOfAModelWrittenOut) {
  const Target target = codegen::detect_host();
  for (const char* causal : {"true", "false"}) {
    SCOPED_TRACE(causal);
    const std::string text = model_text(fmt::format(", causal: {}, dropout: 0.3", causal));
    const StepCase library(load(text).train, target, sizes(), 11);
    const StepCase written(load(kWrittenOut + text).train, target, sizes(), library.leaves);
    EXPECT_EQ(results_of(library), results_of(written));
    const auto jit = codegen::compile_jit({library.unit("library"), written.unit("written")}, target);
    for (const StepCase* step : {&library, &written}) {
      const auto function = jit->find(step == &library ? "library" : "written");
      for (int32_t workers : {1, 2, 3}) {
        Shuffler shuffler{std::mt19937_64(3), workers};
        EXPECT_EQ(step->compiled(function, {workers, &shuffler, Shuffler::parallel_for}), "");
      }
    }
  }
}

TEST(AttentionDropout, DrawsAnewEachStepAndEachCall) {
  const Target target = codegen::detect_host();
  StepCase step(load(model_text(", dropout: 0.3")).train, target, sizes(), 11);
  const auto first = results_of(step);
  ++step.context.step;
  step.set_leaves(step.leaves);
  EXPECT_NE(results_of(step), first);
  const std::string graph = print_graph(step.lowered.ordered);
  for (const char* stream : {"stream=0", "stream=1"})
    EXPECT_NE(graph.find(stream), std::string::npos) << stream;
}

TEST(AttentionDropout, IsNothingOutsideOfTrainingOrWhereItIsZero) {
  const lang::Model plain = load(model_text(""));
  const lang::Model zero = load(model_text(", dropout: 0")), some = load(model_text(", dropout: 0.3"));
  EXPECT_EQ(print_graph(zero.train), print_graph(plain.train));
  EXPECT_EQ(print_graph(some.evaluate), print_graph(plain.evaluate));
  EXPECT_NE(print_graph(some.train), print_graph(plain.train));
}

}  // namespace
}  // namespace gradus::run
