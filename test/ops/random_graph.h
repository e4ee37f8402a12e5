// Random graphs of differentiable operators on small shapes, with values for their leaves. The same
// seed gives the same graph.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "eval/eval.h"
#include "graph/builder.h"

namespace gradus::test {

class RandomGraph {
 public:
  RandomGraph(uint64_t seed, int operations, DType real)
      : random_(seed), builder_(graph), real_(real) {
    graph.name = "random";
    for (const char* type : {"[3,4]", "[4,3]", "[4]", "[]", "[2,3,4]"}) leaf(OpKind::Param, type);
    leaf(OpKind::Input, "[batch,4]");
    leaf(OpKind::Input, "[batch,3]");
    for (int made = 0; made < operations;) made += grow();
    loss = total();
    graph.results = {{ResultKind::Value, "", loss}};
  }

  /// Leaves at `n` rows; T is double or float.
  template <typename T>
  Environment<T> values(int64_t n) {
    std::uniform_real_distribution<double> uniform(-1, 1);
    Environment<T> values;
    for (NodeId id : leaves) {
      Array<T> array;
      array.dtype = real_;
      for (const Dim& dim : graph.type(id).shape) array.sizes.push_back(dim.at(n));
      for (int64_t i = 0; i < array.count(); ++i)
        array.floats.push_back(static_cast<T>(uniform(random_)));
      values[leaf_name(graph[id])] = array;
    }
    return values;
  }

  Graph graph;
  std::vector<NodeId> leaves;
  NodeId loss;  // rank 0, depends on the last values

 private:
  size_t below(size_t limit) { return random_() % limit; }

  void leaf(OpKind kind, const char* text) {
    TensorType type = *type_from_string(std::string(dtype_name(real_)) + text);
    Attrs name{{AttrName::Name, "p" + std::to_string(leaves.size())}};
    leaves.push_back(builder_.make(kind, {}, name, &type));
    values_.push_back(leaves.back());
  }

  /// A value, rather a late one.
  NodeId any() {
    size_t back = std::min(below(values_.size()), below(values_.size()));
    return values_[values_.size() - 1 - back];
  }

  bool push(NodeId id) {
    values_.push_back(id);
    return true;
  }

  bool try_make(OpKind kind, std::vector<NodeId> operands, Attrs attrs = {}) {
    ShapeResult type = builder_.infer(kind, operands, attrs);
    if (std::holds_alternative<ShapeProblem>(type)) return false;
    auto count = checked_count(std::get<TensorType>(type).shape);
    if (!count || count->value > 200) return false;
    return push(builder_.make(kind, std::move(operands), std::move(attrs)));
  }

  /// One more value; false where the draw does not fit.
  bool grow() {
    constexpr OpKind kUnary[] = {OpKind::Neg, OpKind::Tanh, OpKind::Sigmoid,  OpKind::Sin,
                                 OpKind::Cos, OpKind::Erf,  OpKind::NormalCdf};
    constexpr OpKind kBinary[] = {OpKind::Add, OpKind::Sub, OpKind::Mul, OpKind::Maximum,
                                  OpKind::Minimum};
    switch (below(10)) {
      case 0:
      case 1:
        return push(builder_.unary(kUnary[below(std::size(kUnary))], any()));
      case 2:
      case 3:
        return try_make(kBinary[below(5)], {any(), any()});
      case 4:
        return push(scaled());
      case 5:
        return masked();
      case 6:
        return reduced();
      case 7:
        return product();
      case 8:
        return moved();
      default:
        return push(builder_.div(any_scalar(), positive()));
    }
  }

  NodeId any_scalar() { return builder_.constant({real_, {}}, static_cast<double>(below(5)) - 2); }
  NodeId scaled() {
    return builder_.mul(any(),
                        builder_.constant({real_, {}}, 0.25 * static_cast<double>(below(9)) - 1));
  }
  /// 1.5 + sin x
  NodeId positive() {
    return builder_.add(builder_.unary(OpKind::Sin, any()), builder_.constant({real_, {}}, 1.5));
  }

  bool masked() {
    NodeId x = any();
    return push(builder_.select(builder_.less(builder_.zero_like(x), x), x, builder_.zero_like(x)));
  }

  bool reduced() {
    NodeId x = any();
    size_t rank = builder_.type(x).rank();
    if (rank == 0) return false;
    std::vector<int64_t> dims{static_cast<int64_t>(below(rank))};
    if (rank > 1 && below(3) == 0) dims = {0, 1};
    return push(builder_.reduce(below(3) == 0 ? OpKind::Max : OpKind::Sum, x, dims, below(2) == 0));
  }

  bool product() {
    bool ta = below(2) == 0, tb = below(2) == 0;
    NodeId a = any(), b = any();
    Attrs attrs{{AttrName::Ta, ta}, {AttrName::Tb, tb}};
    return try_make(OpKind::Matmul, {a, b}, attrs) &&
           push(builder_.unary(OpKind::Tanh, values_.back()));
  }

  bool moved() {
    NodeId x = any();
    const TensorType type = builder_.type(x);
    if (type.rank() >= 2 && below(2) == 0) {
      std::vector<int64_t> perm(type.rank());
      for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
      std::swap(perm[type.rank() - 1], perm[below(type.rank())]);
      return push(builder_.transpose(x, perm));
    }
    Shape shape = type.shape;
    if (below(2) == 0) {
      shape.insert(shape.begin() + static_cast<int64_t>(below(shape.size() + 1)), Dim::fixed(1));
      return push(builder_.reshape(x, shape));
    }
    shape.insert(shape.begin(), Dim::fixed(2));
    if (shape.size() > 4) return false;
    return push(builder_.broadcast(x, shape));
  }

  NodeId total() {
    NodeId sum = builder_.zeros({real_, {}});
    for (size_t i = values_.size() - 5; i < values_.size(); ++i) {
      std::vector<int64_t> dims;
      NodeId bounded = builder_.unary(OpKind::Tanh, values_[i]);
      for (size_t d = 0; d < builder_.type(bounded).rank(); ++d)
        dims.push_back(static_cast<int64_t>(d));
      sum = builder_.add(sum, builder_.sum(bounded, dims));
    }
    return sum;
  }

  std::mt19937_64 random_;
  GraphBuilder builder_;
  DType real_;
  std::vector<NodeId> values_;
};

}  // namespace gradus::test
