// The memory of one step, as plan and program ask for it, with borders: every block stands between
// bytes that nobody may write, and all that a step has not been given is NaN.
#pragma once

#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "eval/eval.h"
#include "plan/plan.h"
#include "plan/program.h"

namespace gradus::run {

inline constexpr std::byte kPoison{0xff};  // NaN in both float types, -1 in integers

template <typename T>
void put(std::byte* to, int64_t at, double value) {
  T item = static_cast<T>(value);
  std::memcpy(to + at * static_cast<int64_t>(sizeof(T)), &item, sizeof(T));
}
inline void put_element(DType dtype, std::byte* to, int64_t at, double value) {
  switch (dtype) {
    case DType::Bool:
      return put<uint8_t>(to, at, value);
    case DType::I32:
      return put<int32_t>(to, at, value);
    case DType::I64:
      return put<int64_t>(to, at, value);
    case DType::F32:
      return put<float>(to, at, value);
    case DType::F64:
      return put<double>(to, at, value);
  }
}
template <typename T>
T item_at(const std::byte* from, int64_t at) {
  T item;
  std::memcpy(&item, from + at * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return item;
}

inline double element(const Array<float>& array, int64_t at) {
  const auto i = static_cast<size_t>(at);
  return is_float(array.dtype) ? static_cast<double>(array.floats[i])
                               : static_cast<double>(array.integers[i]);
}

/// Where each element of a value lies, in elements: dense, but with the batch outermost.
inline std::vector<int64_t> memory_places(const Shape& shape, int64_t n) {
  const std::vector<int64_t> strides = memory_strides(shape);
  std::vector<int64_t> places, at(shape.size(), 0);
  for (int64_t left = element_count(shape, n); left > 0; --left) {
    places.push_back(std::inner_product(at.begin(), at.end(), strides.begin(), int64_t{0}));
    for (size_t d = shape.size(); d-- > 0;) {
      if (++at[d] < shape[d].at(n)) break;
      at[d] = 0;
    }
  }
  return places;
}

class StepMemory {
 public:
  StepMemory(const plan::Program& program, const plan::Plan& plan, int workers = 1)
      : program_(&program), plan_(&plan) {
    std::vector<size_t> sizes(static_cast<size_t>(program.block_count), 0);
    for (const plan::Buffer& buffer : program.buffers) {
      if (buffer.kind == plan::BufferKind::Arena) continue;
      sizes[static_cast<size_t>(buffer.block)] = static_cast<size_t>(buffer.bytes);
    }
    set_size(sizes, program.arena_block, plan.arena_bytes);
    set_size(sizes, program.worker_block, plan.worker_bytes * workers);
    for (size_t bytes : sizes) {
      memory_.emplace_back(bytes + 2 * kBorder + 64, kPoison);
      blocks_.push_back(aligned(memory_.back().data() + kBorder));
    }
    sizes_ = std::move(sizes);
  }

  /// Leaves and constants get their values, everything else NaN.
  void fill(const Environment<float>& leaves, int64_t n) {
    for (auto& bytes : memory_) std::fill(bytes.begin(), bytes.end(), kPoison);
    for (const plan::Buffer& buffer : program_->buffers) {
      if (buffer.kind == plan::BufferKind::Constant) {
        for (size_t i = 0; i < buffer.constant.size(); ++i) write(buffer, i, buffer.constant[i]);
      }
      const auto given = leaves.find(buffer.name);
      if (given == leaves.end() || !is_leaf(buffer)) continue;
      const std::vector<int64_t> places = memory_places(buffer.type.shape, n);
      for (int64_t i = 0; i < given->second.count(); ++i) {
        const auto place = static_cast<size_t>(places[static_cast<size_t>(i)]);
        write(buffer, place, element(given->second, i));
      }
    }
    before_ = memory_;
  }

  std::byte* at(plan::BufferId id) const {
    const plan::Buffer& buffer = program_->buffers[id];
    const int64_t offset = buffer.kind == plan::BufferKind::Arena ? plan_->offset_of(id) : 0;
    return static_cast<std::byte*>(blocks_[static_cast<size_t>(buffer.block)]) + offset;
  }
  void* const* blocks() const { return blocks_.data(); }

  /// A border that was written, an input or constant or untouched parameter that changed; empty
  /// where all is as it should be.
  std::string damage(const Graph& graph) const {
    for (size_t block = 0; block < blocks_.size(); ++block) {
      const std::byte* first = memory_[block].data();
      const std::byte* start = static_cast<const std::byte*>(blocks_[block]);
      const std::byte* end = start + sizes_[block];
      const std::byte* last = first + memory_[block].size();
      auto intact = [](std::byte b) { return b == kPoison; };
      if (!std::all_of(first, start, intact))
        return "written before block " + std::to_string(block);
      if (!std::all_of(end, last, intact)) return "written behind block " + std::to_string(block);
    }
    for (const plan::Buffer& buffer : program_->buffers) {
      const bool kept = buffer.kind == plan::BufferKind::Constant ||
                        (is_leaf(buffer) && !is_updated(graph, buffer));
      const auto block = static_cast<size_t>(buffer.block);
      if (kept && memory_[block] != before_[block]) return "changed: " + buffer.name;
    }
    return "";
  }

 private:
  static constexpr size_t kBorder = 256;

  static void set_size(std::vector<size_t>& sizes, int64_t block, int64_t bytes) {
    if (block >= 0) sizes[static_cast<size_t>(block)] = static_cast<size_t>(bytes);
  }
  static void* aligned(std::byte* bytes) {
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(bytes) + 63) / 64 * 64);
  }
  static bool is_leaf(const plan::Buffer& buffer) {
    return buffer.kind == plan::BufferKind::Input || buffer.kind == plan::BufferKind::Param ||
           buffer.kind == plan::BufferKind::State;
  }
  static bool is_updated(const Graph& graph, const plan::Buffer& buffer) {
    return buffer.kind != plan::BufferKind::Input &&
           std::any_of(graph.results.begin(), graph.results.end(), [&](const Result& result) {
             return result.kind == ResultKind::Update && result.name == buffer.name;
           });
  }
  void write(const plan::Buffer& buffer, size_t index, double value) {
    auto* to = static_cast<std::byte*>(blocks_[static_cast<size_t>(buffer.block)]);
    put_element(buffer.type.dtype, to, static_cast<int64_t>(index), value);
  }

