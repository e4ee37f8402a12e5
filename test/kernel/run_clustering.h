// A whole graph through its kernels: fused, each cluster built by rule, interpreted in order on
// buffers, every result compared with the exact evaluator bit for bit.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "eval/eval.h"
#include "fuse/fuse.h"
#include "fuse/sources.h"
#include "graph/text.h"
#include "kernel/build/build.h"
#include "kernel/run.h"
#include "kernel/schedule/choose.h"
#include "kernel/text.h"

namespace gradus::kernel {

struct StepSizes {
  int64_t n = 1;
  int64_t capacity = 1;
  int64_t index_limit = 3;  // integer inputs lie in [0, limit)
};

/// Called with each schedule chosen by rule, to try others.
using ChangeSchedule = void (*)(Schedule& schedule, const Cluster& cluster);

class StepRun {
 public:
  StepRun(const Graph& graph, const StepSizes& sizes, const Target& target)
      : graph_(graph), sizes_(sizes), target_(target) {
    clustering_ = fuse::fuse(graph_, target_, sizes_.capacity);
    make_leaves();
    context_.n = sizes_.n;
    context_.capacity = sizes_.capacity;
    context_.step = 3;
    context_.steps = 10;
    context_.fused_multiply_add = target.fma;
    expected_ = eval_exact(graph_, leaves_, context_);
    make_buffers();
  }

  void expect_exact(ChangeSchedule change = nullptr) {
    const auto breach = fuse::verify_clustering(graph_, clustering_);
    ASSERT_FALSE(breach) << *breach << fuse::print_clustering(graph_, clustering_);
    for (size_t i = 0; i < clustering_.clusters.size(); ++i) {
      run_cluster(ClusterId(i), change);
      if (::testing::Test::HasFatalFailure()) return;
    }
    for (size_t i = 0; i < graph_.results.size(); ++i) compare(i);
  }

  const Clustering& clustering() const { return clustering_; }
  const std::string& kernels() const { return kernels_; }

 private:
  void run_cluster(ClusterId id, ChangeSchedule change) {
    const Cluster& cluster = clustering_.clusters[id];
    Schedule schedule = choose_schedule(graph_, cluster, target_, sizes_.capacity);
    if (change) change(schedule, cluster);
    const auto problem = check_schedule(graph_, cluster, schedule, target_);
    ASSERT_FALSE(problem) << *problem;
    const Kernel kernel = build_kernel(graph_, clustering_, id, schedule, target_, sizes_.capacity);
    const std::string text = print_kernel(kernel);
    kernels_ += text;
    const auto breach = verify_kernel(kernel);
    ASSERT_FALSE(breach) << *breach << "\n" << text;
    expect_round_trip(text);
    std::vector<BufferView> views;
    for (const Slot& slot : kernel.slots) {
      if (slot.space == SlotSpace::Worker) {
        views.push_back({});
        continue;
      }
      auto& bytes = slot.result >= 0 ? results_[slot.result] : buffers_[slot.value];
      if (bytes.empty()) bytes = poisoned(slot.value);
      views.push_back({bytes.data(), bytes.size()});
    }
    RunContext context;
    context.n = context_.n;
    context.step = context_.step;
    context.steps = context_.steps;
    context.epoch = context_.epoch;
    context.seed = context_.seed;
    context.fused_multiply_add = target_.fma;
    context.lanes = target_.lanes;
    try {
      run_kernel(kernel, views, context);
    } catch (const std::exception& error) {
      FAIL() << error.what() << "\n" << text;
    }
  }

  static void expect_round_trip(const std::string& text) {
    SourceMap sources;
    DiagEngine diags(sources);
    const auto again = read_kernels(sources, sources.add("t.kernel", text), diags);
    ASSERT_TRUE(again) << diags.render(false) << text;
    ASSERT_EQ(print_kernel(again->front()), text);
  }

  std::vector<std::byte> poisoned(NodeId id) const {
    const int64_t bytes = byte_size(graph_.type(id), sizes_.capacity);
    return std::vector<std::byte>(static_cast<size_t>(bytes), std::byte{0xff});
  }

