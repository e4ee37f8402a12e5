// gradus opt: passes on graph text. Clusters, kernels and programs with their plans are read, verified and
// printed.
#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/session.h"
#include "graph/text.h"
#include "pipeline/reprint.h"
#include "runtime/print.h"

namespace gradus::driver {

namespace {

std::vector<std::string> split_names(const std::string& list) {
  std::vector<std::string> names;
  size_t begin = 0;
  while (begin < list.size()) {
    size_t comma = std::min(list.find(',', begin), list.size());
    names.push_back(list.substr(begin, comma - begin));
    begin = comma + 1;
  }
  return names;
}

int list_all_passes() {
  for (const pipeline::PassInfo& pass : pipeline::list_passes()) {
    print_out("{:18} {}\n", pass.name, pass.summary);
  }
  return kDone;
}

/// Clusters, kernels, or programs with their plans.
std::string lower_text(const Options& options, Session& session, int32_t file) {
  pipeline::TextKind kind = pipeline::text_kind(session.sources.file(file).text);
  if (!options.passes.empty() || !options.dump_after.empty()) {
    throw CommandError(kBadFlags, fmt::format("`{}` holds {}, expected graphs for passes to run on", options.input,
                                              pipeline::text_kind_name(kind)));
  }
  std::optional<std::string> text = pipeline::reprint(session.sources, file, session.diags);
  session.stop_on_errors();
  GRADUS_CHECK(text.has_value(), "no text and no message");
  return std::move(*text);
}

std::string graphs_text(const Options& options, Session& session, int32_t file) {
  std::optional<std::vector<Graph>> graphs = read_graphs(session.sources, file, session.diags);
  session.stop_on_errors();
  const std::vector<std::string> passes = split_names(options.passes);
  const pipeline::CompileOptions stages = compile_options(options, options.batch.value_or(32), passes);
  std::string text;
  for (Graph& graph : *graphs) {
    Stage stage = pipeline::stage_of(graph);
    std::vector<pipeline::PassTime> times;
    pipeline::run_passes(graph, passes, stage, stages, times, session.diags);
    session.stop_on_errors();
    text += print_graph(graph);
  }
  return text;
}

}  // namespace

int run_opt(const Options& options) {
  if (options.list_passes) return list_all_passes();
  if (options.input.empty()) throw CommandError(kBadFlags, "`opt` expects FILE, or --list-passes");
  auto session = open_target(options);
  int32_t file = open_source(*session, options.input);
  bool graphs = pipeline::text_kind(session->sources.file(file).text) == pipeline::TextKind::Graphs;
  std::string text = graphs ? graphs_text(options, *session, file) : lower_text(options, *session, file);
  if (options.verify_roundtrip) require_roundtrip(options.input, text);
  print_out("{}", text);
  return kDone;
}

}  // namespace gradus::driver
