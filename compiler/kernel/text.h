// Kernel text: print, read, verify. The text of a kernel without its name and slot values is also
// the key by which equal kernels share one function.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernel/kernel.h"
#include "support/diag.h"

namespace gradus::kernel {

std::string print_kernel(const Kernel& kernel);
/// `name` as one word of kernel text, the same word where it is one.
std::string word_text(const std::string& name);
/// The names that print_kernel gives to the slots: words, no two equal.
std::vector<std::string> slot_names(const Kernel& kernel);
std::string print_schedule(const Schedule& schedule, ClusterClass cls);
/// Equal keys mean equal code: the kernel's text without name and costs.
std::string sharing_key(const Kernel& kernel);
std::optional<std::vector<Kernel>> read_kernels(const SourceMap& sources, int32_t file,
                                                DiagEngine& diags);
/// The first breach of what kernel.h says; nothing where all holds.
std::optional<std::string> verify_kernel(const Kernel& kernel);

}  // namespace gradus::kernel
