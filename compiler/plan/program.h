// The program of one step: buffers, kernels without doubles, launches in order.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cluster/cluster.h"
#include "kernel/kernel.h"
#include "support/target.h"

namespace gradus::plan {

using BufferId = Id<struct BufferTag>;
using KernelId = Id<struct KernelTag>;

enum class BufferKind : uint8_t {
  Input,  // given by the caller each step, dense, read only
  Param,  // given by the caller, kept between steps
  State,
  Output,    // results that the caller reads: outputs, loss, accumulators
  Constant,  // dense constants of the graph
  Arena,     // intermediates, at offsets that the plan chooses
};

struct Buffer {
  BufferKind kind = BufferKind::Arena;
  std::string name;  // leaf or result name; of an arena buffer the value's text name
  TensorType type;
  NodeId value;
  int64_t bytes = 0;             // at capacity
  int64_t block = -1;            // index into the frame's blocks; all arena buffers share one block
  std::vector<double> constant;  // Constant: its elements
};

struct Launch {
  KernelId kernel;
  std::vector<BufferId> buffers;  // per slot of the kernel; invalid for worker slots
  std::string name;               // of the cluster, for `bench`
  std::vector<NodeId> nodes;
};

/// Values of an integer input must lie in [0, limit) before anything runs.
struct IndexCheck {
  BufferId input;
  int64_t limit = 0;
};

/// A value that is no row once all launches are done, or the step answers with this number.
struct ComputedCheck {
  BufferId first;  // i32[] in the arena: the first row that is wrong, kNoRow where none is
  int64_t number = 0;
};

struct Program {
  std::string name;
  int64_t capacity = 1;  // the largest n
  IdVector<BufferId, Buffer> buffers;
  IdVector<KernelId, kernel::Kernel> kernels;
  std::vector<Launch> launches;
  std::vector<IndexCheck> checks;
  std::vector<ComputedCheck> computed_checks;
  int64_t worker_bytes = 0;  // scratch of one worker: the largest over the kernels
  int64_t arena_block = -1;  // numbers of the frame's blocks
  int64_t worker_block = -1;
  int64_t block_count = 0;
};

/// Blocks are numbered: inputs in order of the graph, then params, states, outputs (results in
/// order), then constants (a block each, filled by whoever runs the step), the arena, the worker
/// scratch. Within a kind the order is that of the graph's nodes or results. A result whose value
/// is a leaf, or stands twice, is copied.
Program build_program(const Graph& graph, const Clustering& clustering, const Target& target,
                      int64_t capacity);

std::string_view buffer_kind_name(BufferKind kind);
/// Gives buffers their blocks in the order that build_program says.
void number_blocks(Program& program);

}  // namespace gradus::plan
