// Buffers for everything that kernels read and write, kernels built and stored once, launches in
// order.
#include "plan/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "graph/op.h"
#include "kernel/build.h"
#include "kernel/text.h"
#include "plan/order.h"
#include "support/check.h"

namespace gradus::plan {

namespace {

class ProgramBuilder {
 public:
  ProgramBuilder(const Graph& graph, const Clustering& clustering, const Target& target,
                 int64_t capacity)
      : graph_(graph), clustering_(clustering), target_(target) {
    program_.name = graph.name;
    program_.capacity = capacity;
  }

  Program build();

 private:
  const Graph& graph_;
  const Clustering& clustering_;
  const Target& target_;
  Program program_;
  std::map<NodeId, BufferId> buffer_of_;            // values and leaves
  std::map<size_t, BufferId> buffer_of_result_;     // those that have one of their own
  std::map<std::string, KernelId> kernel_of_text_;  // by sharing key

  BufferId add(BufferKind kind, std::string name, const TensorType& type, NodeId value);
  void add_leaves(OpKind op, BufferKind kind);
  void add_results();
  bool is_copied(size_t result) const;
  BufferId buffer_of_leaf(const std::string& name) const;
  BufferId buffer_of_slot(const kernel::Slot& slot);
  BufferId add_constant(NodeId id);
  void launch(ClusterId id);
  void add_checks();
  NodeId index_source(NodeId id) const;
  void add_check(NodeId index, Dim limit);
};

BufferId ProgramBuilder::add(BufferKind kind, std::string name, const TensorType& type,
                             NodeId value) {
  Buffer buffer;
  buffer.kind = kind;
  buffer.name = std::move(name);
  buffer.type = type;
  buffer.value = value;
  buffer.bytes = byte_size(type, program_.capacity);
  return program_.buffers.push_back(std::move(buffer));
}

void ProgramBuilder::add_leaves(OpKind op, BufferKind kind) {
  for (size_t i = 0; i < graph_.size(); ++i) {
    const Node& node = graph_[NodeId(i)];
    if (node.op != op) continue;
    buffer_of_[NodeId(i)] = add(kind, leaf_name(node), node.type, NodeId(i));
  }
}

/// Whether a cluster of its own copies the value into this result's buffer.
bool ProgramBuilder::is_copied(size_t result) const {
  return std::any_of(
      clustering_.clusters.begin(), clustering_.clusters.end(),
      [&](const Cluster& cluster) { return cluster.copy_result == static_cast<int32_t>(result); });
}

void ProgramBuilder::add_results() {
  for (size_t i = 0; i < graph_.results.size(); ++i) {
    const Result& result = graph_.results[i];
    if (result.kind == ResultKind::Update) {
      buffer_of_result_[i] = buffer_of_leaf(result.name);
      continue;
    }
    std::string name = result.name;
    if (result.kind == ResultKind::Loss) name = "loss";
    BufferId buffer = add(BufferKind::Output, name, graph_.type(result.value), result.value);
    buffer_of_result_[i] = buffer;
    if (!is_copied(i)) buffer_of_.emplace(result.value, buffer);
  }
}

BufferId ProgramBuilder::buffer_of_leaf(const std::string& name) const {
  for (const auto& [node, buffer] : buffer_of_) {
    OpKind op = graph_[node].op;
    bool variable = op == OpKind::Param || op == OpKind::State;
    if (variable && leaf_name(graph_[node]) == name) return buffer;
  }
  check_failed(__FILE__, __LINE__, "leaf",
               fmt::format("an update of `{}`, which is no leaf", name));
}

/// Constants that kernels read as arrays; scalars stand in the kernels.
BufferId ProgramBuilder::add_constant(NodeId id) {
  const Node& node = graph_[id];
  BufferId buffer = add(BufferKind::Constant, clustering_.names[id], node.type, id);
  size_t count = static_cast<size_t>(element_count(node.type.shape, program_.capacity));
  std::vector<double>& values = program_.buffers[buffer].constant;
  if (const AttrValue* list = node.attrs.find(AttrName::Values)) {
    values = std::get<std::vector<double>>(*list);
  } else if (node.op == OpKind::Constant) {
    values.assign(count, node.attrs.get<double>(AttrName::Value));
  } else {
    size_t axis = static_cast<size_t>(node.attrs.integer(AttrName::Axis));
    std::vector<int64_t> strides = dense_strides(node.type.shape, program_.capacity);
    int64_t extent = node.type.shape[axis].at(program_.capacity);
    for (size_t i = 0; i < count; ++i) {
      values.push_back(static_cast<double>(static_cast<int64_t>(i) / strides[axis] % extent));
    }
  }
  GRADUS_CHECK(values.size() == count, "a constant has as many elements as its shape says");
  return buffer;
}

BufferId ProgramBuilder::buffer_of_slot(const kernel::Slot& slot) {
  if (slot.space == kernel::SlotSpace::Worker) return {};
  if (slot.result >= 0) return buffer_of_result_.at(static_cast<size_t>(slot.result));
  auto known = buffer_of_.find(slot.value);
  if (known != buffer_of_.end()) return known->second;
  OpKind op = graph_[slot.value].op;
  BufferId buffer = op == OpKind::Constant || op == OpKind::Iota
                        ? add_constant(slot.value)
                        : add(BufferKind::Arena, clustering_.names[slot.value],
                              graph_.type(slot.value), slot.value);
  buffer_of_[slot.value] = buffer;
  return buffer;
}

void ProgramBuilder::launch(ClusterId id) {
  const Cluster& cluster = clustering_.clusters[id];
  kernel::Schedule schedule = kernel::choose_schedule(graph_, cluster, target_, program_.capacity);
  kernel::Kernel kernel =
      kernel::build_kernel(graph_, clustering_, id, schedule, target_, program_.capacity);
  Launch launch;
  for (const kernel::Slot& slot : kernel.slots) launch.buffers.push_back(buffer_of_slot(slot));
  launch.name = kernel.name;
  launch.nodes = kernel.nodes;
  program_.worker_bytes = std::max(program_.worker_bytes, kernel.worker_bytes);
  auto [place, added] = kernel_of_text_.try_emplace(kernel::sharing_key(kernel));
  if (added) place->second = program_.kernels.push_back(std::move(kernel));
  launch.kernel = place->second;
  program_.launches.push_back(std::move(launch));
}

/// The integer input whose elements `id` holds, perhaps moved or widened; invalid where there is
/// none.
NodeId ProgramBuilder::index_source(NodeId id) const {
  for (;;) {
    const Node& node = graph_[id];
    if (node.op == OpKind::Input) return is_integer(node.type.dtype) ? id : NodeId();
    bool passes = node.op == OpKind::Convert || node.op == OpKind::StopGradient ||
                  (op_def(node.op).cls == OpClass::Layout && node.operands.size() == 1 &&
                   node.op != OpKind::Pad);
    if (!passes) return {};
    id = node.operands[0];
  }
}

void ProgramBuilder::add_check(NodeId index, Dim limit) {
  NodeId input = index_source(index);
  if (!input.valid() || limit.batch) return;
  BufferId buffer = buffer_of_.at(input);
  for (IndexCheck& check : program_.checks) {
    if (check.input != buffer) continue;
    check.limit = std::min(check.limit, limit.value);
    return;
  }
  program_.checks.push_back({buffer, limit.value});
}

/// Rows that take an element by number: which operand is the number, and of how many.
void ProgramBuilder::add_checks() {
  for (const Node& node : graph_.nodes) {
    auto axis = static_cast<size_t>(node.attrs.get_or<int64_t>(AttrName::Axis, 0));
    switch (node.op) {
      case OpKind::Gather:
      case OpKind::TakeAlong:
        add_check(node.operands[1], graph_.type(node.operands[0]).shape[axis]);
        break;
      case OpKind::ScatterAdd:
      case OpKind::PutAlong:
        add_check(node.operands[0], node.type.shape[axis]);
        break;
      default:
        break;
    }
  }
}

Program ProgramBuilder::build() {
  add_leaves(OpKind::Input, BufferKind::Input);
  add_leaves(OpKind::Param, BufferKind::Param);
  add_leaves(OpKind::State, BufferKind::State);
  add_results();
  for (size_t i = 0; i < clustering_.clusters.size(); ++i) launch(ClusterId(i));
  number_blocks(program_);
  add_checks();
  choose_order(program_);
  return std::move(program_);
}

}  // namespace

std::string_view buffer_kind_name(BufferKind kind) {
  static constexpr std::string_view kNames[] = {"input",  "param",    "state",
                                                "output", "constant", "arena"};
  return kNames[static_cast<size_t>(kind)];
}

void number_blocks(Program& program) {
  program.block_count = 0;
  for (BufferKind kind : {BufferKind::Input, BufferKind::Param, BufferKind::State,
                          BufferKind::Output, BufferKind::Constant}) {
    for (Buffer& buffer : program.buffers) {
      if (buffer.kind == kind) buffer.block = program.block_count++;
    }
  }
  program.arena_block = program.block_count++;
  program.worker_block = program.block_count++;
  for (Buffer& buffer : program.buffers) {
    if (buffer.kind == BufferKind::Arena) buffer.block = program.arena_block;
  }
}

Program build_program(const Graph& graph, const Clustering& clustering, const Target& target,
                      int64_t capacity) {
  return ProgramBuilder(graph, clustering, target, capacity).build();
}

}  // namespace gradus::plan
