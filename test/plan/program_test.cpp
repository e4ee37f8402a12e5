// Whole programs: fused, built, ordered and planned graphs run kernel by kernel in a poisoned
// arena, and give the exact evaluator's bits; structure of buffers, blocks, checks and shared
// kernels.
#include "plan/program.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "eval/eval.h"
#include "fuse/fuse.h"
#include "graph/text.h"
#include "kernel/run.h"
#include "plan/text.h"

namespace gradus::plan {
namespace {

Graph graph_of(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  auto graphs = read_graphs(sources, sources.add("t.gir", text), diags);
  if (!graphs) throw std::runtime_error(diags.render(false));
  return graphs->front();
}

Target target_of(const std::string& name) {
  Target target;
  if (!frozen_target(name, target)) throw std::runtime_error(name);
  return target;
}

Program program_of(const Graph& graph, int64_t capacity) {
  const Target target = target_of("test-avx2");
  Clustering clustering = fuse::fuse(graph, target, capacity);
  return build_program(graph, clustering, target, capacity);
}

/// Memory of a program by block; constants filled, everything else poisoned.
class Memory {
 public:
  Memory(const Program& program, const Plan& plan) : program_(program), plan_(plan) {
    blocks_.resize(static_cast<size_t>(program.block_count));
    for (const Buffer& buffer : program.buffers) {
      if (buffer.kind == BufferKind::Arena) continue;
      blocks_[static_cast<size_t>(buffer.block)].assign(static_cast<size_t>(buffer.bytes),
                                                        std::byte{0xff});
      for (size_t i = 0; i < buffer.constant.size(); ++i) put(buffer, i, buffer.constant[i]);
    }
    blocks_[static_cast<size_t>(program.arena_block)].assign(static_cast<size_t>(plan.arena_bytes),
                                                             std::byte{0xff});
  }

  kernel::BufferView view(BufferId id) {
    const Buffer& buffer = program_.buffers[id];
    std::vector<std::byte>& block = blocks_[static_cast<size_t>(buffer.block)];
    if (buffer.kind != BufferKind::Arena) return {block.data(), block.size()};
    return {block.data() + plan_.offset_of(id), static_cast<size_t>(buffer.bytes)};
  }

  void put(const Buffer& buffer, size_t i, double value) {
    std::byte* at = blocks_[static_cast<size_t>(buffer.block)].data() +
                    i * static_cast<size_t>(dtype_size(buffer.type.dtype));
    auto write = [&](auto typed) { std::memcpy(at, &typed, sizeof typed); };
    switch (buffer.type.dtype) {
      case DType::F32:
        return write(static_cast<float>(value));
      case DType::F64:
        return write(value);
      case DType::I32:
        return write(static_cast<int32_t>(value));
      case DType::I64:
        return write(static_cast<int64_t>(value));
      case DType::Bool:
        return write(static_cast<uint8_t>(value));
    }
  }

  float float_at(const Buffer& buffer, size_t i) const {
    float value;
    std::memcpy(&value, blocks_[static_cast<size_t>(buffer.block)].data() + 4 * i, 4);
    return value;
  }

