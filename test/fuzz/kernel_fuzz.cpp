// Kernel text: what reads prints to a text that reads and prints the same; the verifier stands any
// kernel that reads.
#include "fuzz/targets.h"
#include "kernel/text.h"

namespace gradus::fuzz {

namespace {

std::optional<std::string> printed(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("f.kernel", text);
  std::optional<std::vector<kernel::Kernel>> kernels = kernel::read_kernels(sources, file, diags);
  require(kernels.has_value() != diags.has_errors(), "kernels, or a message that says why not");
  if (!kernels) {
    diags.render(false);
    return std::nullopt;
  }
  std::string out;
  for (const kernel::Kernel& one : *kernels) {
    out += kernel::print_kernel(one);
    kernel::verify_kernel(one);
  }
  return out;
}

}  // namespace

void fuzz_kernel(Input input) {
  std::optional<std::string> first = printed(text_of(input));
  if (first) require(printed(*first) == first, "what prints reads and prints the same");
}

}  // namespace gradus::fuzz
