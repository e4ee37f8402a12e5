// What a set of compiled graphs has reached: operator rows, kernel classes, and the choices that
// kernels of products have. A count of zero is a hole in the test.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>

#include "kernel/walk.h"
#include "run/step_case.h"

namespace gradus::run {

class Histogram {
 public:
  Histogram() {
    for (const OpDef* def : all_ops()) counts_["row " + std::string(def->name)] = 0;
    for (const char* cls : {"pointwise", "rows", "contract", "strip", "scatter", "scalar"})
      counts_["class " + std::string(cls)] = 0;
    for (const char* place : {"tile", "block"}) {
      for (const char* what : {"bias", "activation", "residual", "update"})
        counts_[fmt::format("{} epilogue: {}", place, what)] = 0;
    }
    for (const char* name : {"K in one block",
                             "K in blocks",
                             "K over 1024",
                             "K of the batch's rows",
                             "product NN",
                             "product NT",
                             "product TN",
                             "product TT",
                             "product with leading dimensions",
                             "product with one column",
                             "pack of the right operand",
                             "lanes along rows",
                             "rows held in registers",
                             "sum over 16384 elements",
                             "n < capacity",
                             "n = capacity",
                             "update in place",
                             "slice backwards",
                             "output in its operand's place",
                             "wide indices",
                             "constants as arrays"})
      counts_[name] = 0;
  }

  void add(const StepCase& step) {
    for (const Graph* graph : {&step.lowered.source, &step.lowered.joint, &step.lowered.ordered})
      add_rows(*graph);
    ++counts_[step.context.n < step.context.capacity ? "n < capacity" : "n = capacity"];
    const Lowered& lowered = step.lowered;
    for (const plan::Launch& launch : lowered.program.launches) {
      const kernel::Kernel& kernel = lowered.program.kernels[launch.kernel];
      ++counts_["class " + std::string(cluster_class_name(kernel.cls))];
      const bool computes = !launch.nodes.empty() && kernel.cls != ClusterClass::Scalar;
      if (computes) add_products(lowered, launch, kernel);
      if (kernel.cls == ClusterClass::Rows)
        counts_["rows held in registers"] += kernel.schedule.held;
      for (const kernel::Slot& slot : kernel.slots)
        counts_["output in its operand's place"] += !slot.may_share.empty();
    }
    for (const Cluster& cluster : lowered.clustering.clusters)
      counts_["update in place"] += !cluster.updates.empty();
    for (const plan::Buffer& buffer : lowered.program.buffers)
      counts_["constants as arrays"] += buffer.kind == plan::BufferKind::Constant;
  }

  std::string text() const {
    std::string out;
    for (const auto& [name, count] : counts_) out += fmt::format("{:6} {}\n", count, name);
    return out;
  }
  std::string missing() const {
    std::string out;
    for (const auto& [name, count] : counts_) {
      if (count == 0) out += name + "; ";
    }
    return out;
  }

 private:
  void add_rows(const Graph& graph) {
    for (const Node& node : graph.nodes) {
      const OpDef& def = op_def(node.op);
      ++counts_["row " + std::string(def.name)];
      if (node.op == OpKind::Slice) {
        const auto& step = node.attrs.integers(AttrName::Step);
        counts_["slice backwards"] +=
            std::any_of(step.begin(), step.end(), [](int64_t s) { return s < 0; });
      }
      counts_["wide indices"] += node.op == OpKind::Input && node.type.dtype == DType::I64;
      if (node.op == OpKind::Sum && !node.operands.empty()) {
        const Shape& from = graph.type(node.operands[0]).shape;
        counts_["sum over 16384 elements"] += !from.empty() && from.back().value > 16384;
      }
    }
  }

  void add_products(const Lowered& lowered, const plan::Launch& launch,
                    const kernel::Kernel& kernel) {
    const ClusterId id = lowered.clustering.cluster_of[launch.nodes.front()];
    if (!id.valid()) return;
    const Cluster& cluster = lowered.clustering.clusters[id];
    if (cluster.cls == ClusterClass::Contract) add_product(lowered.ordered, cluster, kernel);
    // A strip by rows has the schedule of its product.
    for (const Cluster& part : cluster.parts) {
      const bool product = part.cls == ClusterClass::Contract && cluster.items.empty();
      if (product) add_product(lowered.ordered, part, kernel);
    }
  }
  void add_product(const Graph& graph, const Cluster& cluster, const kernel::Kernel& kernel) {
    const Node& product = graph[cluster.anchor];
    ++counts_[fmt::format("product {}{}", product.attrs.flag(AttrName::Ta) ? 'T' : 'N',
                          product.attrs.flag(AttrName::Tb) ? 'T' : 'N')];
    counts_["product with leading dimensions"] += product.type.rank() > 2;
    counts_["product with one column"] += product.type.shape.back().is_one();
    counts_["pack of the right operand"] += kernel.schedule.pack_right;
    counts_["lanes along rows"] += kernel.schedule.swapped;
    kernel::walk(kernel.body, [&](const kernel::Stmt& stmt) {
      const auto* tile = std::get_if<kernel::Tile>(&stmt.body);
      if (!tile) return;
      ++counts_[tile->micro.k0.valid() ? "K in blocks" : "K in one block"];
      counts_["K over 1024"] += tile->micro.totals.has_value();
      counts_["K of the batch's rows"] += tile->micro.k_extent.per_n != 0;
    });
    add_epilogue(graph, cluster, kernel.schedule.block_epilogue ? "block" : "tile");
  }

  void add_epilogue(const Graph& graph, const Cluster& cluster, const std::string& place) {
    bool bias = false, activation = false, residual = false;
    for (NodeId member : cluster.members) {
      const Node& node = graph[member];
      const bool sum = node.op == OpKind::Add || node.op == OpKind::Fma || node.op == OpKind::Sub;
      activation |= node.op == OpKind::Maximum || node.op == OpKind::Tanh ||
                    node.op == OpKind::Sigmoid || node.op == OpKind::NormalCdf ||
                    node.op == OpKind::Select;
      for (NodeId operand : node.operands) {
        const bool outside = !std::count(cluster.members.begin(), cluster.members.end(), operand);
        if (!sum || !outside) continue;
        bias |= graph.type(operand).rank() == 1;
        residual |= graph.type(operand).shape == node.type.shape && node.type.rank() > 1 &&
                    graph[operand].op != OpKind::Param;
      }
    }
    counts_[place + " epilogue: bias"] += bias;
    counts_[place + " epilogue: activation"] += activation;
    counts_[place + " epilogue: residual"] += residual;
    counts_[place + " epilogue: update"] += !cluster.updates.empty();
  }

  std::map<std::string, int64_t> counts_;
};

}  // namespace gradus::run