  const plan::Program* program_;
  const plan::Plan* plan_;
  std::vector<std::vector<std::byte>> memory_, before_;
  std::vector<void*> blocks_;
  std::vector<size_t> sizes_;
};

/// The bytes of each result after a step, in order of the graph's results.
inline std::vector<const std::byte*> result_bytes(const Graph& graph, const plan::Program& program,
                                                  const StepMemory& memory) {
  std::vector<const std::byte*> found;
  size_t outputs = 0;
  for (const Result& result : graph.results) {
    const bool update = result.kind == ResultKind::Update;
    size_t skip = update ? 0 : outputs++;
    const std::byte* bytes = nullptr;
    for (size_t i = 0; i < program.buffers.size() && !bytes; ++i) {
      const plan::Buffer& buffer = program.buffers[plan::BufferId(i)];
      const bool variable =
          buffer.kind == plan::BufferKind::Param || buffer.kind == plan::BufferKind::State;
      bool fits = update ? variable && buffer.name == result.name
                         : buffer.kind == plan::BufferKind::Output && skip-- == 0;
      if (fits) bytes = memory.at(plan::BufferId(i));
    }
    found.push_back(bytes);
  }
  return found;
}

/// Whether element `place` of an array in memory is element `at` of the expected value.
inline bool same_bits(DType dtype, const std::byte* bytes, int64_t place,
                      const Array<float>& expected, int64_t at) {
  const auto i = static_cast<size_t>(at);
  switch (dtype) {
    case DType::Bool:
      return item_at<uint8_t>(bytes, place) == expected.integers[i];
    case DType::I32:
      return item_at<int32_t>(bytes, place) == expected.integers[i];
    case DType::I64:
      return item_at<int64_t>(bytes, place) == expected.integers[i];
    case DType::F64:
    case DType::F32:
      break;
  }
  const float found = dtype == DType::F32 ? item_at<float>(bytes, place)
                                          : static_cast<float>(item_at<double>(bytes, place));
  const float value = expected.floats[i];
  return (std::isnan(found) && std::isnan(value)) ||
         std::bit_cast<uint32_t>(found) == std::bit_cast<uint32_t>(value);
}

/// The first element of a result that is not the expected one, bit for bit; empty where none.
inline std::string first_difference(const Graph& graph, const plan::Program& program,
                                    const StepMemory& memory,
                                    const IdVector<NodeId, Array<float>>& expected, int64_t n) {
  const auto results = result_bytes(graph, program, memory);
  for (size_t i = 0; i < results.size(); ++i) {
    const NodeId value = graph.results[i].value;
    const DType dtype = graph.type(value).dtype;
    const std::string where = "result " + std::to_string(i) + " " + graph.results[i].name;
    if (!results[i]) return where + " has no buffer";
    const std::vector<int64_t> places = memory_places(graph.type(value).shape, n);
    for (int64_t at = 0; at < expected[value].count(); ++at) {
      const int64_t place = places[static_cast<size_t>(at)];
      if (same_bits(dtype, results[i], place, expected[value], at)) continue;
      const double found = dtype == DType::F32 ? item_at<float>(results[i], place) : 0.0F;
      return where + " element " + std::to_string(at) + ": " + std::to_string(found) +
             " instead of " + std::to_string(element(expected[value], at));
    }
  }
  return memory.damage(graph);
}

}  // namespace gradus::run
