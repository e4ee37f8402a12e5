// A graph from text as one contract cluster, with random leaves: its kernel is interpreted and
// compared with the exact evaluator, bit for bit.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <map>
#include <random>
#include <string>

#include "eval/eval.h"
#include "graph/text.h"
#include "kernel/build/build.h"
#include "kernel/run.h"
#include "kernel/schedule/schedules.h"
#include "kernel/text.h"

namespace gradus::kernel {

struct RunSizes {
  int64_t n = 1;
  int64_t capacity = 1;
};

class TestGraph {
 public:
  TestGraph(const std::string& text, RunSizes sizes) : sizes_(sizes) {
    SourceMap sources;
    DiagEngine diags(sources);
    auto graphs = read_graphs(sources, sources.add("t.gir", text), diags);
    if (!graphs) throw std::runtime_error(diags.render(false));
    graph_ = graphs->front();
    make_cluster();
    make_leaves();
    context_.n = sizes.n;
    context_.capacity = sizes.capacity;
    expected_ = eval_exact(graph_, leaves_, context_);
  }

  const Graph& graph() const { return graph_; }
  const Cluster& cluster() const { return clustering_.clusters[ClusterId(0)]; }

  std::string kernel_text(const Schedule& schedule, const Target& target) const {
    return print_kernel(
        build_kernel(graph_, clustering_, ClusterId(0), schedule, target, sizes_.capacity));
  }

  void expect_exact(const Schedule& schedule, const Target& target) {
    Kernel kernel =
        build_kernel(graph_, clustering_, ClusterId(0), schedule, target, sizes_.capacity);
    std::string text = print_kernel(kernel);
    auto breach = verify_kernel(kernel);
    ASSERT_FALSE(breach) << *breach << "\n" << text;
    expect_round_trip(text);
    run_and_compare(kernel, text, false);
    run_and_compare(kernel, text, true);
  }

 private:
  Graph graph_;
  Clustering clustering_;
  RunSizes sizes_;
  Environment<float> leaves_;
  EvalContext context_;
  IdVector<NodeId, Array<float>> expected_;

  /// `in_place`: outputs take the buffers of inputs that they may share.
  void run_and_compare(const Kernel& kernel, const std::string& text, bool in_place) const {
    std::map<NodeId, NodeId> home;  // of an output: the input whose buffer it takes
    for (const Slot& slot : kernel.slots) {
      if (!in_place || slot.may_share.empty()) continue;
      const NodeId input = kernel.slots[slot.may_share[0]].value;
      bool taken = false;
      for (const auto& [output, other] : home) taken = taken || other == input;
      if (!taken) home[slot.value] = input;
    }
    if (in_place && home.empty()) return;
    auto home_of = [&](NodeId id) { return home.count(id) ? home.at(id) : id; };
    std::map<NodeId, std::vector<std::byte>> buffers;
    std::vector<BufferView> views;
    for (const Slot& slot : kernel.slots) {
      if (slot.space == SlotSpace::Worker) {
        views.push_back({});
        continue;
      }
      std::vector<std::byte>& bytes = buffers[home_of(slot.value)];
      if (bytes.empty()) bytes = initial_bytes(home_of(slot.value));
      views.push_back({bytes.data(), bytes.size()});
    }
    RunContext context;
    context.n = sizes_.n;
    run_kernel(kernel, views, context);
    for (const auto& [output, input] : home) buffers[output] = buffers[input];
    for (const Result& result : graph_.results) compare(result, buffers, text);
  }

  void make_cluster() {
    Cluster cluster;
    cluster.cls = ClusterClass::Contract;
    clustering_.cluster_of.resize(graph_.size());
    clustering_.names = value_names(graph_);
    for (size_t i = 0; i < graph_.size(); ++i) {
      NodeId id(i);
      OpClass cls = op_def(graph_[id].op).cls;
      if (cls == OpClass::Contract) cluster.anchor = id;
      if (cls != OpClass::Pointwise && cls != OpClass::Contract) continue;
      cluster.members.push_back(id);
      clustering_.cluster_of[id] = ClusterId(0);
    }
    for (const Result& result : graph_.results) {
      cluster.yields.push_back(result.value);
      if (result.kind != ResultKind::Update) continue;
      cluster.updates.push_back({result.value, leaf(result.name)});
    }
    // A scalar that is no anchor would be a cluster of its own; here it is taken from the leaves.
    std::erase_if(cluster.members,
                  [&](NodeId id) { return graph_.type(id).is_scalar() && id != cluster.anchor; });
    clustering_.clusters.push_back(cluster);
  }

