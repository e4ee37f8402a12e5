// Random graphs in every way that there is to run them: the exact evaluator, the interpreter of
// kernels, code in this process, a linked object; on this machine's vectors and on older ones, by
// one thread and by several. All agree bit for bit, and with the evaluator in f64 within the error
// stated here.
//
// GRADUS_SEED and GRADUS_GRAPHS choose other graphs and more of them.
#include <gtest/gtest.h>

#include <memory>

#include "run/histogram.h"
#include "run/linked_object.h"
#include "run/random_model.h"
#include "runtime/thread_pool.h"

namespace gradus::run {
namespace {

// |f32 - f64| of a result's element, over 1 + its largest element: sums of some thousand terms, a
// few layers deep, round to about 1e-6. Results behind a step (floor, a comparison) jump and are
// left out.
constexpr double kWideError = 2e-5;
constexpr uint64_t kGraphs = 200;

uint64_t number_from(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::stoull(text) : fallback;
}

struct Range {
  uint64_t first = number_from("GRADUS_SEED", 1);
  uint64_t count = number_from("GRADUS_GRAPHS", kGraphs);
  uint64_t end() const { return first + count; }
};

EvalContext sizes_of(uint64_t seed) {
  static constexpr int64_t kCapacities[] = {1, 2, 5, 7, 16, 17, 33, 64, 65, 130};
  EvalContext context;
  context.capacity = seed % 25 == 7 ? 1300 : kCapacities[seed * 7 % std::size(kCapacities)];
  context.n = seed % 2 ? context.capacity : 1 + static_cast<int64_t>(seed * 31) % context.capacity;
  context.step = 3, context.steps = 10, context.epoch = 2;
  context.seed = static_cast<uint32_t>(seed * 77);
  return context;
}

std::unique_ptr<StepCase> make_case(uint64_t seed, const Target& target) {
  const EvalContext context = sizes_of(seed);
  RandomModel model(seed, context.capacity);
  return std::make_unique<StepCase>(model.graph, target, context, seed, model.ranges);
}

std::string name_of(uint64_t seed, const StepCase& step) {
  return fmt::format("GRADUS_SEED={} GRADUS_GRAPHS=1, n {} of {}, {}\n{}", seed, step.context.n,
                     step.context.capacity, step.target.cpu, print_graph(step.lowered.source));
}

/// Runs `check` on each graph of the range; what it throws is a failure. Stops at the first
/// failures.
template <typename Check>
void for_each_graph(uint64_t every, const Target& target, const Check& check) {
  const Range range;
  for (uint64_t seed = range.first; seed < range.end(); ++seed) {
    if (range.count >= kGraphs && seed % every != 0) continue;
    SCOPED_TRACE("GRADUS_SEED=" + std::to_string(seed));
    try {
      const auto step = make_case(seed, target);
      check(seed, *step);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    if (::testing::Test::HasFailure()) return;
  }
}

/// Nodes that no operator before them makes jump where its operand moves a little.
std::vector<bool> smooth_nodes(const Graph& graph) {
  std::vector<bool> smooth;
  for (const Node& node : graph.nodes) {
    const bool of_floats = !node.operands.empty() && is_float(graph.type(node.operands[0]).dtype);
    bool here = true;
    switch (node.op) {
      case OpKind::Floor:
      case OpKind::Ceil:
      case OpKind::Round:
        here = false;
        break;
      case OpKind::Sign:
      case OpKind::Equal:
      case OpKind::NotEqual:
      case OpKind::Less:
      case OpKind::LessEqual:
      case OpKind::Argmax:
        here = !of_floats;
        break;
      default:
        break;
    }
    for (NodeId operand : node.operands) here = here && smooth[operand.index()];
    smooth.push_back(here);
  }
  return smooth;
}

/// The largest error of the bits against f64, over 1 + the result's largest element.
double wide_error(const StepCase& step, int& compared) {
  const Graph& graph = step.lowered.ordered;
  const auto wide = eval<double>(graph, widened(step.leaves), step.context);
  const std::vector<bool> smooth = smooth_nodes(graph);
  double worst = 0;
  for (const Result& result : graph.results) {
    const NodeId id = result.value;
    if (!is_float(graph.type(id).dtype) || !smooth[id.index()]) continue;
    ++compared;
    double largest = 0, error = 0;
    for (size_t i = 0; i < wide[id].floats.size(); ++i) {
      const double value = wide[id].floats[i];
      const double found = static_cast<double>(step.expected[id].floats[i]);
      largest = std::max(largest, std::abs(value));
      const bool apart = std::isnan(value) != std::isnan(found);
      if (apart) return INFINITY;
      if (value != found && !std::isnan(value)) error = std::max(error, std::abs(value - found));
    }
    worst = std::max(worst, error / (1 + largest));
  }
  return worst;
}

TEST(Agreement, OfEvaluatorInterpreterAndCompiledCode) {
  const Target host = codegen::detect_host();
  Histogram histogram;
  int compared = 0;
  double worst = 0;
  for_each_graph(1, host, [&](uint64_t seed, const StepCase& step) {
    ASSERT_EQ(step.interpreted(), "") << name_of(seed, step) << step.kernels();
    const auto jit = codegen::compile_jit({step.unit("step")}, host);
    ASSERT_EQ(step.compiled(jit->find("step")), "") << name_of(seed, step) << step.kernels();
    const double error = wide_error(step, compared);
    worst = std::max(worst, error);
    ASSERT_LE(error, kWideError) << name_of(seed, step);
    histogram.add(step);
  });
  const Range range;
  fmt::print("graphs {} to {}, GRADUS_SEED={} GRADUS_GRAPHS={}, on {}\n{}", range.first,
             range.end() - 1, range.first, range.count, host.cpu, histogram.text());
  fmt::print("{:6} results against f64, largest error {:.1e}\n", compared, worst);
  if (range.count < kGraphs || ::testing::Test::HasFailure()) return;
  EXPECT_EQ(histogram.missing(), "");
  EXPECT_GT(compared, 200);
}

TEST(Agreement, OfLinkedObjects) {
  const Target host = codegen::detect_host();
  const Range range;
  constexpr uint64_t kGroup = 25;
  for (uint64_t first = range.first; first < range.end(); first += kGroup) {
    std::vector<std::unique_ptr<StepCase>> steps;
    std::vector<codegen::Unit> units;
    for (uint64_t seed = first; seed < std::min(first + kGroup, range.end()); ++seed) {
      steps.push_back(make_case(seed, host));
      units.push_back(steps.back()->unit("step_" + std::to_string(seed)));
    }
    const LinkedObject object(units, host);
    for (size_t i = 0; i < steps.size(); ++i) {
      ASSERT_EQ(steps[i]->compiled(object.find(units[i].symbol)), "")
          << name_of(first + i, *steps[i]);
    }
  }
}

/// Whether this machine runs the code of `target`.
bool runs_here(const Target& target) { return target.lanes <= codegen::detect_host().lanes; }

void expect_agreement_on(const char* cpu, uint64_t every) {
  const Target target = *codegen::named_target(cpu);
  if (!runs_here(target)) GTEST_SKIP() << "no " << cpu;
  for_each_graph(every, target, [&](uint64_t seed, const StepCase& step) {
    ASSERT_EQ(step.interpreted(), "") << name_of(seed, step) << step.kernels();
    const auto jit = codegen::compile_jit({step.unit("step")}, target);
    ASSERT_EQ(step.compiled(jit->find("step")), "") << name_of(seed, step) << step.kernels();
  });
}

TEST(Agreement, OnVectorsOfEight) { expect_agreement_on("x86-64-v3", 4); }

/// No fused multiply-add: products and sums round by themselves, in the evaluator too.
TEST(Agreement, WithoutFusedMultiplyAdd) { expect_agreement_on("x86-64-v2", 4); }

/// What fixes the bits does not know how wide vectors are.
TEST(Agreement, OfVectorWidths) {
  Target narrow, wide;
  ASSERT_TRUE(frozen_target("test-avx2", narrow) && frozen_target("test-avx512", wide));
  for_each_graph(4, narrow, [&](uint64_t seed, const StepCase& step) {
    const auto other = make_case(seed, wide);
    ASSERT_EQ(print_graph(step.lowered.ordered), print_graph(other->lowered.ordered));
    ASSERT_EQ(step.interpreted(), "") << name_of(seed, step) << step.kernels();
    ASSERT_EQ(other->interpreted(), "") << name_of(seed, *other) << other->kernels();
  });
}

TEST(Agreement, OfThreads) {
  const Target host = codegen::detect_host();
  std::vector<std::unique_ptr<runtime::ThreadPool>> pools;
  for (int32_t workers : {1, 2, 3, 7}) {
    pools.push_back(std::make_unique<runtime::ThreadPool>(workers));
  }
  for_each_graph(4, host, [&](uint64_t seed, const StepCase& step) {
    const auto jit = codegen::compile_jit({step.unit("step")}, host, {.threads = 3});  // code in three modules
    for (const auto& pool : pools) {
      const Crew crew{pool->workers(), pool.get(), runtime::ThreadPool::parallel_for};
      ASSERT_EQ(step.compiled(jit->find("step"), crew), "")
          << pool->workers() << " threads, " << name_of(seed, step) << step.kernels();
    }
    Shuffler shuffler{std::mt19937_64(seed), 5};
    ASSERT_EQ(step.compiled(jit->find("step"), {5, &shuffler, Shuffler::parallel_for}), "")
        << "items in random order, " << name_of(seed, step) << step.kernels();
  });
  int64_t by_others = 0;
  for (const auto& pool : pools) {
    for (int32_t worker = 1; worker < pool->workers(); ++worker) {
      by_others += pool->items_done(worker);
    }
  }
  EXPECT_GT(by_others, 0);
}

}  // namespace
}  // namespace gradus::run
