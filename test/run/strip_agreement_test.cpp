// Attention as strips in compiled code: the exact evaluator's bits for lengths around tiles and
// vectors, on this machine's vectors and on narrower ones, in shuffled items of several workers.
#include <gtest/gtest.h>

#include "kernel/attention_graph.h"
#include "run/step_case.h"

namespace gradus::run {
namespace {

EvalContext sizes() {
  EvalContext context;
  context.n = 3, context.capacity = 4;
  context.step = 1, context.steps = 1;
  return context;
}

void expect_agreement(const char* cpu, const test::Attention& attention) {
  const Target target = cpu == nullptr ? codegen::detect_host() : *codegen::named_target(cpu);
  if (target.lanes > codegen::detect_host().lanes) return;
  SCOPED_TRACE(fmt::format("{} length {} width {} causal {} dropout {}", target.cpu, attention.length,
                           attention.width, attention.causal, attention.dropout));
  const StepCase step(test::graph_of(attention), target, sizes(), 5);
  const auto jit = codegen::compile_jit({step.unit("step")}, target);
  ASSERT_EQ(step.compiled(jit->find("step")), "") << step.kernels();
  Shuffler shuffler{std::mt19937_64(3), 3};
  ASSERT_EQ(step.compiled(jit->find("step"), {3, &shuffler, Shuffler::parallel_for}), "");
}

TEST(StripAgreement, OfLengthsAndWidths) {
  for (int64_t length : {3, 8, 16, 24, 33, 64, 80}) {
    for (bool causal : {true, false}) {
      expect_agreement(nullptr, {.length = length, .width = length % 5 + 6, .causal = causal});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(StripAgreement, OfDroppedShares) {
  for (int64_t length : {3, 16, 33, 64, 80}) {
    for (bool causal : {true, false}) {
      expect_agreement(nullptr, {.length = length, .width = 9, .causal = causal, .dropout = true});
      if (HasFatalFailure()) return;
    }
  }
}

TEST(StripAgreement, OnOtherVectors) {
  for (const char* cpu : {"x86-64-v2", "x86-64-v3"}) {
    for (int64_t length : {7, 32, 50}) {
      expect_agreement(cpu, {.length = length, .width = 16, .causal = true});
      if (HasFatalFailure()) return;
    }
  }
}

/// Products longer than a chunk of the sum have no bands.
TEST(StripAgreement, OfRowsLongerThanAChunk) {
  test::Attention attention{.length = 1040, .heads = 1, .width = 8, .causal = true};
  attention.backward = false;
  expect_agreement(nullptr, attention);
}

}  // namespace
}  // namespace gradus::run
