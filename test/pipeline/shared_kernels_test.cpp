// Blocks that repeat are built once: every launch has the very kernel that its own cluster's
// builder makes, on the buffers that this kernel names.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "codegen/codegen.h"
#include "kernel/build/build.h"
#include "kernel/schedule/choose.h"
#include "kernel/text.h"
#include "lang/load.h"
#include "pipeline/compile_model.h"

namespace gradus::pipeline {
namespace {

const Cluster& cluster_of(const Compiled& compiled, const plan::Launch& launch) {
  const auto& clusters = compiled.clustering.clusters;
  const auto found = std::ranges::find_if(clusters, [&](const Cluster& cluster) {
    if (cluster.copy_result < 0) return cluster.members == launch.nodes;
    // Copies have no members; the buffer that they fill tells them apart.
    const Result& result = compiled.ordered.results[static_cast<size_t>(cluster.copy_result)];
    return launch.nodes.empty() && std::ranges::any_of(launch.buffers, [&](plan::BufferId id) {
             return id.valid() && compiled.program.buffers[id].name == result.name;
           });
  });
  if (found == clusters.end()) throw std::runtime_error("no cluster for " + launch.name);
  return *found;
}

void expect_own_kernel(const Compiled& compiled, const plan::Launch& launch, const Target& target,
                       int64_t capacity) {
  const Cluster& cluster = cluster_of(compiled, launch);
  const ClusterId id(static_cast<size_t>(&cluster - &*compiled.clustering.clusters.begin()));
  const kernel::Schedule schedule =
      kernel::choose_schedule(compiled.ordered, cluster, target, capacity);
  const kernel::Kernel own =
      kernel::build_kernel(compiled.ordered, compiled.clustering, id, schedule, target, capacity);
  const kernel::Kernel& shared = compiled.program.kernels[launch.kernel];
  EXPECT_EQ(kernel::sharing_key(own), kernel::sharing_key(shared)) << launch.name;
  EXPECT_EQ(own.name, launch.name);
  EXPECT_EQ(own.nodes, launch.nodes);
  ASSERT_EQ(own.slots.size(), launch.buffers.size());
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    const kernel::Slot& slot = own.slots[kernel::SlotId(i)];
    ASSERT_EQ(launch.buffers[i].valid(), slot.space == kernel::SlotSpace::Buffer) << launch.name;
    if (!launch.buffers[i].valid()) continue;
    EXPECT_EQ(compiled.program.buffers[launch.buffers[i]].value, slot.value) << launch.name;
  }
}

class SharedKernels : public testing::TestWithParam<const char*> {};

TEST_P(SharedKernels, AreThoseOfEachCluster) {
  const std::string path = std::string(GRADUS_SOURCE_DIR) + "/" + GetParam();
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  lang::Loaded loaded = lang::load_text(text.str());
  ASSERT_TRUE(loaded.model) << loaded.messages;
  SourceMap sources;
  DiagEngine diags(sources);
  CompileOptions options;
  options.capacity = capacity_of(*loaded.model, std::nullopt);
  for (const char* cpu : {"x86-64-v3", "x86-64-v4"}) {
    const Target target = *codegen::named_target(cpu);
    for (Function function : {Function::Init, Function::Train, Function::Predict}) {
      const auto compiled =
          compile_graph(function_graph(*loaded.model, function), target, options, diags);
      ASSERT_TRUE(compiled);
      for (const plan::Launch& launch : compiled->program.launches) {
        expect_own_kernel(*compiled, launch, target, options.capacity);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, SharedKernels,
                         testing::Values("test/bench/models/chars.grad", "examples/chars.grad",
                                         "test/bench/models/deep.grad", "examples/vae.grad",
                                         "examples/oscillator.grad", "examples/embeddings.grad",
                                         "examples/gradient_penalty.grad"));

}  // namespace
}  // namespace gradus::pipeline
