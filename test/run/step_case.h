// One graph with values for its leaves, run in each way that there is: exactly evaluated,
// interpreted, compiled into this process or linked from an object.
#pragma once

#include <map>
#include <stdexcept>

#include "graph/text.h"
#include "kernel/run.h"
#include "kernel/text.h"
#include "pipeline/compile.h"
#include "run/random_parts.h"
#include "run/step_memory.h"

namespace gradus::run {

using Lowered = pipeline::Compiled;

/// Down to program and plan; diagnostics and broken invariants are exceptions.
inline Lowered lower(const Graph& graph, const Target& target, int64_t capacity) {
  SourceMap sources;
  DiagEngine diags(sources);
  pipeline::CompileOptions options;
  options.capacity = capacity;
  options.keep_stages = true;
  auto compiled = pipeline::compile_graph(graph, target, options, diags);
  if (!compiled) throw std::runtime_error(diags.render(false));
  return std::move(*compiled);
}

inline Environment<float> random_leaves(const Graph& graph, int64_t n, uint64_t seed,
                                        const std::map<std::string, LeafRange>& ranges) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  Environment<float> leaves;
  for (const Node& node : graph.nodes) {
    if (node.op != OpKind::Input && node.op != OpKind::Param && node.op != OpKind::State) continue;
    const auto found = ranges.find(leaf_name(node));
    const LeafRange range = found == ranges.end() ? LeafRange{} : found->second;
    Array<float>& array = leaves[leaf_name(node)];
    array.dtype = node.type.dtype;
    for (Dim dim : node.type.shape) array.sizes.push_back(dim.at(n));
    for (int64_t i = 0; i < array.count(); ++i) {
      const double u = uniform(random);
      if (is_float(array.dtype)) {
        array.floats.push_back(static_cast<float>(range.low + u * (range.high - range.low)));
      } else {
        array.integers.push_back(static_cast<int64_t>(u * static_cast<double>(range.limit)));
      }
    }
  }
  return leaves;
}

inline Environment<double> widened(const Environment<float>& leaves) {
  Environment<double> wide;
  for (const auto& [name, array] : leaves) {
    wide[name] = {
        array.dtype, array.sizes, {array.floats.begin(), array.floats.end()}, array.integers};
  }
  return wide;
}

inline kernel::RunContext run_context(const EvalContext& context, const Target& target) {
  kernel::RunContext run;
  run.n = context.n;
  run.step = context.step, run.steps = context.steps, run.epoch = context.epoch;
  run.seed = context.seed;
  run.fused_multiply_add = target.fma;
  run.lanes = target.lanes;
  return run;
}

/// The program's launches in order, by the interpreter, on the memory that the plan gives.
inline void interpret(const plan::Program& program, const StepMemory& memory,
                      const kernel::RunContext& context) {
  for (const plan::Launch& launch : program.launches) {
    std::vector<kernel::BufferView> views;
    for (plan::BufferId id : launch.buffers) {
      if (!id.valid()) {
        views.push_back({});
        continue;
      }
      views.push_back({memory.at(id), static_cast<size_t>(program.buffers[id].bytes)});
    }
    kernel::run_kernel(program.kernels[launch.kernel], views, context);
  }
}

inline gradus_frame frame_of(const EvalContext& context, const StepMemory& memory) {
  gradus_frame frame = {};
  frame.blocks = memory.blocks();
  frame.rows = context.n;
  frame.step = context.step, frame.steps = context.steps, frame.epoch = context.epoch;
  frame.seed = context.seed;
  frame.workers = 1;
  return frame;
}

/// Who runs the items of a step.
struct Crew {
  int32_t workers = 1;
  void* pool = nullptr;
  gradus_parallel_for parallel_for = nullptr;
};

class StepCase {
 public:
  StepCase(const Graph& graph, const Target& on, const EvalContext& sizes, uint64_t seed,
           const std::map<std::string, LeafRange>& ranges = {})
      : target(on), context(sizes) {
    context.fused_multiply_add = target.fma;
    lowered = lower(graph, target, context.capacity);
    set_leaves(random_leaves(lowered.ordered, context.n, seed, ranges));
  }
  StepCase(const Graph& graph, const Target& on, const EvalContext& sizes, Environment<float> given)
      : target(on), context(sizes) {
    context.fused_multiply_add = target.fma;
    lowered = lower(graph, target, context.capacity);
    set_leaves(std::move(given));
  }

  void set_leaves(Environment<float> given) {
    leaves = std::move(given);
    expected = eval_exact(lowered.ordered, leaves, context);
  }

  /// What is wrong after the interpreter ran the step; empty where nothing is.
  std::string interpreted() const {
    StepMemory memory(lowered.program, lowered.plan);
    memory.fill(leaves, context.n);
    interpret(lowered.program, memory, run_context(context, target));
    return first_difference(lowered.ordered, lowered.program, memory, expected, context.n);
  }
  /// The same after `step` ran, twice on the same memory.
  std::string compiled(codegen::StepFunction step, const Crew& crew = {}) const {
    StepMemory memory(lowered.program, lowered.plan, crew.workers);
    for (int turn = 0; turn < 2; ++turn) {
      memory.fill(leaves, context.n);
      gradus_frame frame = frame_of(context, memory);
      frame.workers = crew.workers;
      frame.pool = crew.pool;
      frame.parallel_for = crew.parallel_for;
      const int32_t status = step(&frame);
      if (status != GRADUS_OK) return "status " + std::to_string(status);
      std::string wrong =
          first_difference(lowered.ordered, lowered.program, memory, expected, context.n);
      if (!wrong.empty()) return wrong;
    }
    return "";
  }
  codegen::Unit unit(const std::string& symbol) const {
    return {&lowered.program, &lowered.plan, symbol};
  }
  std::string kernels() const {
    std::string text;
    for (const kernel::Kernel& each : lowered.program.kernels) text += kernel::print_kernel(each);
    return text;
  }

  Target target;
  EvalContext context;
  Lowered lowered;
  Environment<float> leaves;
  IdVector<NodeId, Array<float>> expected;
};

/// Calls `body` on ranges of odd lengths in a random order, each with a worker's number at random:
/// whatever a pool of `workers` threads may do, in one thread.
struct Shuffler {
  std::mt19937_64 random;
  int32_t workers = 1;

  static void parallel_for(void* pool, gradus_body body, const void* args, int64_t items) {
    auto& self = *static_cast<Shuffler*>(pool);
    std::vector<std::pair<int64_t, int64_t>> ranges;
    for (int64_t begin = 0; begin < items;) {
      int64_t end =
          std::min<int64_t>(items, begin + 1 + 2 * static_cast<int64_t>(self.random() % 3));
      ranges.emplace_back(begin, end);
      begin = end;
    }
    std::shuffle(ranges.begin(), ranges.end(), self.random);
    for (auto [begin, end] : ranges) {
      body(args, begin, end,
           static_cast<int32_t>(self.random() % static_cast<uint64_t>(self.workers)));
    }
  }
};

}  // namespace gradus::run
