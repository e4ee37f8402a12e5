// One sum at a time: its dimensions by kind, then up to three nodes in its place.
#include "opt/split_reductions.h"

#include <algorithm>

#include "graph/rewrite.h"

namespace gradus::opt {

namespace {

using Dims = std::vector<int64_t>;

constexpr int64_t kRowsPerChunk = 16;  // at least; fewer do not pay for a partial sum
constexpr int64_t kMaxChunks = 32;

/// The reduced dimensions by kind; all in positions of the operand, which stay true while later
/// dimensions are summed before earlier ones.
struct Parts {
  Dims lanes;  // static, end the shape
  Dims chain;  // others that are not rows
  Dims rows;   // the outermost batch dimension, and static ones that follow it
};

const Dim& size_of(const Shape& shape, int64_t dim) { return shape[static_cast<size_t>(dim)]; }

bool contains(const Dims& dims, int64_t dim) { return std::ranges::count(dims, dim) > 0; }

int64_t begin_of_lanes(const Shape& shape, const Dims& dims) {
  int64_t begin = static_cast<int64_t>(shape.size());
  while (begin > 0 && contains(dims, begin - 1) && !size_of(shape, begin - 1).batch) --begin;
  return begin;
}

/// How many leading dimensions are summed as rows: 0 unless the first is the batch and summed.
int64_t end_of_rows(const Shape& shape, const Dims& dims, int64_t lanes) {
  if (shape.empty() || !shape[0].batch || !contains(dims, 0)) return 0;
  int64_t end = 1;
  while (end < lanes && contains(dims, end)) ++end;
  return end;
}

Parts parts_of(const Shape& shape, const Dims& dims) {
  int64_t lanes = begin_of_lanes(shape, dims);
  int64_t rows = end_of_rows(shape, dims, lanes);
  Parts parts;
  for (int64_t dim : dims) {
    if (dim < rows) {
      parts.rows.push_back(dim);
    } else if (dim >= lanes) {
      parts.lanes.push_back(dim);
    } else {
      parts.chain.push_back(dim);
    }
  }
  return parts;
}

/// Makes the sums that stand for one node.
class Splitter {
 public:
  Splitter(GraphBuilder& builder, NodeId value, bool keep, int64_t capacity)
      : builder_(&builder), value_(value), keep_(keep), capacity_(capacity) {}

  void run(const Dims& dims) {
    const Dims placed = batch_first(dims);
    Parts parts = parts_of(shape(), placed);
    if (parts.lanes.size() == shape().size() && shape().size() > 1) {
      value_ = builder_->reshape(value_, {*checked_count(shape())});
      parts.lanes = {0};
    }
    sum(parts.lanes, "lanes");
    sum(parts.chain, "chain");
    sum_rows(parts.rows);
  }

  /// The sum, in the shape that is asked for.
  NodeId value(const Shape& wanted) {
    return shape() == wanted ? value_ : builder_->reshape(value_, wanted);
  }

 private:
  const Shape& shape() const { return builder_->type(value_).shape; }

  /// A batch that is summed comes first, as it lies in memory; `dims` in the new positions.
  Dims batch_first(const Dims& dims) {
    const auto batch = std::ranges::find(shape(), true, &Dim::batch) - shape().begin();
    if (batch == 0 || !contains(dims, batch)) return dims;
    Dims perm{batch}, moved;
    for (int64_t dim = 0; dim < std::ssize(shape()); ++dim) {
      if (dim != batch) perm.push_back(dim);
    }
    for (int64_t dim : dims) moved.push_back(dim == batch ? 0 : dim < batch ? dim + 1 : dim);
    std::ranges::sort(moved);
    value_ = builder_->transpose(value_, perm);
    return moved;
  }

  void sum(const Dims& dims, const char* order) {
    if (dims.empty()) return;
    Attrs attrs{{AttrName::Dims, dims}};
    if (keep_) attrs.set(AttrName::Keep, true);
    attrs.set(AttrName::Order, std::string(order));
    value_ = builder_->make(OpKind::Sum, {value_}, attrs);
  }

  /// The chain over the leading dimensions `rows`, in chunks where there are several.
  void sum_rows(const Dims& rows) {
    if (rows.empty()) return;
    Shape leading(shape().begin(), shape().begin() + static_cast<int64_t>(rows.size()));
    int64_t rows_per_sample = checked_count(leading)->value;
    int64_t samples = samples_per_chunk(rows_per_sample, capacity_);
    int64_t chunks = (capacity_ + samples - 1) / samples;
    if (chunks > 1 && is_float(builder_->type(value_).dtype)) {
      partial_sums(rows.size(), rows_per_sample, samples, chunks);
      sum({0}, "chain");
    } else {
      sum(rows, "chain");
    }
  }

  /// [k*batch, T, rest...] to [chunks, rest...]
  void partial_sums(size_t leading, int64_t rows_per_sample, int64_t samples, int64_t chunks) {
    Shape merged = shape();
    merged.erase(merged.begin(), merged.begin() + static_cast<int64_t>(leading));
    merged.insert(merged.begin(), Dim::batches(rows_per_sample));
    if (merged != shape()) value_ = builder_->reshape(value_, merged);
    TensorType type = builder_->type(value_);
    type.shape[0] = Dim::fixed(chunks);
    Attrs attrs{{AttrName::Dims, Dims{0}}, {AttrName::Chunk, samples * rows_per_sample}};
    value_ = builder_->make(OpKind::PartialSum, {value_}, attrs, &type);
  }

  GraphBuilder* builder_;
  NodeId value_;
  bool keep_;
  int64_t capacity_;
};

bool has_order(const Node& node) {
  return !node.attrs.get_or<std::string>(AttrName::Order, "").empty();
}

}  // namespace

int64_t samples_per_chunk(int64_t rows_per_sample, int64_t capacity) {
  int64_t samples = 1;
  while (samples * rows_per_sample < kRowsPerChunk || kMaxChunks * samples < capacity) samples *= 2;
  return samples;
}

bool split_reductions(Graph& graph, int64_t capacity) {
  const auto is_split = [](const Node& node) { return node.op == OpKind::Sum && !has_order(node); };
  if (std::ranges::none_of(graph.nodes, is_split)) return false;
  Rewriter rewrite(std::move(graph));
  for (NodeId id : rewrite.order()) {
    const Node& node = rewrite.source()[id];
    if (!is_split(node)) {
      rewrite.keep(id);
      continue;
    }
    Splitter splitter(rewrite.builder_at(id), rewrite[node.operands[0]],
                      node.attrs.flag(AttrName::Keep), capacity);
    splitter.run(node.attrs.integers(AttrName::Dims));
    rewrite.replace(id, splitter.value(node.type.shape));
  }
  graph = rewrite.finish();
  return true;
}

}  // namespace gradus::opt
