// Random graphs over the whole operator table, grown from parts: each part adds a few nodes that
// belong together (a layer, a softmax, a lookup) on values that are there. The same seed gives the
// same graph.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "graph/builder.h"

namespace gradus::run {

/// Values of a leaf are uniform in [low, high]; integers in [0, limit).
struct LeafRange {
  double low = -1, high = 1;
  int64_t limit = 2;
};

class GraphParts {
 public:
  GraphParts(uint64_t seed, int64_t rows) : capacity(rows), random_(seed), builder_(graph) {
    graph.name = "random";
  }

  Graph graph;
  int64_t capacity;
  std::map<std::string, LeafRange> ranges;

 protected:
  static constexpr int64_t kMostElements = 20000;
  static constexpr int64_t kMostProducts = 2000000;

  int64_t below(int64_t limit) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit));
  }
  bool chance(int percent) { return below(100) < percent; }
  int64_t size(int64_t most = 65) {
    static constexpr int64_t kSizes[] = {1, 2, 5, 7, 9, 10, 15, 16, 17, 24, 31, 33, 48, 65};
    int64_t count = 1;
    while (count < std::ssize(kSizes) && kSizes[count] <= most) ++count;
    return kSizes[below(count)];
  }
  /// A width that `rows` may have without too many elements.
  int64_t width(Dim rows) { return size(std::max<int64_t>(1, kMostElements / rows.at(capacity))); }
  Dim rows() { return chance(60) ? Dim::batches() : Dim::fixed(size()); }

  Shape shape(NodeId id) const { return graph.type(id).shape; }
  int64_t count(const Shape& of) const { return element_count(of, capacity); }

  NodeId leaf(OpKind kind, const TensorType& type, const LeafRange& range) {
    const std::string name = "p" + std::to_string(ranges.size());
    ranges[name] = range;
    NodeId id = builder_.make(kind, {}, {{AttrName::Name, name}}, &type);
    if (kind == OpKind::Param && type.dtype == DType::F32) params_.push_back(id);
    return id;
  }
  NodeId input(const Shape& of) { return leaf(OpKind::Input, {DType::F32, of}, {}); }
  NodeId param(const Shape& of, int64_t inner = 1) {
    const double bound = 1.5 / std::sqrt(static_cast<double>(inner));
    return leaf(OpKind::Param, {DType::F32, of}, {-bound, bound, 0});
  }
  NodeId index(const Shape& of, int64_t limit) {
    DType dtype = chance(25) ? DType::I64 : DType::I32;
    return leaf(OpKind::Input, {dtype, of}, {0, 0, limit});
  }
  NodeId number(double value) { return builder_.constant({DType::F32, {}}, value); }

  /// Puts a value where later parts find it: f32, not too large.
  void push(NodeId id) {
    if (graph.type(id).dtype != DType::F32) return others_.push_back(id);
    if (count(shape(id)) <= kMostElements) values_.push_back(id);
  }
  /// A value, rather a late one.
  NodeId any() {
    if (values_.empty() || chance(15)) push(fresh());
    int64_t back = std::min(below(std::ssize(values_)), below(std::ssize(values_)));
    return values_[values_.size() - 1 - static_cast<size_t>(back)];
  }
  NodeId fresh() {
    const Dim first = rows();
    if (chance(20)) return input({first, Dim::fixed(2), Dim::fixed(size(10))});
    const Shape of = {first, Dim::fixed(width(first))};
    return first.batch || chance(50) ? input(of) : param(of);
  }
  NodeId any_with_rank(size_t least, size_t most = 8) {
    for (int tries = 0; tries < 6; ++tries) {
      NodeId x = any();
      if (graph.type(x).rank() >= least && graph.type(x).rank() <= most) return x;
    }
    const Dim first = rows();
    return input({first, Dim::fixed(width(first))});
  }
  /// A value that broadcasts with x: of its shape, a row, a column or a scalar.
  NodeId partner(NodeId x) {
    const Shape of = shape(x);
    std::vector<NodeId> same;
    for (NodeId id : values_) {
      if (id != x && shape(id) == of) same.push_back(id);
    }
    if (!same.empty() && chance(60)) return same[static_cast<size_t>(below(std::ssize(same)))];
    if (of.empty() || chance(20)) return number(0.5 + 0.25 * static_cast<double>(below(4)));
    Shape column(of.size(), Dim::fixed(1));
    column[0] = of[0];
    switch (below(4)) {
      case 0:
        return input(column);
      case 1:
        return input(of);
      default:
        return of.back().batch ? input(of) : param({of.back()});
    }
  }

  // --- Products ---

  /// x @ w + b, an activation, a residual.
  void dense() {
    NodeId x = any_with_rank(2, 3);
    const Shape of = shape(x);
    if (of.back().batch) return;
    const int64_t inner = of.back().value;
    const int64_t rows_of_x = count(of) / inner;
    const int64_t outer = width(Dim::fixed(std::max<int64_t>(rows_of_x, 1)));
    if (rows_of_x * inner * outer > kMostProducts) return;
    const bool tb = chance(40);
    const Dim k = Dim::fixed(inner), n = Dim::fixed(outer);
    NodeId w = tb ? param({n, k}, inner) : param({k, n}, inner);
    epilogue(builder_.matmul(x, w, false, tb));
  }
  void epilogue(NodeId y) {
    const Shape of = shape(y);
    if (chance(75)) y = builder_.add(y, param({of.back()}));
    y = activation(y);
    if (chance(35)) y = chance(50) ? builder_.add(y, input(of)) : builder_.add(partner(y), y);
    push(y);
  }
  NodeId activation(NodeId x) {
    switch (below(7)) {
      case 0:
        return builder_.make(OpKind::Maximum, {x, builder_.zero_like(x)});
      case 1:
        return builder_.unary(OpKind::Tanh, x);
      case 2:
        return builder_.unary(OpKind::Sigmoid, x);
      case 3:
        return gelu(x);
      case 4:
        return builder_.select(builder_.less_equal(x, builder_.zero_like(x)), builder_.zero_like(x),
                               x);
      default:
        return x;
    }
  }
  NodeId gelu(NodeId x) { return builder_.mul(x, builder_.unary(OpKind::NormalCdf, x)); }

  /// A product of two leaves in one of the four layouts, K often long.
  void layouts() {
    static constexpr int64_t kLong[] = {513, 640, 641, 700, 1000, 1024, 1025, 1100, 1536, 2049};
    const bool ta = chance(50), tb = chance(50);
    const Dim k = Dim::fixed(chance(60) ? kLong[below(std::ssize(kLong))] : size());
    const Dim m = Dim::fixed(size()), n = Dim::fixed(size(33));
    if (m.value * n.value * k.value > kMostProducts) return;
    NodeId a = ta ? param({k, m}, k.value) : input({m, k});
    NodeId b = tb ? param({n, k}, k.value) : param({k, n}, k.value);
    epilogue(builder_.matmul(a, b, ta, tb));
  }
  /// x' @ y over the rows of the batch.
  void over_rows() {
    NodeId x = any_with_rank(2, 2);
    const Shape of = shape(x);
    const Dim n = Dim::fixed(width(of[0]));
    if (of[1].batch || count(of) * n.value > kMostProducts) return;
    NodeId y = builder_.matmul(x, input({of[0], n}), true, false);
    push(builder_.div(y, builder_.broadcast(builder_.count(x, {0}), {})));
  }
  /// w @ x', the batch in columns: what lies in memory is the transpose.
  void over_columns() {
    NodeId x = any_with_rank(2, 2);
    const Shape of = shape(x);
    const Dim n = Dim::fixed(width(of[0]));
    if (of[1].batch || count(of) * n.value > kMostProducts) return;
    NodeId y = builder_.matmul(param({n, of[1]}, of[1].value), x, false, true);
    if (chance(60)) y = builder_.add(y, param({n, Dim::fixed(1)}));
    push(activation(y));
  }
  /// A product so wide that its left operand, lying transposed, is packed.
  void wide_product() {
    const Dim m = Dim::fixed(256), n = Dim::fixed(384), k = Dim::fixed(65);
    NodeId y = builder_.matmul(input({k, m}), param({k, n}, k.value), true, false);
    push(builder_.sum(builder_.unary(OpKind::Tanh, y), {1}));
  }
  /// Matrices with a leading dimension, in the four layouts; one side may be shared.
  void batched() {
    const Dim lead = rows(), m = Dim::fixed(size(17)), k = Dim::fixed(size(33)),
              n = Dim::fixed(size(17));
    if (lead.at(capacity) * m.value * k.value * n.value > kMostProducts) return;
    const bool ta = chance(50), tb = chance(50), heads = chance(40);
    auto operand = [&](Dim r, Dim c, bool transposed) {
      Shape of = {lead};
      if (heads) of.push_back(Dim::fixed(2));
      of.push_back(transposed ? c : r);
      of.push_back(transposed ? r : c);
      if (!lead.batch && chance(20)) of.erase(of.begin());
      return input(of);
    };
    NodeId y = builder_.matmul(operand(m, k, ta), operand(k, n, tb), ta, tb);
    y = builder_.mul(y, number(1 / std::sqrt(static_cast<double>(k.value))));
    if (chance(50)) y = activation(y);
    push(y);
  }

  // --- Rows and columns ---

  int64_t last(NodeId x) const { return static_cast<int64_t>(graph.type(x).rank()) - 1; }
  void softmax() {
    NodeId x = any_with_rank(1);
    if (shape(x).back().batch) return;
    NodeId shifted = builder_.sub(x, builder_.reduce(OpKind::Max, x, {last(x)}, true));
    NodeId e = builder_.unary(OpKind::Exp, shifted);
    NodeId total = builder_.sum(e, {last(x)}, true);
    if (chance(40)) push(builder_.neg(builder_.sub(shifted, builder_.unary(OpKind::Log, total))));
    push(builder_.div(e, total));
  }
  void normalize() {
    NodeId x = any_with_rank(2);
    if (shape(x).back().batch) return;
    NodeId n = builder_.count(x, {last(x)});
    NodeId mean = builder_.div(builder_.sum(x, {last(x)}, true), n);
    NodeId centered = builder_.sub(x, mean);
    NodeId variance =
        builder_.div(builder_.sum(builder_.mul(centered, centered), {last(x)}, true), n);
    NodeId deviation = builder_.unary(OpKind::Sqrt, builder_.add(variance, number(0.01)));
    NodeId y = builder_.mul(builder_.div(centered, deviation), param({shape(x).back()}));
    push(chance(50) ? builder_.add(y, param({shape(x).back()})) : y);
  }
  void reduce() {
    NodeId x = any_with_rank(1);
    static constexpr OpKind kKinds[] = {OpKind::Sum, OpKind::Sum, OpKind::Max, OpKind::Min};
    const OpKind kind = kKinds[below(4)];
    std::vector<int64_t> dims;
    for (int64_t d = 0; d <= last(x); ++d) {
      if (chance(50)) dims.push_back(d);
    }
    if (dims.empty()) dims = {chance(50) ? 0 : last(x)};
    NodeId y = builder_.reduce(kind, x, dims, chance(30));
    if (kind == OpKind::Sum) y = builder_.div(y, builder_.count(x, dims));
    push(chance(50) ? builder_.unary(OpKind::Tanh, y) : y);
  }
  /// A sum of more elements than one chunk takes.
  void long_sum() {
    static constexpr int64_t kLong[] = {300, 4096, 4100, 16384, 16400, 20480};
    const Dim lead = Dim::fixed(size(2)), n = Dim::fixed(kLong[below(std::ssize(kLong))]);
    NodeId x = input({lead, n});
    NodeId y = builder_.sum(builder_.mul(x, x), {1});
    push(builder_.div(y, builder_.count(x, {1})));
  }
  void running() {
    NodeId x = any_with_rank(1);
    const int64_t axis = below(last(x) + 1);
    if (shape(x)[static_cast<size_t>(axis)].batch) return;
    NodeId y = builder_.make(OpKind::CumulativeSum, {x},
                             {{AttrName::Axis, axis}, {AttrName::Exclusive, chance(50)}});
    push(builder_.unary(OpKind::Tanh, y));
  }

  // --- Lookups ---

  void lookup() {
    const Dim entries = Dim::fixed(size()), n = Dim::fixed(size(33)), first = rows();
    if (first.at(capacity) * n.value > kMostElements) return;
    NodeId at = index({first}, entries.value);
    NodeId row = builder_.make(OpKind::Gather, {param({entries, n}), at});
    push(chance(50) ? builder_.unary(OpKind::Tanh, row) : row);
  }
  void scatter() {
    NodeId x = any_with_rank(2, 2);
    const Shape of = shape(x);
    if (of[1].batch) return;
    const TensorType table{DType::F32, {Dim::fixed(size(17)), of[1]}};
    NodeId sum =
        builder_.make(OpKind::ScatterAdd, {index({of[0]}, table.shape[0].value), x}, {}, &table);
    push(builder_.div(sum, builder_.count(x, {0})));
  }
  /// Elements by number along the last axis, and zeros but for them.
  void along() {
    NodeId x = any_with_rank(2, 2);
    const TensorType type = graph.type(x);
    if (type.shape[1].batch) return;
    const Attrs axis{{AttrName::Axis, int64_t{1}}};
    const Attrs dims{{AttrName::Dims, std::vector<int64_t>{1}}};
    const bool largest = chance(40);
    NodeId at = largest ? builder_.make(OpKind::Argmax, {x}, dims)
                        : index({type.shape[0]}, type.shape[1].value);
    NodeId taken = builder_.make(OpKind::TakeAlong, {x, at}, axis);
    push(taken);
    if (largest) others_.push_back(at);
    if (chance(60))
      push(builder_.make(OpKind::PutAlong, {at, builder_.mul(taken, taken)}, axis, &type));
  }

  std::mt19937_64 random_;
  GraphBuilder builder_;
  std::vector<NodeId> values_;
  std::vector<NodeId> others_;  // booleans, integers, f64: results only
  std::vector<NodeId> params_;  // in order
};

}  // namespace gradus::run
