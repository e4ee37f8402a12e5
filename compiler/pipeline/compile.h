// All stages in order: from an elaborated graph to a program with its plan, then code.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "fuse/fuse.h"
#include "graph/graph.h"
#include "lang/model.h"
#include "plan/plan.h"
#include "plan/program.h"
#include "support/diag.h"

namespace gradus::pipeline {

struct PassTime {
  std::string pass;
  double milliseconds = 0;
};

struct CompileOptions {
  int64_t capacity = 32;            // the batch that the code is made for
  std::string dump_after;           // pass name, or `all`
  std::function<void(const std::string& title, const std::string& text)> dump;
  bool verify_roundtrip = false;
  codegen::JitOptions jit;          // for code in this process
  bool keep_stages = false;         // copies of the graph on its way, to be shown
  bool remarks = false;             // tell what fusion did and refused
};

struct PassInfo {
  std::string_view name;
  Stage before, after;
  std::string_view summary;
};
std::vector<PassInfo> list_passes();

/// What one function of a model becomes.
struct Compiled {
  Graph source, joint, simplified;  // empty but with `keep_stages`
  Graph ordered;
  Clustering clustering;
  fuse::Remarks remarks;
  plan::Program program;
  plan::Plan plan;
  std::vector<PassTime> times;
};

/// Problems of differentiation (a path without derivative) become diagnostics; then nothing.
std::optional<Compiled> compile_graph(const Graph& source, const Target& target,
                                      const CompileOptions& options, DiagEngine& diags);

/// Runs passes by name on `graph`, each followed by verification; false after a diagnostic.
/// `stage` is the stage that the graph is at, and becomes the stage that it is left at.
bool run_passes(Graph& graph, const std::vector<std::string>& names, Stage& stage,
                const CompileOptions& options, std::vector<PassTime>& times, DiagEngine& diags);

/// The stage of graph text that was read: Ordered where orders of sums are written.
Stage stage_of(const Graph& graph);

/// Graphviz text, clusters of one library call in one box.
std::string print_dot(const Graph& graph);

}  // namespace gradus::pipeline
