// Targets as plain numbers: the host with its caches, or a CPU by LLVM's name. Schedules read these
// numbers alone, so that a table of them (frozen in tests) stands for a machine.
#include <fmt/format.h>
#include <llvm/ADT/StringMap.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/TargetParser/Host.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "codegen/codegen.h"
#include "codegen/module.h"

namespace gradus::codegen {

namespace {

/// What the vector extension decides. Without AVX2 integers have 4 lanes, so everything has.
void set_vectors(Target& target, const llvm::MCSubtargetInfo& info) {
  auto has = [&](const char* feature) { return info.checkFeatures(feature); };
  bool wide = has("+avx512f") && has("+avx512vl") && has("+avx512bw") && has("+avx512dq");
  target.lanes = wide ? 16 : has("+avx2") ? 8 : 4;
  target.registers = wide ? 32 : 16;
  target.fma = wide || has("+fma");
  target.cheap_masks = wide;
  // This one has the instructions, but arithmetic units of half their width.
  if (wide && target.cpu == "znver4") target.fma_per_cycle = 1;
}

std::string read_word(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  file >> word;
  return word;
}

/// "32K", "1024K", "8M" in bytes; 0 where it is none of these.
int64_t parse_size(const std::string& text) {
  size_t digits = 0;
  int64_t value = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9' && digits < 12) {
    value = value * 10 + (text[digits++] - '0');
  }
  if (digits == text.size()) return value;
  if (text[digits] == 'K') return value << 10;
  return text[digits] == 'M' ? value << 20 : 0;
}

/// Data and unified caches as the kernel of the operating system tells them; what it does not tell
/// keeps the default.
void read_caches(Target& target) {
  for (int index = 0; index < 8; ++index) {
    std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
    std::string level = read_word(folder + "level");
    if (level.empty()) break;
    if (read_word(folder + "type") == "Instruction") continue;
    int64_t bytes = parse_size(read_word(folder + "size"));
    if (bytes <= 0) continue;
    if (level == "1") {
      target.l1_bytes = bytes;
      int64_t ways = parse_size(read_word(folder + "ways_of_associativity"));
      if (ways > 0 && ways <= 64) target.l1_ways = static_cast<int>(ways);
    }
    if (level == "2") target.l2_bytes = bytes;
  }
}

/// All features by name, sorted, so that equal hosts give equal strings.
std::string host_features() {
  llvm::StringMap<bool> map = llvm::sys::getHostCPUFeatures();
  std::vector<std::string> features;
  for (const auto& entry : map) {
    features.push_back((entry.second ? "+" : "-") + entry.first().str());
  }
  std::sort(features.begin(), features.end());
  std::string text;
  for (const std::string& feature : features) text += (text.empty() ? "" : ",") + feature;
  return text;
}

/// Instructions that come out of plain arithmetic, loads and stores. What is asked for by name
/// alone (encryption, matrix tiles, control of the system) is in no code of ours.
bool is_used_by_code(llvm::StringRef feature) {
  static constexpr llvm::StringRef kFamilies[] = {"sse", "ssse", "avx", "bmi", "fma"};
  static constexpr llvm::StringRef kSingle[] = {"cx16", "evex512", "f16c", "gfni",  "lzcnt",
                                                "movbe", "popcnt", "prfchw", "tbm", "xop"};
  return std::ranges::find(kSingle, feature) != std::end(kSingle) ||
         std::ranges::any_of(kFamilies, [&](llvm::StringRef f) { return feature.starts_with(f); });
}

}  // namespace

std::vector<std::string> missing_features(const Target& target) {
  const auto machine = make_machine(target);
  const llvm::MCSubtargetInfo& info = *machine->getMCSubtargetInfo();
  std::vector<std::string> missing;
  for (const auto& entry : llvm::sys::getHostCPUFeatures()) {
    const std::string feature = entry.first().str();
    if (entry.second || !is_used_by_code(feature)) continue;
    if (info.checkFeatures("+" + feature)) missing.push_back(feature);
  }
  std::ranges::sort(missing);
  return missing;
}

Target detect_host() {
  Target target;
  target.cpu = llvm::sys::getHostCPUName().str();
  target.features = host_features();
  set_vectors(target, *make_machine(target)->getMCSubtargetInfo());
  read_caches(target);
  return target;
}

std::optional<Target> named_target(const std::string& cpu) {
  Target target;
  if (frozen_target(cpu, target)) return target;
  auto machine = make_machine(Target{});
  if (!machine->getMCSubtargetInfo()->isCPUStringValid(cpu)) return std::nullopt;
  target = Target();
  target.cpu = cpu;
  auto named = make_machine(target);
  // Rounding to integers needs SSE 4.1; older processors are not served.
  if (!named->getMCSubtargetInfo()->checkFeatures("+sse4.1")) return std::nullopt;
  set_vectors(target, *named->getMCSubtargetInfo());
  return target;
}

}  // namespace gradus::codegen