  void make_leaves() {
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (const Node& node : graph_.nodes) {
      const bool given =
          node.op == OpKind::Param || node.op == OpKind::State || node.op == OpKind::Input;
      if (!given) continue;
      Array<float> array;
      array.dtype = node.type.dtype;
      for (Dim dim : node.type.shape) array.sizes.push_back(dim.at(sizes_.n));
      for (int64_t i = 0; i < array.count(); ++i) {
        if (is_float(array.dtype)) {
          array.floats.push_back(normal(random));
        } else {
          const int64_t limit = array.dtype == DType::Bool ? 2 : sizes_.index_limit;
          array.integers.push_back(static_cast<int64_t>(random() % static_cast<unsigned>(limit)));
        }
      }
      leaves_[leaf_name(node)] = array;
    }
  }

  void make_buffers() {
    for (size_t i = 0; i < graph_.size(); ++i) {
      const NodeId id(i);
      const Node& node = graph_[id];
      if (!is_leaf(node)) continue;
      buffers_[id] = poisoned(id);
      const Array<float>& value = expected_[id];
      for (int64_t at = 0; at < value.count(); ++at) write(id, at, value);
    }
  }
  void write(NodeId id, int64_t at, const Array<float>& value) {
    const DType dtype = graph_.type(id).dtype;
    const size_t place = static_cast<size_t>(at);
    std::byte* to = buffers_[id].data() + at * dtype_size(dtype);
    const auto put = [&](auto item) { std::memcpy(to, &item, sizeof item); };
    switch (dtype) {
      case DType::Bool:
        put(static_cast<uint8_t>(value.integers[place]));
        break;
      case DType::I32:
        put(static_cast<int32_t>(value.integers[place]));
        break;
      case DType::I64:
        put(value.integers[place]);
        break;
      case DType::F32:
        put(value.floats[place]);
        break;
      case DType::F64:
        put(static_cast<double>(value.floats[place]));
        break;
    }
  }
  template <typename T>
  static T item(const std::vector<std::byte>& bytes, int64_t at) {
    T value;
    std::memcpy(&value, bytes.data() + at * static_cast<int64_t>(sizeof value), sizeof value);
    return value;
  }
  static int64_t integer(const std::vector<std::byte>& bytes, DType dtype, int64_t at) {
    if (dtype == DType::Bool) return item<uint8_t>(bytes, at);
    return dtype == DType::I32 ? item<int32_t>(bytes, at) : item<int64_t>(bytes, at);
  }

  void compare(size_t index) {
    const Result& result = graph_.results[index];
    const auto own = results_.find(static_cast<int32_t>(index));
    const NodeId place =
        result.kind == ResultKind::Update ? fuse::Sources(graph_).leaf(result.name) : result.value;
    const std::vector<std::byte>& bytes = own != results_.end() ? own->second : buffers_[place];
    const Array<float>& expected = expected_[result.value];
    ASSERT_FALSE(bytes.empty()) << "result " << index << " has no buffer\n" << kernels_;
    for (int64_t at = 0; at < expected.count(); ++at) {
      const size_t i = static_cast<size_t>(at);
      if (!is_float(expected.dtype)) {
        ASSERT_EQ(integer(bytes, expected.dtype, at), expected.integers[i])
            << "result " << index << " element " << at << "\n"
            << kernels_;
        continue;
      }
      const float found = expected.dtype == DType::F32
                              ? item<float>(bytes, at)
                              : static_cast<float>(item<double>(bytes, at));
      if (std::isnan(found) && std::isnan(expected.floats[i])) continue;
      ASSERT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(expected.floats[i]))
          << "result " << index << " element " << at << ": " << found << " instead of "
          << expected.floats[i] << "\n"
          << fuse::print_clustering(graph_, clustering_) << kernels_;
    }
  }

  const Graph& graph_;
  StepSizes sizes_;
  Target target_;
  Clustering clustering_;
  Environment<float> leaves_;
  EvalContext context_;
  IdVector<NodeId, Array<float>> expected_;
  std::map<NodeId, std::vector<std::byte>> buffers_;
  std::map<int32_t, std::vector<std::byte>> results_;
  std::string kernels_;
};

}  // namespace gradus::kernel