 private:
  const Program& program_;
  const Plan& plan_;
  std::vector<std::vector<std::byte>> blocks_;
};

const Buffer& find(const Program& program, BufferKind kind, const std::string& name) {
  for (const Buffer& buffer : program.buffers) {
    if (buffer.kind == kind && buffer.name == name) return buffer;
  }
  throw std::runtime_error("no buffer " + name);
}

Environment<float> random_leaves(const Graph& graph, int64_t n) {
  std::mt19937 random(17);
  std::normal_distribution<float> normal;
  Environment<float> leaves;
  for (const Node& node : graph.nodes) {
    if (node.op != OpKind::Input && node.op != OpKind::Param && node.op != OpKind::State) continue;
    Array<float> array;
    array.dtype = node.type.dtype;
    for (Dim dim : node.type.shape) array.sizes.push_back(dim.at(n));
    for (int64_t i = 0; i < array.count(); ++i) {
      if (is_float(node.type.dtype)) array.floats.push_back(normal(random));
      if (!is_float(node.type.dtype)) array.integers.push_back(static_cast<int64_t>(random() % 3));
    }
    leaves[leaf_name(node)] = array;
  }
  return leaves;
}

void expect_exact(const std::string& text, int64_t n, int64_t capacity) {
  SCOPED_TRACE(text);
  const Graph graph = graph_of(text);
  const Program program = program_of(graph, capacity);
  const Plan plan = plan_memory(program);
  ASSERT_EQ(validate_plan(program, plan), std::nullopt) << print_program(program);
  const Environment<float> leaves = random_leaves(graph, n);
  EvalContext exact;
  exact.n = n;
  exact.capacity = capacity;
  const auto expected = eval_exact(graph, leaves, exact);

  Memory memory(program, plan);
  for (const Buffer& buffer : program.buffers) {
    auto leaf = leaves.find(buffer.name);
    bool is_leaf = buffer.kind == BufferKind::Input || buffer.kind == BufferKind::Param ||
                   buffer.kind == BufferKind::State;
    if (!is_leaf || leaf == leaves.end()) continue;
    const Array<float>& array = leaf->second;
    for (size_t i = 0; i < array.floats.size(); ++i) memory.put(buffer, i, array.floats[i]);
    for (size_t i = 0; i < array.integers.size(); ++i) {
      memory.put(buffer, i, static_cast<double>(array.integers[i]));
    }
  }
  kernel::RunContext context;
  context.n = n;
  for (const Launch& launch : program.launches) {
    std::vector<kernel::BufferView> views;
    for (BufferId id : launch.buffers) {
      views.push_back(id.valid() ? memory.view(id) : kernel::BufferView{});
    }
    kernel::run_kernel(program.kernels[launch.kernel], views, context);
  }
  for (size_t r = 0; r < graph.results.size(); ++r) {
    const Result& result = graph.results[r];
    const Array<float>& values = expected[result.value];
    const bool update = result.kind == ResultKind::Update;
    std::string name = result.kind == ResultKind::Loss ? "loss" : result.name;
    const Buffer& buffer = find(program, update ? BufferKind::Param : BufferKind::Output, name);
    for (size_t i = 0; i < values.floats.size(); ++i) {
      const float found = memory.float_at(buffer, i);
      if (std::isnan(found) && std::isnan(values.floats[i])) continue;
      ASSERT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(values.floats[i]))
          << name << " element " << i << ": " << found << " instead of " << values.floats[i];
    }
  }
}

const char* const kPerceptron = R"(graph @mlp.train {
  %x = input "x" : f32[batch,20]
  %label = input "label" : i32[batch]
  %w1 = param "w1" : f32[20,16]
  %b1 = param "b1" : f32[16]
  %w2 = param "w2" : f32[16,16]
  %b2 = param "b2" : f32[16]
  %w3 = param "w3" : f32[16,3]
  %rate = input "rate" : f32[]
  %0 = matmul %x, %w1 : f32[batch,16]
  %1 = add %0, %b1 : f32[batch,16]
  %2 = maximum %1, 0.0 : f32[batch,16]
  %3 = matmul %2, %w2 : f32[batch,16]
  %4 = add %3, %b2 : f32[batch,16]
  %5 = tanh %4 : f32[batch,16]
  %6 = matmul %5, %w3 : f32[batch,3]
  %7 = max %6 {dims=[1], keep=true} : f32[batch,1]
  %8 = sub %6, %7 : f32[batch,3]
  %9 = exp %8 : f32[batch,3]
  %10 = sum %9 {dims=[1], keep=true, order=lanes} : f32[batch,1]
  %11 = div %9, %10 : f32[batch,3]
  %12 = mul %5, %5 : f32[batch,16]
  %13 = sub 1.0, %12 : f32[batch,16]
  %14 = matmul %11, %w3 {tb=true} : f32[batch,16]
  %15 = mul %14, %13 : f32[batch,16]
  %16 = matmul %5, %11 {ta=true} : f32[16,3]
  %17 = neg %rate : f32[]
  %18 = fma %17, %16, %w3 : f32[16,3]
  %19 = matmul %2, %15 {ta=true} : f32[16,16]
  %20 = fma %17, %19, %w2 : f32[16,16]
  %21 = matmul %x, %15 {ta=true} : f32[20,16]
  %22 = fma %17, %21, %w1 : f32[20,16]
  return output "share" %11, update "w3" %18, update "w2" %20, update "w1" %22
}
)";

