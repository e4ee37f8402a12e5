// Every function of the standard library: derivatives of first and second order against dual
// numbers in f64, and the compiled code in f32 against f64. A function without a case fails.
#include <gtest/gtest.h>

#include <set>

#include "lang/load.h"
#include "lang/program.h"
#include "run/derivatives.h"
#include "run/library_cases.h"

namespace gradus::run {
namespace {

constexpr uint64_t kSeed = 20240611;

struct LibraryFunctions {
  std::set<std::string> names, with_custom_vjp;
};

LibraryFunctions library_functions() {
  SourceMap sources;
  DiagEngine diags(sources);
  const int32_t file = sources.add("m.grad", "model m(x: float[1]) { output y = x }");
  const auto program = lang::load_program(sources, file, diags);
  LibraryFunctions found;
  for (const auto& [name, function] : program->library) {
    found.names.insert(name);
    if (function->has_vjp) found.with_custom_vjp.insert(name);
  }
  return found;
}

lang::Model load(const std::string& text) {
  lang::ElaborateOptions options;
  options.f64_parameters = true;
  lang::Loaded loaded = lang::load_text(text, options);
  if (!loaded.model) throw std::runtime_error(loaded.messages + text);
  return std::move(*loaded.model);
}

/// The model on f64 tensors, with a library on f64 of its own: numbers like sqrt(2) are then not
/// rounded to f32. In a function and in the derivative that it brings along they round differently.
std::string in_f64(std::string text) {
  for (const lang::LibraryFile& file : lang::library_files()) text += file.text;
  const std::pair<std::string, std::string> changes[] = {{"float[", "f64["}, {"float(", "f64("}};
  for (const auto& [from, to] : changes) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  }
  return text;
}

/// Whether a node of the graph comes from a call of `function`.
bool reaches(const Graph& graph, const std::string& function) {
  for (const Node& node : graph.nodes) {
    for (int32_t s = node.scope; s >= 0; s = graph.scopes[static_cast<size_t>(s)].parent) {
      const std::string& name = graph.scopes[static_cast<size_t>(s)].name;
      if (name == function || name.ends_with("." + function)) return true;
    }
  }
  return false;
}

bool sets_training(const LibraryCase& each) {
  return each.model.find("train {") != std::string::npos;
}

/// Results that a case is about: with a train block all that it stores, else what layers keep, and
/// the loss where it is no weighed sum. Weights cancel; the derivative by them is the value.
bool is_examined(const Result& result, const LibraryCase& each) {
  const bool of_layer = result.name.find("running_") != std::string::npos;
  const bool weighed = each.model.find("weight)") != std::string::npos;
  if (result.kind == ResultKind::Loss) return !weighed && !sets_training(each);
  return result.kind == ResultKind::Update && (sets_training(each) || of_layer);
}

Derivatives derivatives_of(const LibraryCase& each, const lang::Model& model) {
  Graph graph = each.training ? model.train : model.evaluate;
  std::vector<Result> results;
  NodeId total;
  for (const Result& result : graph.results) {
    if (result.kind == ResultKind::Loss) total = result.value;
    if (is_examined(result, each))
      results.push_back({ResultKind::Output, "new " + result.name, result.value});
  }
  graph.results = results;
  if (!sets_training(each)) return Derivatives(graph, total);
  GraphBuilder builder(graph);
  NodeId sum;
  for (const Result& result : results) {
    const NodeId part = weighed_sum(builder, result.value, "weight " + result.name);
    sum = sum.valid() ? builder.add(sum, part) : part;
  }
  return Derivatives(graph, sum);
}

EvalContext sizes() {
  EvalContext context;
  context.n = 5, context.capacity = 8;
  context.steps = 40, context.step = 3;
  context.seed = 7;
  return context;
}

/// The gradients in f64 at each step that the case asks for.
void check_with_duals(const LibraryCase& each, bool custom_vjp) {
  const lang::Model model = load(custom_vjp ? in_f64(each.model) : each.model);
  const Derivatives of = derivatives_of(each, model);
  EvalContext context = sizes();
  const auto values = widened(random_leaves(of.graph, context.n, kSeed, each.ranges));
  for (const int64_t step : each.steps) {
    context.step = step;
    const auto gradients = wide_results(of.graph, values, context);
    for (const char* order : {"first", "second"})
      EXPECT_EQ(compare_with_duals(of, order, values, gradients, context), "") << "step " << step;
  }
}

/// The compiled code at each step; its largest error.
double check_compiled(const LibraryCase& each, const Target& target) {
  const lang::Model model = load(each.model);
  const Derivatives of = derivatives_of(each, model);
  const EvalContext context = sizes();
  StepCase step(of.graph, target, context, random_leaves(of.graph, context.n, kSeed, each.ranges));
  const auto jit = codegen::compile_jit({step.unit("step")}, target);
  double worst = 0;
  for (const int64_t number : each.steps) {
    step.context.step = number;
    step.set_leaves(step.leaves);
    EXPECT_EQ(step.compiled(jit->find("step")), "") << "step " << number;
    std::string where;
    const auto wide = wide_results(of.graph, widened(step.leaves), step.context);
    const double error = single_error(step, wide, where);
    EXPECT_LE(error, kSinglePrecision) << where << ", step " << number;
    worst = std::max(worst, error);
  }
  return worst;
}

TEST(LibraryFunctions, EachHasACase) {
  const std::set<std::string> names = library_functions().names;
  std::set<std::string> missing = names, unknown;
  for (const LibraryCase& each : library_cases()) {
    if (!names.contains(each.function)) unknown.insert(each.function);
    missing.erase(each.function);
  }
  EXPECT_EQ(missing, std::set<std::string>{});
  EXPECT_EQ(unknown, std::set<std::string>{});
}

TEST(LibraryFunctions, CasesCallTheirFunctions) {
  std::set<std::string> missing = library_functions().names;
  for (const LibraryCase& each : library_cases()) {
    const lang::Model model = load(each.model);
    if (reaches(model.init, each.function) || reaches(model.train, each.function))
      missing.erase(each.function);
  }
  // Gives back its argument: no node comes from it.
  EXPECT_EQ(missing, std::set<std::string>{"constant_rate"});
}

/// Runs `check` on each case; what it throws is a failure.
template <typename Check>
void for_each_case(const Check& check) {
  for (const LibraryCase& each : library_cases()) {
    SCOPED_TRACE(each.model);
    try {
      check(each);
    } catch (const std::exception& problem) {
      ADD_FAILURE() << problem.what();
    }
  }
}

TEST(LibraryFunctions, DerivativesAreThoseOfDualNumbers) {
  const std::set<std::string> own = library_functions().with_custom_vjp;
  for_each_case(
      [&](const LibraryCase& each) { check_with_duals(each, own.contains(each.function)); });
}

TEST(LibraryFunctions, AWrongCustomVjpIsFound) {
  const auto found = [](const std::string& slope) {
    const Derivatives of = derivatives_of(
        {}, load("fn square(x: f64[...]) -> f64[...] { return x * x } vjp(seed) { return seed * " +
                 slope +
                 " }\nmodel m(x: f64[4], weight: f64[4]) {\n  loss sum(square(x) * weight)\n}"));
    const auto values = widened(random_leaves(of.graph, 1, kSeed, {}));
    const auto gradients = wide_results(of.graph, values, {});
    return compare_with_duals(of, "first", values, gradients, {}).substr(0, 16) +
           compare_with_duals(of, "second", values, gradients, {}).substr(0, 17);
  };
  EXPECT_EQ(found("2 * x"), "");
  EXPECT_EQ(found("2.0000001 * x"), "first order by xsecond order by x");
  // Right at first order where it is tested, wrong at the next.
  EXPECT_EQ(found("(x + stop_gradient(x))"), "second order by x");
}

TEST(LibraryFunctions, CompiledCodeIsNearF64) {
  const Target host = codegen::detect_host();
  std::map<std::string, double> errors;
  for_each_case([&](const LibraryCase& each) {
    double& error = errors[each.function];
    error = std::max(error, check_compiled(each, host));
  });
  for (const auto& [name, error] : errors) fmt::print("{:.1e} {}\n", error, name);
}

/// The first values of parameters: they have no derivatives.
TEST(LibraryFunctions, InitialisersAreNearF64) {
  const Target host = codegen::detect_host();
  int initialisers = 0;
  for_each_case([&](const LibraryCase& each) {
    const Graph init = load(each.model).init;
    if (!reaches(init, each.function)) return;
    ++initialisers;
    EvalContext context = sizes();
    context.step = 0;
    const StepCase step(init, host, context, kSeed);
    const auto jit = codegen::compile_jit({step.unit("step")}, host);
    EXPECT_EQ(step.compiled(jit->find("step")), "");
    const auto all = eval<double>(init, {}, context);
    std::map<std::string, std::vector<double>> wide;
    for (const Result& result : init.results) wide[result.name] = all[result.value].floats;
    std::string where;
    EXPECT_LE(single_error(step, wide, where), kSinglePrecision) << where;
  });
  EXPECT_GE(initialisers, 9);
}

}  // namespace
}  // namespace gradus::run
