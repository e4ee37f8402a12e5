// Launches are told in the user's names.
#include "pipeline/describe.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "codegen/codegen.h"
#include "lang/load.h"
#include "pipeline/compile_model.h"

namespace gradus::pipeline {
namespace {

TEST(DescribeLaunch, NamesPlacesOperatorsAndParameters) {
  lang::Loaded loaded = lang::load_text(
      "model m(x: float[batch, 64], label: int[batch]) {\n"
      "  let hidden = relu(dense(x, 32))\n"
      "  loss mean(cross_entropy(dense(hidden, 10), label))\n"
      "}\n"
      "train { optimizer = sgd(rate: 0.1) }\n");
  ASSERT_TRUE(loaded.model) << loaded.messages;
  SourceMap sources;
  DiagEngine diags(sources);
  const auto compiled = compile_graph(function_graph(*loaded.model, Function::Train),
                                      *codegen::named_target("x86-64-v3"), {}, diags);
  ASSERT_TRUE(compiled);
  std::vector<std::string> told;
  for (const plan::Launch& launch : compiled->program.launches)
    told.push_back(describe_launch(compiled->ordered, compiled->program, launch));
  const auto has = [&](const char* text) { return std::ranges::count(told, text) == 1; };
  EXPECT_TRUE(has("hidden.dense: matmul")) << testing::PrintToString(told);
  EXPECT_TRUE(has("hidden.dense: matmul backward, updates hidden.w"))
      << testing::PrintToString(told);
}

}  // namespace
}  // namespace gradus::pipeline