TEST(Program, StepsRunInTheirArenaWithTheExactBits) {
  expect_exact(kPerceptron, 8, 8);
  expect_exact(kPerceptron, 3, 8);
}

TEST(Program, ResultsThatAreLeavesOrStandTwiceAreCopied) {
  expect_exact(R"(graph @copies {
  %x = input "x" : f32[batch,5]
  %w = param "w" : f32[5]
  %0 = mul %x, %w : f32[batch,5]
  return output "a" %0, output "b" %0, output "c" %w, output "d" %x
}
)",
               3, 4);
}

TEST(Program, BlocksAreNumberedByKind) {
  const Program program = program_of(graph_of(kPerceptron), 8);
  std::vector<std::string> names(static_cast<size_t>(program.block_count));
  for (const Buffer& buffer : program.buffers) {
    if (buffer.kind != BufferKind::Arena) names[static_cast<size_t>(buffer.block)] = buffer.name;
  }
  const std::vector<std::string> expected = {"x",  "label", "rate",  "w1", "b1", "w2",
                                             "b2", "w3",    "share", "",   ""};
  EXPECT_EQ(names, expected);
  EXPECT_EQ(program.arena_block, 9);
  EXPECT_EQ(program.worker_block, 10);
  EXPECT_EQ(find(program, BufferKind::Input, "x").bytes, 8 * 20 * 4);
}

TEST(Program, EqualKernelsAreStoredOnce) {
  const Program program = program_of(graph_of(R"(graph @twins {
  %x = input "x" : f32[batch,16]
  %w1 = param "w1" : f32[16,16]
  %w2 = param "w2" : f32[16,16]
  %w3 = param "w3" : f32[16,16]
  %0 = matmul %x, %w1 : f32[batch,16]
  %1 = matmul %0, %w2 : f32[batch,16]
  %2 = matmul %1, %w3 : f32[batch,16]
  return output "y" %2
}
)"),
                                     8);
  EXPECT_EQ(program.launches.size(), 3U);
  EXPECT_EQ(program.kernels.size(), 1U);
}

TEST(Program, IntegerInputsThatAddressTablesAreChecked) {
  const Program program = program_of(graph_of(R"(graph @embed {
  %token = input "token" : i32[batch]
  %table = param "table" : f32[11,4]
  %0 = gather %table, %token : f32[batch,4]
  return output "y" %0
}
)"),
                                     8);
  ASSERT_EQ(program.checks.size(), 1U);
  EXPECT_EQ(program.buffers[program.checks[0].input].name, "token");
  EXPECT_EQ(program.checks[0].limit, 11);
}

TEST(Program, PrintsBuffersAndLaunches) {
  const Program program = program_of(graph_of(R"(graph @one {
  %x = input "x" : f32[batch,4]
  %0 = neg %x : f32[batch,4]
  return output "y" %0
}
)"),
                                     8);
  const std::string text = print_program(program);
  EXPECT_NE(text.find("program @one {capacity=8}:\n"
                      "  #0 input \"x\" : f32[batch,4] 128 bytes block 0\n"
                      "  #1 output \"y\" : f32[batch,4] 128 bytes block 1\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("1 kernels, 1 launches, 4 blocks"), std::string::npos) << text;
}

}  // namespace
}  // namespace gradus::plan
