// Graph text: what reads prints to a text that reads and prints the same.
#include "fuzz/targets.h"
#include "graph/text.h"

namespace gradus::fuzz {

namespace {

std::optional<std::string> printed(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("f.gir", text);
  std::optional<std::vector<Graph>> graphs = read_graphs(sources, file, diags);
  require(graphs.has_value() != diags.has_errors(), "graphs, or a message that says why not");
  if (!graphs) {
    diags.render(false);
    return std::nullopt;
  }
  std::string out;
  for (const Graph& graph : *graphs) {
    out += print_graph(graph);
    verify_graph(graph, Stage::Source);
  }
  return out;
}

}  // namespace

void fuzz_graph(Input input) {
  std::optional<std::string> first = printed(text_of(input));
  if (first) require(printed(*first) == first, "what prints reads and prints the same");
}

}  // namespace gradus::fuzz
