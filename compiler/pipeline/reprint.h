// Text of graphs, clusters, kernels or programs, told apart by its first word: read and printed again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "support/diag.h"

namespace gradus::pipeline {

/// Clusters stand behind their graph.
enum class TextKind { Graphs, Clusters, Kernels, Programs };
/// What the first word of the text, after comments, begins; graphs where it begins nothing known.
TextKind text_kind(std::string_view text);
std::string_view text_kind_name(TextKind kind);

/// Reads and verifies the file and prints what was read; nothing after messages.
std::optional<std::string> reprint(const SourceMap& sources, int32_t file, DiagEngine& diags);
/// Why `text`, which was printed, does not read back to itself; nothing where it does.
std::optional<std::string> find_roundtrip_problem(const std::string& text);

}  // namespace gradus::pipeline
