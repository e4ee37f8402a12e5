// The stages that can be shown, in one list: `--help`, `show --emit` and the tests read it here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::pipeline {

enum class Emit { Ast, Graph, Joint, Opt, Ordered, Fused, Kernels, Program, Plan, Llvm, Asm, Dot };

struct EmitInfo {
  Emit emit;
  std::string_view name;
  std::string_view summary;
  bool reads_back;  // the text can be read again
};
const std::vector<EmitInfo>& emit_stages();
const EmitInfo& emit_info(Emit emit);
std::optional<Emit> emit_from_name(std::string_view name);
/// "ast, graph, joint, ..."
std::string stage_list();

std::string_view version();

}  // namespace gradus::pipeline
