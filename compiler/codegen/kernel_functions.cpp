// Which kernels are one function, and which module gets which function.
//
// The partition is longest processing time first (Graham, "Bounds on Multiprocessing Timing
// Anomalies", 1969): the heaviest function goes to the lightest module. Its makespan is at most 4/3
// of the best. Weights are counted, not measured, so that the same program is partitioned in the
// same way everywhere and the cache of objects finds it again.
#include "codegen/kernel_functions.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "codegen/launch_arguments.h"

namespace gradus::codegen {

namespace {

constexpr size_t kLanesCopies = 4;  // whole vectors, some at once, and a last one under a mask
constexpr size_t kTileColumns = 8;  // of a vector; some targets have more, some fewer
constexpr size_t kTileSteps = 8;    // of the inner loop, in its copies

/// Statements, those of register tiles and of loops over lanes as often as they are written out.
size_t weight_of(const std::vector<kernel::Stmt>& body) {
  size_t weight = 0;
  for (const kernel::Stmt& stmt : body) {
    if (auto* loop = std::get_if<kernel::Loop>(&stmt.body)) {
      weight += (loop->kind == kernel::LoopKind::Lanes ? kLanesCopies : 1) * weight_of(loop->body);
    } else if (auto* tile = std::get_if<kernel::Tile>(&stmt.body)) {
      auto vectors = static_cast<size_t>(tile->i_step * tile->j_step) / kTileColumns;
      weight += vectors * (kTileSteps + weight_of(tile->epilogue));
    } else if (auto* branch = std::get_if<kernel::If>(&stmt.body)) {
      weight += weight_of(branch->body);
    } else {
      ++weight;
    }
  }
  return weight;
}

}  // namespace

KernelFunctions::KernelFunctions(const std::vector<Unit>& units) {
  std::map<std::string, size_t> by_key;
  std::map<std::string, int> of_name;
  for (const Unit& unit : units) {
    for (const kernel::Kernel& kernel : unit.program->kernels) {
      auto [known, fresh] = by_key.emplace(function_key(kernel), functions_.size());
      numbers_[&kernel] = known->second;
      if (!fresh) continue;
      int before = of_name[kernel.name]++;
      std::string suffix = before > 0 ? fmt::format("${}", before) : "";
      functions_.push_back(
          {&kernel, fmt::format("kernel.{}{}", kernel.name, suffix), weight_of(kernel.body)});
    }
  }
}

/// The heaviest first, each to the module that has least.
Partition partition(const KernelFunctions& functions, size_t modules) {
  const auto& all = functions.all();
  modules = std::clamp(modules, size_t{1}, std::max(all.size(), size_t{1}));
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return all[a].weight != all[b].weight ? all[a].weight > all[b].weight : a < b;
  });
  std::vector<std::vector<size_t>> parts(modules);
  std::vector<size_t> weights(modules, 0);
  for (size_t number : order) {
    auto least =
        static_cast<size_t>(std::min_element(weights.begin(), weights.end()) - weights.begin());
    weights[least] += all[number].weight;
    parts[least].push_back(number);
  }
  Partition out(modules);
  for (size_t module = 0; module < modules; ++module) {
    std::sort(parts[module].begin(), parts[module].end());
    for (size_t number : parts[module]) out[module].push_back(&all[number]);
  }
  return out;
}

}  // namespace gradus::codegen
