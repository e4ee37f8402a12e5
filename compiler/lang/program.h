// All files of a model together: the model's own, what it includes, and the standard library.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "lang/ast.h"
#include "lang/model.h"

namespace gradus::lang {

struct Program {
  std::deque<File> files;  // addresses stay put: the tables point into them
  std::map<std::string, const Function*, std::less<>> functions;  // the file's and its includes'
  std::map<std::string, const Function*, std::less<>> library;
  std::map<std::string, const Constant*, std::less<>> constants;
  std::vector<const Constant*> constant_order;
  const ModelDecl* model = nullptr;
  const SettingsBlock* data = nullptr;
  const SettingsBlock* train = nullptr;
  std::set<int32_t> library_ids;  // files of the library in the SourceMap

  bool in_library(Span span) const { return library_ids.count(span.file) != 0; }
};

/// Parses `file`, its includes and the library. Nothing where something does not parse.
std::optional<Program> load_program(SourceMap& sources, int32_t file, DiagEngine& diags);
/// The same of the tree of `file`, which came from no text; what it includes may hold models, which
/// are not read.
std::optional<Program> load_program(SourceMap& sources, int32_t file, File tree, DiagEngine& diags);

}  // namespace gradus::lang
