// Graphs of tests from text and back.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "eval/eval.h"
#include "graph/text.h"

namespace gradus::test {

/// The graph of `body`, the lines between the braces.
inline Graph read_body(const std::string& body) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("test.gir", "graph @f {\n" + body + "}\n");
  auto graphs = read_graphs(sources, file, diags);
  if (!graphs) throw InternalError(diags.render(false));
  return graphs->front();
}

/// The lines between the braces.
inline std::string body_of(const Graph& graph) {
  std::string text = print_graph(graph);
  size_t begin = text.find('\n') + 1;
  return text.substr(begin, text.size() - begin - 2);
}

inline void expect_valid(const Graph& graph, Stage stage) {
  EXPECT_EQ(verify_graph(graph, stage).value_or(""), "") << print_graph(graph);
}

template <typename T>
Array<T> vector_of(std::vector<T> values, DType dtype = DType::F32) {
  Array<T> array;
  array.dtype = dtype;
  array.sizes = {static_cast<int64_t>(values.size())};
  array.floats = std::move(values);
  return array;
}

template <typename T>
Array<T> scalar_of(T value, DType dtype = DType::F32) {
  Array<T> array;
  array.dtype = dtype;
  array.floats = {value};
  return array;
}

}  // namespace gradus::test
