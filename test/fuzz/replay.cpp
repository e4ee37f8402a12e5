// Runs each fuzz target on every file of its corpus: fuzz_replay CORPUS [TARGET]. The name of a
// file is printed before it is run, so that the last line names the one that crashes.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <vector>

#include "fuzz/targets.h"

namespace {

using namespace gradus::fuzz;
namespace fs = std::filesystem;

struct Target {
  const char* name;
  void (*run)(Input);
};

const Target kTargets[] = {
    {"csv", fuzz_csv}, {"graph", fuzz_graph},   {"gzip", fuzz_gzip},
    {"idx", fuzz_idx}, {"kernel", fuzz_kernel}, {"model", fuzz_model},
    {"npy", fuzz_npy}, {"plan", fuzz_plan},     {"safetensors", fuzz_safetensors},
};

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::is_directory(folder)) return files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void replay(const Target& target, const fs::path& path) {
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);
  std::ifstream file(path, std::ios::binary);
  std::vector<uint8_t> bytes{std::istreambuf_iterator<char>(file), {}};
  target.run(bytes);
}

}  // namespace

int main(int count, char** words) {
  if (count < 2) {
    std::fprintf(stderr, "usage: fuzz_replay CORPUS [TARGET]\n");
    return 2;
  }
  size_t done = 0;
  for (const Target& target : kTargets) {
    if (count > 2 && std::string_view(words[2]) != target.name) continue;
    std::vector<fs::path> files = files_of(fs::path(words[1]) / target.name);
    if (files.empty()) {
      std::fprintf(stderr, "no corpus for the target `%s`\n", target.name);
      return 1;
    }
    for (const fs::path& path : files) replay(target, path);
    done += files.size();
  }
  std::printf("%zu files\n", done);
  return done > 0 ? 0 : 1;
}
