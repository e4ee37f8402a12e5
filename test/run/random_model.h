// Random models: the parts of random_parts.h, those that move data and those of single elements,
// then a loss with its gradients, updates of parameters and states in place, and outputs.
#pragma once

#include "autodiff/differentiate.h"
#include "run/random_parts.h"

namespace gradus::run {

class RandomModel : public GraphParts {
 public:
  RandomModel(uint64_t seed, int64_t rows) : GraphParts(seed, rows) {
    (this->*parts()[seed % parts().size()])();
    if (seed % 50 == 0) wide_product();
    for (int64_t more = 2 + below(4); more > 0; --more) {
      (this->*parts()[static_cast<size_t>(below(std::ssize(parts())))])();
    }
    if (values_.empty()) dense();
    finish(seed % 8 == 3);
  }

 private:
  // --- Layout ---

  void move() {
    switch (below(6)) {
      case 0:
        return permute();
      case 1:
        return cut();
      case 2:
        return pad();
      case 3:
        return join();
      case 4:
        return fold();
      default:
        return repeat();
    }
  }
  void permute() {
    NodeId x = any_with_rank(2);
    std::vector<int64_t> perm(graph.type(x).rank());
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    std::shuffle(perm.begin() + (shape(x)[0].batch && chance(60) ? 1 : 0), perm.end(), random_);
    NodeId moved = builder_.transpose(x, perm);
    push(chance(50) ? builder_.unary(OpKind::Tanh, moved) : moved);
  }
  /// A slice; steps may skip or go backwards.
  void cut() {
    NodeId x = any_with_rank(1);
    TensorType type = graph.type(x);
    std::vector<int64_t> start, step;
    for (Dim& dim : type.shape) {
      start.push_back(0);
      step.push_back(1);
      if (dim.batch || chance(40)) continue;
      const int64_t from = below(dim.value), stride = 1 + below(3);
      const bool back = chance(30);
      const int64_t room = back ? from : dim.value - 1 - from;
      start.back() = from;
      step.back() = back ? -stride : stride;
      dim.value = 1 + below(room / stride + 1);
    }
    push(builder_.make(OpKind::Slice, {x}, {{AttrName::Start, start}, {AttrName::Step, step}},
                       &type));
  }
  void pad() {
    NodeId x = any_with_rank(1);
    std::vector<int64_t> low, high;
    for (const Dim& dim : shape(x)) {
      low.push_back(dim.batch ? 0 : below(3));
      high.push_back(dim.batch ? 0 : below(3));
    }
    push(builder_.make(OpKind::Pad, {x}, {{AttrName::Low, low}, {AttrName::High, high}}));
  }
  void join() {
    NodeId x = any_with_rank(1);
    const int64_t axis = below(last(x) + 1);
    Shape of = shape(x);
    Dim& along = of[static_cast<size_t>(axis)];
    if (along.batch) return;
    std::vector<NodeId> parts{x};
    if (chance(30)) parts.push_back(builder_.neg(x));
    along.value = size(9);
    parts.push_back(input(of));
    if (chance(50)) std::swap(parts.front(), parts.back());
    push(builder_.make(OpKind::Concat, parts, {{AttrName::Axis, axis}}));
  }
  /// A reshape: two neighbours to one, or one to two.
  void fold() {
    NodeId x = any_with_rank(1);
    Shape of = shape(x);
    const auto at = static_cast<size_t>(below(std::ssize(of)));
    if (chance(50) && at + 1 < of.size()) {
      of[at] = {of[at].value * of[at + 1].value, of[at].batch || of[at + 1].batch};
      of.erase(of.begin() + static_cast<ptrdiff_t>(at) + 1);
    } else {
      int64_t part = 1;
      for (int64_t divisor : {2, 3, 5}) {
        if (of[at].value % divisor == 0 && !of[at].batch) part = divisor;
      }
      of[at].value /= part;
      of.insert(of.begin() + static_cast<ptrdiff_t>(at) + 1, Dim::fixed(part));
    }
    if (of.size() <= 4) push(builder_.reshape(x, of));
  }
  void repeat() {
    NodeId x = any();
    Shape of = shape(x);
    if (of.size() > 3) return;
    for (Dim& dim : of) {
      if (dim.is_one()) dim.value = size(9);
    }
    if (of.empty() || !of[0].batch) of.insert(of.begin(), Dim::fixed(2));
    if (count(of) <= kMostElements) push(builder_.mul(builder_.broadcast(x, of), number(0.75)));
  }

