// The pipeline as a story: what holds from each milestone on stands beside it.
#include "pipeline/compile.h"

#include <chrono>
#include <unordered_set>

#include <fmt/format.h>

#include "graph/builder.h"
#include "graph/text.h"
#include "kernel/text.h"
#include "plan/text.h"

namespace gradus::pipeline {

namespace {

class Stopwatch {
 public:
  explicit Stopwatch(std::vector<PassTime>& times) : times_(&times) {}
  /// Books the time since the last call under `pass`.
  void lap(const std::string& pass) {
    auto now = std::chrono::steady_clock::now();
    times_->push_back({pass, std::chrono::duration<double, std::milli>(now - last_).count()});
    last_ = now;
  }

 private:
  std::vector<PassTime>* times_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// `print` makes the text of what is wrong, which costs more than the check.
template <typename Print>
void require(const std::optional<std::string>& problem, const std::string& stage, Print print) {
  GRADUS_CHECK(!problem, fmt::format("after {}: {}\n{}", stage, problem.value_or(""), print()));
}

/// An initialising graph writes variables that it never read: each gets its leaf, so that an update always
/// has a buffer to go to.
void add_written_leaves(Graph& graph) {
  std::unordered_set<std::string> known;
  for (const Node& node : graph.nodes) {
    if (node.op == OpKind::Param || node.op == OpKind::State) known.insert(leaf_name(node));
  }
  GraphBuilder builder(graph);
  for (const Result& result : graph.results) {
    if (result.kind != ResultKind::Update || !known.insert(result.name).second) continue;
    TensorType type = graph.type(result.value);
    builder.make(OpKind::Param, {}, {{AttrName::Name, result.name}}, &type);
  }
}

}  // namespace

std::optional<Compiled> compile_graph(const Graph& source, const Target& target,
                                      const CompileOptions& options, DiagEngine& diags) {
  Compiled out;
  Graph& graph = out.ordered;  // what it is once all passes have run
  graph = source;
  auto keep = [&](Graph& stage) {
    if (options.keep_stages) stage = graph;
  };
  keep(out.source);
  Stage stage = Stage::Source;
  auto run = [&](const std::vector<std::string>& names) {
    return run_passes(graph, names, stage, options, out.times, diags);
  };

  // Derivatives become ordinary nodes; identity in `grad(y, x)` is the source's, so nothing is merged
  // before. From here on: no derivative nodes, one joint graph.
  if (!run({"differentiate", "dce"})) return std::nullopt;
  keep(out.joint);

  // Exact rewriting. From here on: products of f32 alone, no two equal nodes, nothing that no result
  // needs.
  if (!run({"expand-products", "fold-constants", "simplify", "cse", "simplify", "cse", "dce"})) {
    return std::nullopt;
  }
  keep(out.simplified);

  // From here on every rounding is fixed: fusing, tiling and threads cannot change a bit.
  if (target.fma && !run({"form-fma"})) return std::nullopt;
  if (!run({"split-reductions", "cse", "dce"})) return std::nullopt;
  add_written_leaves(graph);

  Stopwatch watch(out.times);
  out.clustering =
      fuse::fuse(out.ordered, target, options.capacity, options.remarks ? &out.remarks : nullptr);
  require(fuse::verify_clustering(out.ordered, out.clustering), "fuse",
          [&] { return fuse::print_clustering(out.ordered, out.clustering); });
  watch.lap("fuse");
  out.program = plan::build_program(out.ordered, out.clustering, target, options.capacity);
  for (const kernel::Kernel& kernel : out.program.kernels) {
    require(kernel::verify_kernel(kernel), "build-program",
            [&] { return kernel::print_kernel(kernel); });
  }
  watch.lap("build-program");
  out.plan = plan::plan_memory(out.program);
  require(plan::validate_plan(out.program, out.plan), "plan-memory",
          [&] { return plan::print_plan(out.program, out.plan); });
  watch.lap("plan-memory");
  return out;
}

}  // namespace gradus::pipeline
