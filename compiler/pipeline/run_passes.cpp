// The runner of graph passes: it verifies what each has made, dumps and times. Passes themselves do
// none of it.
#include <chrono>

#include <fmt/format.h>

#include "autodiff/differentiate.h"
#include "graph/text.h"
#include "opt/cse.h"
#include "opt/dce.h"
#include "opt/expand_products.h"
#include "opt/fold_constants.h"
#include "opt/form_fma.h"
#include "opt/simplify.h"
#include "opt/split_reductions.h"
#include "pipeline/compile.h"
#include "pipeline/reprint.h"

namespace gradus::pipeline {

namespace {

struct PassContext {
  int64_t capacity;
  DiagEngine* diags;
};

using PassFunction = bool (*)(Graph& graph, const PassContext& context);

struct Pass {
  PassInfo info;
  PassFunction run;
};

bool run_differentiate(Graph& graph, const PassContext& context) {
  std::vector<autodiff::DerivativeProblem> problems;
  bool changed = autodiff::differentiate(graph, problems);
  for (const autodiff::DerivativeProblem& problem : problems) {
    const bool too_large = problem.kind == autodiff::DerivativeProblem::Kind::TooLarge;
    auto error = context.diags->error(too_large ? Diag::TooLarge : Diag::NoDerivative, problem.span,
                                      problem.message);
    for (const auto& [span, note] : problem.notes) error.note(span, note);
  }
  return changed;
}

bool run_split_reductions(Graph& graph, const PassContext& context) {
  return opt::split_reductions(graph, context.capacity);
}

template <bool (*function)(Graph&)>
bool plain(Graph& graph, const PassContext&) {
  return function(graph);
}

constexpr auto fold_constants = plain<opt::fold_constants>;
constexpr auto simplify = plain<opt::simplify>;
constexpr auto cse = plain<opt::cse>;
constexpr auto dce = plain<opt::dce>;
constexpr auto expand_products = plain<opt::expand_products>;
constexpr auto form_fma = plain<opt::form_fma>;

const std::vector<Pass>& passes() {
  static const std::vector<Pass> table = {
#define PASS(name, before, after, function, summary) \
  {{name, Stage::before, Stage::after, summary}, function},
#include "pipeline/passes.def"
#undef PASS
  };
  return table;
}

const Pass* find_pass(const std::string& name) {
  for (const Pass& pass : passes()) {
    if (pass.info.name == name) return &pass;
  }
  return nullptr;
}

void unknown_pass(const std::string& name, DiagEngine& diags) {
  std::vector<std::string> names;
  for (const Pass& pass : passes()) names.emplace_back(pass.info.name);
  std::string near = nearest_name(name, names);
  diags.error(Diag::UnknownPass, {},
              fmt::format("no pass `{}`; {}", name,
                          near.empty() ? std::string("`gradus opt --list-passes` lists them")
                                       : fmt::format("did you mean `{}`?", near)));
}

/// Our own errors are shown with the pass and the graph.
void check_after(const Graph& graph, const std::string& pass, Stage stage) {
  if (std::optional<std::string> problem = verify_graph(graph, stage)) {
    throw InternalError(fmt::format("after {}: {}\n{}", pass, *problem, print_graph(graph)));
  }
}

void check_roundtrip(const Graph& graph, const std::string& pass) {
  std::string text = print_graph(graph);
  std::optional<std::string> problem = find_roundtrip_problem(text);
  GRADUS_CHECK(!problem, fmt::format("after {}: {}\n{}", pass, problem.value_or(""), text));
}

}  // namespace

std::vector<PassInfo> list_passes() {
  std::vector<PassInfo> infos;
  for (const Pass& pass : passes()) infos.push_back(pass.info);
  return infos;
}

bool run_passes(Graph& graph, const std::vector<std::string>& names, Stage& stage,
                const CompileOptions& options, std::vector<PassTime>& times, DiagEngine& diags) {
  for (const std::string& name : names) {
    const Pass* pass = find_pass(name);
    if (!pass) {
      unknown_pass(name, diags);
      return false;
    }
    if (stage < pass->info.before) {
      diags.error(Diag::WrongStage, {},
                  fmt::format("`{}` expects a graph without derivative nodes; run `differentiate` first", name));
      return false;
    }
    auto begin = std::chrono::steady_clock::now();
    bool changed = pass->run(graph, {options.capacity, &diags});
    auto end = std::chrono::steady_clock::now();
    times.push_back({name, std::chrono::duration<double, std::milli>(end - begin).count()});
    if (diags.has_errors()) return false;
    // What is as it was has been verified, unless it must now be more than it was.
    bool all = options.verify_roundtrip;
    if (all || changed || &name == &names.front() || stage < pass->info.after) {
      check_after(graph, name, std::max(stage, pass->info.after));
    }
    stage = std::max(stage, pass->info.after);
    if (options.verify_roundtrip) check_roundtrip(graph, name);
    if (options.dump && (options.dump_after == name || options.dump_after == "all")) {
      options.dump(name, print_graph(graph));
    }
  }
  return true;
}

Stage stage_of(const Graph& graph) {
  bool has_order = false;
  for (const Node& node : graph.nodes) {
    if (op_def(node.op).cls == OpClass::Derivative) return Stage::Source;
    has_order |= node.attrs.find(AttrName::Order) != nullptr;
  }
  return has_order && !verify_graph(graph, Stage::Ordered) ? Stage::Ordered : Stage::Joint;
}

}  // namespace gradus::pipeline
