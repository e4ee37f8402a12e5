// Model files: a model or a message; the graphs of a model print to a text that reads and prints
// the same.
#include "fuzz/targets.h"
#include "graph/text.h"
#include "lang/model.h"

namespace gradus::fuzz {

namespace {

void require_round_trip(const Graph& graph) {
  std::string text = print_graph(graph);
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("f.gir", text);
  std::optional<std::vector<Graph>> again = read_graphs(sources, file, diags);
  if (!again) std::fputs(diags.render(false).c_str(), stderr);
  require(again && again->size() == 1, "the graph of a model reads back");
  require(print_graph(again->front()) == text, "the graph of a model prints the same");
}

}  // namespace

void fuzz_model(Input input) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("f.grad", text_of(input));
  std::optional<lang::Model> model = lang::load_model(sources, file, {}, diags);
  require(model.has_value() != diags.has_errors(), "a model, or a message that says why not");
  if (!model) {
    diags.render(false);
    return;
  }
  for (const Graph* graph : {&model->init, &model->train, &model->evaluate, &model->predict}) {
    if (!graph->name.empty()) require_round_trip(*graph);
  }
}

}  // namespace gradus::fuzz
