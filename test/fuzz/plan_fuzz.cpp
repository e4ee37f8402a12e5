// Program and plan text: what reads prints to a text that reads and prints the same; plans that
// read are valid.
#include "fuzz/targets.h"
#include "plan/text.h"

namespace gradus::fuzz {

namespace {

std::optional<std::string> printed(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("f.plan", text);
  std::optional<std::vector<plan::PlannedProgram>> programs =
      plan::read_programs(sources, file, diags);
  require(programs.has_value() != diags.has_errors(), "programs, or a message that says why not");
  if (!programs) {
    diags.render(false);
    return std::nullopt;
  }
  std::string out;
  for (const plan::PlannedProgram& one : *programs) {
    out += plan::print_planned(one);
    require(!one.plan || !plan::validate_plan(one.program, *one.plan), "a plan that holds");
  }
  return out;
}

}  // namespace

void fuzz_plan(Input input) {
  std::optional<std::string> first = printed(text_of(input));
  if (first) require(printed(*first) == first, "what prints reads and prints the same");
}

}  // namespace gradus::fuzz