  NodeId leaf(const std::string& name) const {
    for (size_t i = 0; i < graph_.size(); ++i) {
      OpKind op = graph_[NodeId(i)].op;
      bool named = op == OpKind::Param || op == OpKind::State || op == OpKind::Input;
      if (named && leaf_name(graph_[NodeId(i)]) == name) return NodeId(i);
    }
    throw std::runtime_error("no leaf " + name);
  }

  void make_leaves() {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (const Node& node : graph_.nodes) {
      if (node.op != OpKind::Param && node.op != OpKind::State && node.op != OpKind::Input)
        continue;
      Array<float> array;
      for (Dim dim : node.type.shape) array.sizes.push_back(dim.at(sizes_.n));
      for (int64_t i = 0; i < array.count(); ++i) array.floats.push_back(normal(random));
      leaves_[leaf_name(node)] = array;
    }
  }

  /// Dense floats as they lie in memory: the dimension of the batch is outermost.
  std::vector<size_t> memory_order(NodeId id) const {
    const View view = resolve_dense(id);
    std::vector<size_t> order;
    std::vector<int64_t> at(view.extents.size(), 0);
    for (int64_t count = element_count(view.extents, sizes_.n); count > 0; --count) {
      int64_t place = 0;
      for (size_t d = 0; d < at.size(); ++d) place += at[d] * view.strides[d];
      order.push_back(static_cast<size_t>(place));
      for (size_t d = at.size(); d-- > 0;) {
        if (++at[d] < view.extents[d].at(sizes_.n)) break;
        at[d] = 0;
      }
    }
    return order;
  }
  View resolve_dense(NodeId id) const {
    View view{id, graph_.type(id).shape, {}, 0};
    view.strides.assign(view.extents.size(), 1);
    int64_t stride = 1;
    for (size_t pass = 0; pass < 2; ++pass) {
      for (size_t d = view.extents.size(); d-- > 0;) {
        if (view.extents[d].batch != (pass == 1)) continue;
        view.strides[d] = stride;
        stride *= view.extents[d].value;
      }
    }
    return view;
  }

  /// A buffer at capacity: leaves and earlier values filled, results poisoned.
  std::vector<std::byte> initial_bytes(NodeId id) const {
    const TensorType& type = graph_.type(id);
    std::vector<std::byte> bytes(static_cast<size_t>(byte_size(type, sizes_.capacity)),
                                 std::byte{0xff});
    bool made_here = clustering_.cluster_of[id].valid() && !type.is_scalar();
    if (made_here) return bytes;
    std::vector<size_t> order = memory_order(id);
    for (size_t i = 0; i < order.size(); ++i) {
      std::memcpy(bytes.data() + 4 * order[i], &expected_[id].floats[i], 4);
    }
    return bytes;
  }

  void compare(const Result& result, const std::map<NodeId, std::vector<std::byte>>& buffers,
               const std::string& text) const {
    NodeId place = result.kind == ResultKind::Update ? leaf(result.name) : result.value;
    const std::vector<std::byte>& bytes = buffers.at(place);
    const Array<float>& expected = expected_[result.value];
    std::vector<size_t> order = memory_order(place);
    for (size_t i = 0; i < order.size(); ++i) {
      float found;
      std::memcpy(&found, bytes.data() + 4 * order[i], 4);
      ASSERT_EQ(std::bit_cast<uint32_t>(found), std::bit_cast<uint32_t>(expected.floats[i]))
          << "element " << i << ": " << found << " instead of " << expected.floats[i] << "\n"
          << text;
    }
  }

  static void expect_round_trip(const std::string& text) {
    SourceMap sources;
    DiagEngine diags(sources);
    auto again = read_kernels(sources, sources.add("t.kernel", text), diags);
    ASSERT_TRUE(again) << diags.render(false) << text;
    ASSERT_EQ(print_kernel(again->front()), text);
  }
};

}  // namespace gradus::kernel
