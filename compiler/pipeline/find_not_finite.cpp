// A launch's outputs are read right after it, before a later launch takes their memory.
#include "pipeline/find_not_finite.h"

#include <cmath>

#include <fmt/format.h>

#include "pipeline/random_data.h"

namespace gradus::pipeline {

namespace {

/// NaN, or else an infinite element, or else nothing.
std::optional<double> not_finite_element(DType dtype, std::span<const std::byte> bytes, int64_t count) {
  std::optional<double> found;
  for (int64_t i = 0; i < count; ++i) {
    double value = load_element(dtype, bytes.data(), i);
    if (std::isnan(value)) return value;
    if (!std::isfinite(value)) found = value;
  }
  return found;
}

}  // namespace

void NotFiniteWatch::begin(int64_t rows) {
  step_.set_trace(trace, this);
  rows_ = rows;
  let_through_.insert(found_.begin(), found_.end());
  found_.clear();
  first_.reset();
}

void NotFiniteWatch::trace(void* context, int32_t launch, int32_t end) {
  auto& watch = *static_cast<NotFiniteWatch*>(context);
  if (end != 0) watch.look(watch.step_.program().launches[static_cast<size_t>(launch)]);
}

void NotFiniteWatch::look(const plan::Launch& launch) {
  const plan::Program& program = step_.program();
  const auto& slots = program.kernels[launch.kernel].slots;
  for (size_t i = 0; i < launch.buffers.size(); ++i) {
    plan::BufferId id = launch.buffers[i];
    if (!id.valid() || slots[kernel::SlotId(i)].dir == kernel::SlotDir::In) continue;
    const plan::Buffer& buffer = program.buffers[id];
    if (!is_float(buffer.type.dtype)) continue;
    int64_t count = element_count(buffer.type.shape, rows_);
    std::optional<double> element = not_finite_element(buffer.type.dtype, step_.buffer(id), count);
    if (!element) continue;
    found_.insert(id);
    if (!first_ && !let_through_.contains(id)) first_ = describe(buffer, std::isnan(*element));
  }
}

namespace {

/// As the user knows it: a sum in parts is still their sum.
std::string_view row_name(const Node& node) { return op_def(node.op == OpKind::PartialSum ? OpKind::Sum : node.op).name; }

}  // namespace

NotFiniteValue NotFiniteWatch::describe(const plan::Buffer& buffer, bool nan) const {
  bool has_node = buffer.value.valid() && static_cast<size_t>(buffer.value.index()) < graph_.size();
  Span span = has_node ? graph_[buffer.value].span : Span{};
  if (buffer.kind == plan::BufferKind::Param || buffer.kind == plan::BufferKind::State) {
    return {fmt::format("the new `{}`", buffer.name), span, nan};
  }
  if (buffer.kind == plan::BufferKind::Output && buffer.name == "loss") return {"the loss", span, nan};
  if (!has_node) return {fmt::format("`{}`", buffer.name), span, nan};
  const Node& node = graph_[buffer.value];
  if (!node.of.valid()) return {fmt::format("`{}`", row_name(node)), span, nan};
  return {fmt::format("the derivative of `{}`", row_name(graph_[node.of])), span, nan};
}

}  // namespace gradus::pipeline
