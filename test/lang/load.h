// What the tests of the language share: a model from text, or the messages that it earns.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

#include "graph/text.h"
#include "lang/model.h"

namespace gradus::lang {

struct Loaded {
  std::optional<Model> model;
  std::string messages;
};

inline Loaded load_text(const std::string& text, const ElaborateOptions& options = {}) {
  SourceMap sources;
  int32_t file = sources.add("m.grad", text);
  DiagEngine diags(sources);
  Loaded loaded{load_model(sources, file, options, diags), ""};
  loaded.messages = diags.render(false);
  return loaded;
}

inline std::string input_text(const std::string& name) {
  std::ifstream in(std::string(GRADUS_SOURCE_DIR) + "/test/lang/Inputs/" + name);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// A model of one input x, whose body is `body`.
inline Loaded load_body(const std::string& body, const std::string& before = "") {
  return load_text(before + "\nmodel m(x: float[batch, 4]) {\n" + body + "\n}\n");
}

inline std::string paths(const Model& model) {
  std::string list;
  for (const Variable& v : model.variables) {
    if (!v.of_optimizer) list += (list.empty() ? "" : " ") + v.path;
  }
  return list;
}

}  // namespace gradus::lang
