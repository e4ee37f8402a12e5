// Random graphs of all classes: fused, built, interpreted; the exact evaluator's bits. The seed of
// a failing graph is printed with its text.
#include <gtest/gtest.h>

#include <random>

#include "graph/builder.h"
#include "kernel/run_clustering.h"
#include "opt/dce.h"
#include "opt/form_fma.h"
#include "opt/split_reductions.h"

namespace gradus::kernel {
namespace {

class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed) : random_(seed), builder_(graph_) {
    graph_.name = "random";
    leaf(OpKind::Input, "x", {Dim::batches(), Dim::fixed(4), Dim::fixed(6)});
    leaf(OpKind::Input, "y", {Dim::batches(), Dim::fixed(24)});
    leaf(OpKind::Param, "w", {Dim::fixed(6), Dim::fixed(6)});
    leaf(OpKind::Param, "v", {Dim::fixed(24), Dim::fixed(5)});
    leaf(OpKind::Param, "b", {Dim::fixed(6)});
    leaf(OpKind::State, "s", {});
    index_ = leaf_of(OpKind::Input, "i", {DType::I32, {Dim::batches()}});
    const int steps = 4 + static_cast<int>(random_() % 20);
    for (int i = 0; i < steps; ++i) step();
    finish();
  }
  Graph take(int64_t capacity) {
    opt::form_fma(graph_);
    opt::split_reductions(graph_, capacity);
    opt::dce(graph_);
    return std::move(graph_);
  }

 private:
  NodeId leaf_of(OpKind kind, const std::string& name, const TensorType& type) {
    return builder_.make(kind, {}, {{AttrName::Name, name}}, &type);
  }
  void leaf(OpKind kind, const std::string& name, const Shape& shape) {
    pool_.push_back(leaf_of(kind, name, {DType::F32, shape}));
  }
  NodeId pick() { return pool_[random_() % pool_.size()]; }
  /// Later values more often, so that graphs get deep.
  NodeId pick_late() {
    const size_t recent = std::min<size_t>(pool_.size(), 6);
    return random_() % 3 ? pool_[pool_.size() - 1 - random_() % recent] : pick();
  }
  const Shape& shape(NodeId id) const { return graph_.type(id).shape; }
  void add(NodeId id) {
    if (graph_.type(id).dtype != DType::F32) return;
    // A buffer has its batch outermost.
    for (size_t i = 1; i < shape(id).size(); ++i) {
      if (shape(id)[i].batch) return;
    }
    pool_.push_back(id);
  }

  void step() {
    const NodeId x = pick_late();
    switch (random_() % 14) {
      case 0:
      case 1:
        return add(builder_.unary(kUnary[random_() % std::size(kUnary)], x));
      case 2:
      case 3:
      case 4:
        return binary(x, pick());
      case 5:
        return select(x);
      case 6:
        return reduce(x);
      case 7:
        return transpose(x);
      case 8:
        return reshape(x);
      case 9:
        return slice(x);
      case 10:
        return matmul(x);
      case 11:
        return indexed(x);
      case 12:
        return pad(x);
      default:
        return running(x);
    }
  }
  void binary(NodeId x, NodeId y) {
    const auto both = broadcast_shapes(shape(x), shape(y));
    if (!both || !checked_count(*both)) return;
    add(builder_.make(kBinary[random_() % std::size(kBinary)], {x, y}));
  }
  void select(NodeId x) {
    const NodeId mask = builder_.less_equal(x, builder_.zero_like(x));
    add(builder_.select(mask, builder_.zero_like(x), x));
  }
  void reduce(NodeId x) {
    std::vector<int64_t> dims;
    for (size_t i = 0; i < shape(x).size(); ++i) {
      if (random_() % 2) dims.push_back(static_cast<int64_t>(i));
    }
    if (dims.empty()) return;
    const bool has_batch = !shape(x).empty() && shape(x)[0].batch && dims[0] == 0;
    const OpKind kind = has_batch || random_() % 2 ? OpKind::Sum : OpKind::Max;
    add(builder_.reduce(kind, x, dims, random_() % 2));
  }
  void transpose(NodeId x) {
    std::vector<int64_t> perm(shape(x).size());
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    const size_t fixed = !perm.empty() && shape(x)[0].batch ? 1 : 0;
    if (perm.size() < fixed + 2) return;
    std::shuffle(perm.begin() + static_cast<std::ptrdiff_t>(fixed), perm.end(), random_);
    add(builder_.transpose(x, perm));
  }
  void reshape(NodeId x) {
    const Dim count = *checked_count(shape(x));
    std::vector<Shape> forms;
    const auto with = [&](std::vector<int64_t> inner) {
      int64_t product = 1;
      Shape form;
      for (int64_t size : inner) product *= size;
      if (count.value % product != 0) return;
      form.push_back({count.value / product, count.batch});
      for (int64_t size : inner) form.push_back(Dim::fixed(size));
      forms.push_back(form);
    };
    with({24});
    with({6});
    with({4, 6});
    with({6, 4});
    with({2, 2, 6});
    with({});
    if (!forms.empty()) add(builder_.reshape(x, forms[random_() % forms.size()]));
  }
  void slice(NodeId x) {
    std::vector<int64_t> start, step;
    Shape out = shape(x);
    for (Dim& dim : out) {
      const bool cut = !dim.batch && dim.value > 2 && random_() % 2;
      const bool back = !dim.batch && random_() % 3 == 0;
      start.push_back(back ? dim.value - 1 : cut ? 1 : 0);
      step.push_back(back ? -1 : 1);
      if (cut) dim.value -= 1;
    }
    const TensorType type{DType::F32, out};
    Attrs attrs{{AttrName::Start, start}, {AttrName::Step, step}};
    if (std::holds_alternative<TensorType>(builder_.infer(OpKind::Slice, {{x}}, attrs, &type))) {
      add(builder_.make(OpKind::Slice, {x}, attrs, &type));
    }
  }
  void matmul(NodeId x) {
    const NodeId y = pick();
    for (const bool tb : {false, true}) {
      for (const bool ta : {false, true}) {
        Attrs attrs{{AttrName::Ta, ta}, {AttrName::Tb, tb}};
        const NodeId operands[] = {x, y};
        const ShapeResult type = builder_.infer(OpKind::Matmul, operands, attrs);
        if (!std::holds_alternative<TensorType>(type)) continue;
        return add(builder_.matmul(x, y, ta, tb));
      }
    }
  }
  void indexed(NodeId x) {
    const Shape& s = shape(x);
    if (s.size() == 2 && s[0] == Dim::batches() && s[1].value >= 3) {
      const NodeId taken =
          builder_.make(OpKind::TakeAlong, {x, index_}, {{AttrName::Axis, int64_t{1}}});
      add(taken);
      const TensorType type = graph_.type(x);
      add(builder_.make(OpKind::PutAlong, {index_, taken}, {{AttrName::Axis, int64_t{1}}}, &type));
    } else if (!s.empty() && !s[0].batch && s[0].value >= 3) {
      add(builder_.make(OpKind::Gather, {x, index_}));
    } else if (s.size() > 1 && s[0] == Dim::batches()) {
      TensorType table = graph_.type(x);
      table.shape[0] = Dim::fixed(5);
      add(builder_.make(OpKind::ScatterAdd, {index_, x}, {}, &table));
    }
  }
  void pad(NodeId x) {
    const Shape& s = shape(x);
    if (s.empty() || s.back().batch) return;
    if (random_() % 2) {
      const NodeId y = pick_late();
      Attrs attrs{{AttrName::Axis, static_cast<int64_t>(s.size()) - 1}};
      const NodeId operands[] = {x, y};
      if (!std::holds_alternative<TensorType>(builder_.infer(OpKind::Concat, operands, attrs)))
        return;
      return add(builder_.make(OpKind::Concat, {x, y}, attrs));
    }
    std::vector<int64_t> low(s.size(), 0), high(s.size(), 0);
    low.back() = static_cast<int64_t>(random_() % 3);
    high.back() = static_cast<int64_t>(random_() % 2);
    add(builder_.make(OpKind::Pad, {x}, {{AttrName::Low, low}, {AttrName::High, high}}));
  }
  void running(NodeId x) {
    const size_t first = !shape(x).empty() && shape(x)[0].batch ? 1 : 0;
    if (shape(x).size() <= first) return;
    const auto axis = static_cast<int64_t>(first + random_() % (shape(x).size() - first));
    add(builder_.make(OpKind::CumulativeSum, {x},
                      {{AttrName::Axis, axis}, {AttrName::Exclusive, random_() % 2 == 0}}));
  }

