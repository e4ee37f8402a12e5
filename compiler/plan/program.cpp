// Buffers for everything that kernels read and write, kernels built and stored once, launches in
// order.
#include "plan/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "graph/op.h"
#include "kernel/build/build.h"
#include "kernel/build/cluster_form.h"
#include "kernel/schedule/choose.h"
#include "kernel/text.h"
#include "plan/order.h"
#include "support/check.h"

namespace gradus::plan {

namespace {

/// What the launch of one cluster tells of those of equal form: their slots stand for the nodes of
/// the same numbers.
struct SharedKernel {
  struct Slot {
    bool worker = false;
    bool of_result = false;  // the own buffer of the result that is copied
    size_t node = 0;         // whose buffer it is otherwise, by number
  };
  KernelId kernel;
  std::vector<Slot> slots;
  std::optional<size_t> named_after;  // a node by number
  std::string name;                   // after that node's, or all of it
};

class ProgramBuilder {
 public:
  ProgramBuilder(const Graph& graph, const Clustering& clustering, const Target& target,
                 int64_t capacity)
      : graph_(graph),
        clustering_(clustering),
        target_(target),
        forms_(graph, clustering),
        buffer_of_(graph.size()),
        buffer_of_result_(graph.results.size()) {
    program_.name = graph.name;
    program_.capacity = capacity;
  }

  Program build();

 private:
  const Graph& graph_;
  const Clustering& clustering_;
  const Target& target_;
  kernel::FormFinder forms_;
  Program program_;
  IdVector<NodeId, BufferId> buffer_of_;                 // values and leaves
  std::vector<BufferId> buffer_of_result_;               // those that have one of their own
  std::unordered_map<std::string, BufferId> variables_;  // parameters and states by name
  std::unordered_map<std::string, SharedKernel> kernel_of_form_;
  std::unordered_map<std::string, KernelId> kernel_of_text_;  // by sharing key

  BufferId add(BufferKind kind, std::string name, const TensorType& type, NodeId value);
  void add_leaves(OpKind op, BufferKind kind);
  void add_results();
  BufferId add_check_value(const Result& result);
  void add_computed_checks();
  BufferId buffer_of_variable(const std::string& name) const;
  BufferId buffer_of_value(NodeId value);
  BufferId add_constant(NodeId id);
  KernelId keep(kernel::Kernel kernel);
  SharedKernel build_form(ClusterId id, const std::vector<NodeId>& nodes);
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
    if (op != OpKind::Input) variables_.emplace(leaf_name(node), buffer_of_[NodeId(i)]);
  }
}

void ProgramBuilder::add_results() {
  std::vector<bool> copied(graph_.results.size(), false);  // by a cluster of its own
  for (const Cluster& cluster : clustering_.clusters) {
    if (cluster.copy_result >= 0) copied[static_cast<size_t>(cluster.copy_result)] = true;
  }
  for (size_t i = 0; i < graph_.results.size(); ++i) {
    const Result& result = graph_.results[i];
    if (result.kind == ResultKind::Update) {
      buffer_of_result_[i] = buffer_of_variable(result.name);
      continue;
    }
    if (result.kind == ResultKind::Check) {
      // In the arena, to be looked at by the step itself.
      if (copied[i]) buffer_of_result_[i] = add_check_value(result);
      continue;
    }
    std::string name = result.name;
    if (result.kind == ResultKind::Loss) name = "loss";
    BufferId buffer = add(BufferKind::Output, name, graph_.type(result.value), result.value);
    buffer_of_result_[i] = buffer;
    BufferId& own = buffer_of_[result.value];
    if (!copied[i] && !own.valid()) own = buffer;
  }
}

BufferId ProgramBuilder::add_check_value(const Result& result) {
  return add(BufferKind::Arena, "check." + result.name, graph_.type(result.value), result.value);
}

void ProgramBuilder::add_computed_checks() {
  for (size_t i = 0; i < graph_.results.size(); ++i) {
    const Result& result = graph_.results[i];
    if (result.kind != ResultKind::Check) continue;
    const BufferId own = buffer_of_result_[i];
    const int64_t number = std::stoll(result.name);
    program_.computed_checks.push_back({own.valid() ? own : buffer_of_[result.value], number});
  }
}

BufferId ProgramBuilder::buffer_of_variable(const std::string& name) const {
  auto found = variables_.find(name);
  GRADUS_CHECK(found != variables_.end(), fmt::format("an update of `{}`, which is no leaf", name));
  return found->second;
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

BufferId ProgramBuilder::buffer_of_value(NodeId value) {
  BufferId& buffer = buffer_of_[value];
  if (buffer.valid()) return buffer;
  OpKind op = graph_[value].op;
  buffer = op == OpKind::Constant || op == OpKind::Iota
               ? add_constant(value)
               : add(BufferKind::Arena, clustering_.names[value], graph_.type(value), value);
  return buffer;
}

/// Clusters of several forms may still have the same kernel.
KernelId ProgramBuilder::keep(kernel::Kernel kernel) {
  program_.worker_bytes = std::max(program_.worker_bytes, kernel.worker_bytes);
  auto [place, added] = kernel_of_text_.try_emplace(kernel::sharing_key(kernel));
  if (added) place->second = program_.kernels.push_back(std::move(kernel));
  return place->second;
}

SharedKernel ProgramBuilder::build_form(ClusterId id, const std::vector<NodeId>& nodes) {
  const Cluster& cluster = clustering_.clusters[id];
  kernel::Schedule schedule = kernel::choose_schedule(graph_, cluster, target_, program_.capacity);
  kernel::Kernel kernel =
      kernel::build_kernel(graph_, clustering_, id, schedule, target_, program_.capacity);
  auto number_of = [&](NodeId node) {
    auto found = std::ranges::find(nodes, node);
    GRADUS_CHECK(found != nodes.end(), "a kernel touches what its cluster's form mentions");
    return static_cast<size_t>(found - nodes.begin());
  };
  SharedKernel shared;
  for (const kernel::Slot& slot : kernel.slots) {
    const bool worker = slot.space == kernel::SlotSpace::Worker, of_result = slot.result >= 0;
    shared.slots.push_back({worker, of_result, worker || of_result ? 0 : number_of(slot.value)});
  }
  shared.name = kernel.name;
  if (kernel.named_after.valid()) {
    shared.named_after = number_of(kernel.named_after);
    shared.name.erase(0, kernel::plain_name(clustering_.names[kernel.named_after]).size());
  }
  shared.kernel = keep(std::move(kernel));
  return shared;
}

void ProgramBuilder::launch(ClusterId id) {
  const Cluster& cluster = clustering_.clusters[id];
  kernel::ClusterForm form = forms_.find(cluster);
  auto [place, added] = kernel_of_form_.try_emplace(std::move(form.key));
  if (added) place->second = build_form(id, form.nodes);
  const SharedKernel& shared = place->second;
  Launch launch;
  launch.kernel = shared.kernel;
  for (const SharedKernel::Slot& slot : shared.slots) {
    launch.buffers.push_back(slot.worker      ? BufferId()
                             : slot.of_result ? buffer_of_result_[cluster.copy_result]
                                              : buffer_of_value(form.nodes[slot.node]));
  }
  launch.name = shared.name;
  if (shared.named_after) {
    const NodeId after = form.nodes[*shared.named_after];
    launch.name.insert(0, kernel::plain_name(clustering_.names[after]));
  }
  launch.nodes = cluster.members;
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
  BufferId buffer = buffer_of_[input];
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
  add_computed_checks();
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
