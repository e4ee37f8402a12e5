// Graph text: print, read, verify. print(read(print(g))) == print(g), byte for byte.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "support/diag.h"

namespace gradus {

struct PrintOptions {
  bool show_locs = false;
};
std::string print_graph(const Graph& graph, const PrintOptions& options = {});
/// The names print_graph gives to values: "%fc.w", "%7". Clusters and kernels print with the same.
IdVector<NodeId, std::string> value_names(const Graph& graph);
/// The shortest text that reads back to the same f32 (or f64); always with `.` or `e`, or inf, nan.
std::string float_text(double value, DType dtype);

/// Reads all graphs of a file; errors go to `diags` and end the reading.
std::optional<std::vector<Graph>> read_graphs(const SourceMap& sources, int32_t file,
                                              DiagEngine& diags);

/// Where an invariant does not hold.
struct GraphBreach {
  std::string message;
  NodeId node;                   // invalid: of the result alone
  std::optional<size_t> result;  // the result that breaks it, by number
};
/// The first breach of the invariants of `stage`; nothing where all hold.
std::optional<GraphBreach> find_graph_breach(const Graph& graph, Stage stage);
/// Its message after the number and the operator of its node.
std::optional<std::string> verify_graph(const Graph& graph, Stage stage);

}  // namespace gradus