  void finish() {
    for (int i = 0; i < 3; ++i) {
      graph_.results.push_back({ResultKind::Output, "o" + std::to_string(i), pick_late()});
    }
    graph_.results.push_back({ResultKind::Output, "last", pool_.back()});
    for (const char* name : {"w", "v", "b", "s"}) update(name);
  }
  void update(const std::string& name) {
    for (size_t i = 0; i < graph_.size(); ++i) {
      const NodeId leaf(i);
      if (!is_leaf(graph_[leaf]) || !graph_[leaf].attrs.find(AttrName::Name)) continue;
      if (leaf_name(graph_[leaf]) != name) continue;
      std::vector<NodeId> fitting;
      for (NodeId id : pool_) {
        if (shape(id) == shape(leaf) && id != leaf) fitting.push_back(id);
      }
      if (fitting.empty()) return;
      const NodeId change = fitting[random_() % fitting.size()];
      const NodeId fresh = random_() % 4
                               ? builder_.sub(leaf, change)
                               : builder_.transpose(builder_.add(leaf, change), identity(leaf));
      graph_.results.push_back({ResultKind::Update, name, fresh});
      return;
    }
  }

  /// A view of all dimensions as they are: an update that is a view has to be copied.
  std::vector<int64_t> identity(NodeId id) const {
    std::vector<int64_t> perm(shape(id).size());
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    return perm;
  }

  static constexpr OpKind kUnary[] = {OpKind::Neg, OpKind::Tanh, OpKind::Exp, OpKind::Abs,
                                      OpKind::Sigmoid};
  static constexpr OpKind kBinary[] = {OpKind::Add, OpKind::Sub, OpKind::Mul, OpKind::Maximum,
                                       OpKind::Div};
  std::mt19937 random_;
  Graph graph_;
  GraphBuilder builder_;
  std::vector<NodeId> pool_;
  NodeId index_;
};

TEST(RandomGraphs, HaveTheExactEvaluatorsBits) {
  const char* given = std::getenv("GRADUS_SEED");
  const unsigned first = given ? static_cast<unsigned>(std::stoul(given)) : 0;
  const unsigned count = given ? 1 : 300;
  for (unsigned seed = first; seed < first + count; ++seed) {
    const auto [n, capacity] = seed % 2 ? std::pair(3, 20) : std::pair(5, 5);
    Target target;
    ASSERT_TRUE(frozen_target(seed % 3 ? "test-avx2" : "test-avx512", target));
    const Graph graph = RandomGraph(seed).take(capacity);
    SCOPED_TRACE("GRADUS_SEED=" + std::to_string(seed) + "\n" + print_graph(graph));
    try {
      StepRun run(graph, {n, capacity, 3}, target);
      run.expect_exact();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace gradus::kernel