  // --- Single elements ---

  void unary() {
    NodeId x = any();
    static constexpr OpKind kPlain[] = {OpKind::Neg,     OpKind::Abs,       OpKind::Sin,
                                        OpKind::Cos,     OpKind::Erf,       OpKind::Tanh,
                                        OpKind::Sigmoid, OpKind::NormalCdf, OpKind::NormalDensity};
    // Each row as often as the others.
    switch (const int64_t row = below(6 + std::ssize(kPlain)); row) {
      case 0:
        return push(builder_.unary(OpKind::Sqrt, positive(x)));
      case 1:
        return push(builder_.unary(OpKind::Log, positive(x)));
      case 2:
        return push(builder_.unary(OpKind::Log1p, builder_.unary(OpKind::Abs, x)));
      case 3:
        return push(builder_.unary(graph.size() % 2 == 0 ? OpKind::Exp : OpKind::Expm1,
                                   builder_.make(OpKind::Minimum, {x, number(1.5)})));
      case 4:
        return push(builder_.make(OpKind::Pow, {positive(x), number(chance(50) ? 1.5 : -0.5)}));
      case 5:
        return push(builder_.unary(OpKind::StopGradient, builder_.mul(x, number(0.5))));
      default:
        return push(builder_.unary(kPlain[row - 6], x));
    }
  }
  NodeId positive(NodeId x) { return builder_.add(builder_.unary(OpKind::Abs, x), number(0.25)); }
  void binary() {
    NodeId x = any(), y = partner(x);
    static constexpr OpKind kPlain[] = {OpKind::Add, OpKind::Sub, OpKind::Maximum, OpKind::Minimum};
    switch (below(8)) {
      case 0:
        return push(builder_.div(x, positive(y)));
      case 1:
        return push(builder_.make(OpKind::Pow, {positive(builder_.unary(OpKind::Tanh, x)),
                                                builder_.unary(OpKind::Tanh, y)}));
      case 2:
        return push(builder_.mul(builder_.unary(OpKind::Tanh, x), y));
      case 3:
        return push(builder_.add(builder_.mul(builder_.unary(OpKind::Sin, x), y), x));
      default:
        return push(builder_.make(kPlain[below(4)], {x, y}));
    }
  }
  /// Steps and comparisons.
  void steps() {
    NodeId x = any();
    static constexpr OpKind kSteps[] = {OpKind::Floor, OpKind::Ceil, OpKind::Round, OpKind::Sign};
    NodeId stepped = builder_.unary(OpKind::StopGradient, x);
    stepped = builder_.unary(kSteps[below(4)], builder_.mul(stepped, number(3)));
    NodeId less = builder_.less(stepped, x), same = builder_.equal(stepped, number(1));
    static constexpr OpKind kLogic[] = {OpKind::And, OpKind::Or, OpKind::NotEqual, OpKind::Equal};
    NodeId both = builder_.make(kLogic[below(2)], {less, builder_.unary(OpKind::Not, same)});
    if (chance(40)) both = builder_.make(kLogic[2 + below(2)], {stepped, x});
    others_.push_back(both);
    push(builder_.select(both, x, builder_.mul(stepped, number(0.25))));
  }
  /// Integers: positions, quotients, remainders.
  void integers() {
    NodeId x = any_with_rank(1);
    const TensorType type{DType::I32, shape(x)};
    NodeId at = builder_.iota(type, below(last(x) + 1));
    NodeId three = builder_.constant({DType::I32, {}}, 3);
    NodeId quotient = builder_.make(OpKind::IntDiv, {builder_.sub(at, three), three});
    NodeId rest = builder_.make(OpKind::Mod, {builder_.mul(at, quotient), three});
    if (chance(50)) others_.push_back(builder_.convert(rest, DType::I64));
    NodeId mask = builder_.less_equal(rest, builder_.constant({DType::I32, {}}, 1));
    NodeId scaled =
        builder_.mul(builder_.convert(builder_.unary(OpKind::Sign, quotient), DType::F32), x);
    push(builder_.select(mask, scaled, number(0.5)));
  }
  void dropout() {
    NodeId x = any();
    const TensorType type{DType::I32, shape(x)};
    NodeId bits = builder_.make(OpKind::RandomBits, {}, {{AttrName::Stream, below(5)}}, &type);
    NodeId keep = builder_.less(builder_.unary(OpKind::UnitFloat, bits), number(0.75));
    push(builder_.select(keep, builder_.div(x, number(0.75)), builder_.zero_like(x)));
  }
  /// A function with a derivative of its own.
  void custom_vjp() {
    NodeId x = any();
    const TensorType type = graph.type(x);
    NodeId y = builder_.unary(OpKind::Tanh, x);
    NodeId seed = builder_.make(OpKind::Seed, {}, {}, &type);
    NodeId slope = builder_.mul(seed, builder_.unary(OpKind::Cos, x));
    push(builder_.make(OpKind::CustomVjp, {y, seed, x, slope}));
  }
  NodeId step_leaf(OpKind kind) {
    const TensorType type{DType::F64, {}};
    return builder_.make(kind, {}, {}, &type);
  }
  NodeId wide(double value) { return builder_.constant({DType::F64, {}}, value); }
  /// A factor that follows the training's progress, in f64.
  NodeId rate() {
    NodeId progress = builder_.div(step_leaf(OpKind::StepNumber), step_leaf(OpKind::StepCount));
    NodeId decay = builder_.make(
        OpKind::Pow, {wide(0.9), step_leaf(chance(50) ? OpKind::EpochNumber : OpKind::StepNumber)});
    NodeId wave = builder_.unary(OpKind::Cos, builder_.mul(progress, wide(1.5)));
    return builder_.convert(builder_.mul(builder_.mul(decay, wave), wide(0.1)), DType::F32);
  }
  void scalars() {
    NodeId x = any();
    NodeId factor = builder_.add(rate(), number(0.5));
    push(builder_.mul(x, factor));
    const TensorType scalar{DType::F32, {}};
    if (chance(50)) push(builder_.div(factor, builder_.make(OpKind::BatchSize, {}, {}, &scalar)));
  }
  void constants() {
    NodeId x = any_with_rank(1);
    const Dim dim = shape(x).back();
    if (dim.batch) return;
    std::vector<double> values;
    for (int64_t i = 0; i < dim.value; ++i)
      values.push_back(0.125 * static_cast<double>(below(17) - 8));
    push(builder_.add(x, builder_.dense_constant({DType::F32, {dim}}, values)));
  }

