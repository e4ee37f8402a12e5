// A text goes to the reader of its kind and comes back from the printer beside it.
#include "pipeline/reprint.h"

#include <fmt/format.h>

#include <algorithm>

#include "fuse/text.h"
#include "graph/text.h"
#include "kernel/text.h"
#include "plan/text.h"

namespace gradus::pipeline {

namespace {

template <typename T, typename Print>
std::optional<std::string> print_all(const std::optional<std::vector<T>>& items, Print print) {
  if (!items) return std::nullopt;
  std::string out;
  for (const T& item : *items) out += print(item);
  return out;
}

std::string_view line_at(std::string_view text, size_t begin) {
  return text.substr(begin, text.find('\n', begin) - begin);
}

/// The first line in which the texts differ.
std::string difference(std::string_view printed, std::string_view again) {
  auto [at, other] = std::mismatch(printed.begin(), printed.end(), again.begin(), again.end());
  size_t offset = static_cast<size_t>(at - printed.begin());
  size_t begin = offset == 0 ? 0 : printed.rfind('\n', offset - 1) + 1;
  auto line = 1 + std::count(printed.begin(), at, '\n');
  return fmt::format("line {} reads back to another\n  printed   `{}`\n  read back `{}`", line,
                     line_at(printed, begin), line_at(again, begin));
}

/// One graph, read from the text before the clusters, at the same places.
std::optional<Graph> read_graph_before(const SourceMap& sources, int32_t file, size_t end,
                                       DiagEngine& diags) {
  SourceMap parts;
  DiagEngine problems(parts);
  const SourceFile& whole = sources.file(file);
  auto graphs = read_graphs(parts, parts.add(whole.name, whole.text.substr(0, end)), problems);
  auto here = [&](Span span) { return Span{file, span.begin, span.end}; };
  for (const Diagnostic& problem : problems.all()) {
    auto error = diags.error(problem.kind, here(problem.span), problem.message);
    for (const DiagNote& note : problem.notes) error.note(here(note.span), note.message);
  }
  if (!graphs) return std::nullopt;
  std::optional<std::string> breach = verify_graph(graphs->back(), Stage::Ordered);
  Span clusters{file, static_cast<uint32_t>(end), static_cast<uint32_t>(end + 1)};
  if (!breach && graphs->size() > 1) breach = "found several graphs before clusters, expected one";
  if (!breach) return std::move(graphs->back());
  diags.error(Diag::GraphSyntax, clusters, *breach);
  return std::nullopt;
}

std::optional<std::string> reprint_clusters(const SourceMap& sources, int32_t file,
                                            DiagEngine& diags) {
  size_t begin = fuse::find_clusters(sources.file(file).text);
  std::optional<Graph> graph = read_graph_before(sources, file, begin, diags);
  if (!graph) return std::nullopt;
  auto clustering = fuse::read_clustering(*graph, sources, file, begin, diags);
  if (!clustering) return std::nullopt;
  return print_graph(*graph) + fuse::print_clustering(*graph, *clustering);
}

}  // namespace

TextKind text_kind(std::string_view text) {
  for (size_t at = 0; at < text.size(); at = std::min(text.find('\n', at), text.size() - 1) + 1) {
    std::string_view line = line_at(text, at);
    size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos || line.substr(begin, 2) == "//") continue;
    if (line.substr(begin).starts_with("kernel ")) return TextKind::Kernels;
    if (line.substr(begin).starts_with("program ")) return TextKind::Programs;
    break;
  }
  return fuse::find_clusters(text) < text.size() ? TextKind::Clusters : TextKind::Graphs;
}

std::string_view text_kind_name(TextKind kind) {
  static constexpr std::string_view kNames[] = {"graphs", "clusters", "kernels", "programs"};
  return kNames[static_cast<size_t>(kind)];
}

std::optional<std::string> reprint(const SourceMap& sources, int32_t file, DiagEngine& diags) {
  switch (text_kind(sources.file(file).text)) {
    case TextKind::Graphs:
      return print_all(read_graphs(sources, file, diags),
                       [](const Graph& g) { return print_graph(g); });
    case TextKind::Clusters:
      return reprint_clusters(sources, file, diags);
    case TextKind::Kernels:
      return print_all(kernel::read_kernels(sources, file, diags), kernel::print_kernel);
    case TextKind::Programs:
      return print_all(plan::read_programs(sources, file, diags), plan::print_planned);
  }
  return std::nullopt;
}

std::optional<std::string> find_roundtrip_problem(const std::string& text) {
  if (text.empty()) return std::nullopt;  // a function without outputs has no kernels
  SourceMap sources;
  DiagEngine diags(sources);
  std::optional<std::string> again = reprint(sources, sources.add("printed", text), diags);
  if (!again) return "the text does not read\n" + diags.render(false);
  if (*again != text) return difference(text, *again);
  return std::nullopt;
}

}  // namespace gradus::pipeline