  // --- The end: loss, gradients, updates, results ---

  NodeId mean(NodeId x) {
    std::vector<int64_t> dims;
    for (int64_t d = 0; d <= last(x); ++d) dims.push_back(d);
    return dims.empty() ? x : builder_.div(builder_.sum(x, dims), builder_.count(x, dims));
  }
  NodeId loss() {
    NodeId total;
    for (int64_t i = std::max<int64_t>(0, std::ssize(values_) - 5); i < std::ssize(values_); ++i) {
      NodeId x = values_[static_cast<size_t>(i)];
      NodeId part = mean(chance(50) ? builder_.mul(x, x) : builder_.unary(OpKind::Tanh, x));
      total = total.valid() ? builder_.add(total, part) : part;
    }
    return total;
  }
  bool has_gradient(NodeId y, NodeId x) const {
    Graph trial = graph;
    GraphBuilder builder(trial);
    NodeId d = builder.make(OpKind::Gradient, {y, x, builder.one_like(y)});
    trial.results = {{ResultKind::Value, "", d}};
    std::vector<autodiff::DerivativeProblem> problems;
    autodiff::differentiate(trial, problems);
    return problems.empty();
  }
  NodeId state(const Shape& of, double low, double high) {
    return leaf(OpKind::State, {DType::F32, of}, {low, high, 0});
  }
  void update(NodeId leaf_id, NodeId value) {
    graph.results.push_back({ResultKind::Update, leaf_name(graph[leaf_id]), value});
  }
  void descend(NodeId w, NodeId g) {
    NodeId step = rate();
    switch (below(3)) {
      case 0:
        return update(w, builder_.sub(w, builder_.mul(step, g)));
      case 1:
        return momentum(w, g, step);
      default:
        return adam(w, g, step);
    }
  }
  void momentum(NodeId w, NodeId g, NodeId step) {
    NodeId v = state(shape(w), -0.1, 0.1);
    NodeId next = builder_.add(builder_.mul(v, number(0.9)), g);
    update(v, next);
    update(w, builder_.sub(w, builder_.mul(step, next)));
  }
  void adam(NodeId w, NodeId g, NodeId step) {
    NodeId m = state(shape(w), -0.1, 0.1), v = state(shape(w), 0.1, 0.5);
    NodeId m1 = builder_.add(builder_.mul(m, number(0.9)), builder_.mul(g, number(0.1)));
    NodeId g2 = builder_.mul(builder_.mul(g, g), number(0.001));
    NodeId v1 = builder_.add(builder_.mul(v, number(0.999)), g2);
    NodeId root = builder_.add(builder_.unary(OpKind::Sqrt, v1), number(1e-8));
    update(m, m1);
    update(v, v1);
    update(w, builder_.sub(w, builder_.div(builder_.mul(step, m1), root)));
  }
  void train(NodeId y) {
    int trained = 0;
    for (NodeId w : std::vector<NodeId>(params_)) {
      if (trained == 6 || !has_gradient(y, w)) continue;
      ++trained;
      descend(w, builder_.make(OpKind::Gradient, {y, w, builder_.one_like(y)}));
    }
  }
  /// The loss and the square of a gradient of it: what trains is then differentiated twice.
  NodeId penalized(NodeId y) {
    for (NodeId w : std::vector<NodeId>(params_)) {
      if (!has_gradient(y, w)) continue;
      NodeId g = builder_.make(OpKind::Gradient, {y, w, builder_.one_like(y)});
      return builder_.add(y, mean(builder_.mul(g, g)));
    }
    return y;
  }
  void finish(bool penalty) {
    NodeId y = penalty ? penalized(loss()) : loss();
    if (chance(75)) train(y);
    graph.results.push_back({ResultKind::Loss, "", y});
    if (chance(30)) graph.results.push_back({ResultKind::AccumulateSum, "sum", y});
    if (chance(30)) graph.results.push_back({ResultKind::AccumulateMax, "max", mean(any())});
    const int64_t outputs = 1 + below(3);
    for (int64_t i = 0; i < outputs; ++i) output(any());
    if (!others_.empty()) output(others_[static_cast<size_t>(below(std::ssize(others_)))]);
  }
  void output(NodeId id) {
    graph.results.push_back({ResultKind::Output, "o" + std::to_string(graph.results.size()), id});
  }

  using Part = void (RandomModel::*)();
  static const std::vector<Part>& parts() {
    static const std::vector<Part> all = {
        &RandomModel::dense,        &RandomModel::layouts,  &RandomModel::over_rows,
        &RandomModel::batched,      &RandomModel::softmax,  &RandomModel::normalize,
        &RandomModel::reduce,       &RandomModel::long_sum, &RandomModel::running,
        &RandomModel::lookup,       &RandomModel::scatter,  &RandomModel::along,
        &RandomModel::move,         &RandomModel::unary,    &RandomModel::binary,
        &RandomModel::steps,        &RandomModel::integers, &RandomModel::dropout,
        &RandomModel::custom_vjp,   &RandomModel::scalars,  &RandomModel::constants,
        &RandomModel::dense,        &RandomModel::layouts,  &RandomModel::move,
        &RandomModel::over_columns,
    };
    return all;
  }
};

}  // namespace gradus::run
