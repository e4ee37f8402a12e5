// The evaluator of meaning, and what both evaluators share: leaves, pointwise operators by their
// rules on blocks, and the walk over the nodes.
#include "eval/eval.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/eval_class.h"
#include "support/check.h"

namespace gradus {
namespace {

template <typename V>
void fill_numbers(double number, Array<V>& result) {
  std::fill(result.floats.begin(), result.floats.end(), V{number});
  for (int64_t& element : result.integers) element = static_cast<int64_t>(number);
}

template <typename T>
void fill_constant(const Node& node, Array<Held<T>>& result) {
  using V = Held<T>;
  // Exact arithmetic takes constants in their dtype; the meaning takes them as they were written.
  const auto held = [&](double value) {
    const bool rounded = std::is_same_v<T, float> && node.type.dtype == DType::F32;
    return rounded ? static_cast<double>(static_cast<float>(value)) : value;
  };
  const auto values = node.attrs.get_or<std::vector<double>>(AttrName::Values, {});
  if (!values.empty()) {
    GRADUS_CHECK(static_cast<int64_t>(values.size()) == result.count(), "values of a constant");
    for (size_t i = 0; i < values.size(); ++i) {
      if (is_float(result.dtype)) {
        result.floats[i] = V{held(values[i])};
      } else {
        result.integers[i] = static_cast<int64_t>(values[i]);
      }
    }
    return;
  }
  fill_numbers(held(node.attrs.get_or<double>(AttrName::Value, 0.0)), result);
}

template <typename V>
void fill_iota(int64_t axis, Array<V>& result) {
  const AxisSpace space = axis_space(result.sizes, axis);
  for (int64_t o = 0; o < space.outer; ++o) {
    for (int64_t k = 0; k < space.size; ++k) {
      for (int64_t i = 0; i < space.inner; ++i) {
        const size_t place = static_cast<size_t>(space.at(o, k, i));
        if (is_float(result.dtype)) {
          result.floats[place] = V{static_cast<double>(k)};
        } else {
          result.integers[place] = k;
        }
      }
    }
  }
}

template <typename T>
void fill_random(const Node& node, const EvalContext& context, Array<Held<T>>& result) {
  ConcreteBuilder<T> builder;
  const int64_t count = result.count();
  const Offsets indices = offsets_of(result.sizes, memory_strides(node.type.shape));
  const auto number = [&](int64_t value) { return builder.bits(static_cast<uint32_t>(value)); };
  for (int64_t first = 0; first < count; first += kScalarBlock) {
    builder.reset(static_cast<int>(std::min<int64_t>(kScalarBlock, count - first)));
    const Scalar index = builder.fresh(DType::I32);
    int32_t* lanes = builder.template lanes<int32_t>(index);
    for (int i = 0; i < builder.count(); ++i)
      lanes[i] = static_cast<int32_t>(indices[static_cast<size_t>(first + i)]);
    const Scalar random = random_bits_scalar(builder, number(context.seed),
                                             number(node.attrs.integer(AttrName::Stream)),
                                             number(context.step), index);
    store_block(builder, random, first, result);
  }
}

template <typename V>
void fill_named(const std::string& name, const std::map<std::string, Array<V>>& leaves,
                Array<V>& result) {
  const auto found = leaves.find(name);
  GRADUS_CHECK(found != leaves.end(), fmt::format("no array for leaf `{}`", name));
  const Array<V>& array = found->second;
  GRADUS_CHECK(array.dtype == result.dtype && array.sizes == result.sizes &&
                   array.floats.size() == result.floats.size() &&
                   array.integers.size() == result.integers.size(),
               fmt::format("the array for leaf `{}` has another type", name));
  result = array;
}

template <typename V>
int64_t broadcast_offset(const Array<V>& x, const Offsets& offsets, int64_t i) {
  return x.count() == 1 ? 0 : offsets.empty() ? i : offsets[static_cast<size_t>(i)];
}

}  // namespace

template <typename T>
void eval_leaf(const Node& node, const Leaves<T>& leaves, const EvalContext& context,
               Array<Held<T>>& result) {
  switch (node.op) {
    case OpKind::Input:
    case OpKind::Param:
    case OpKind::State:
      return fill_named(leaf_name(node), leaves, result);
    case OpKind::Constant:
      return fill_constant<T>(node, result);
    case OpKind::Iota:
      return fill_iota(node.attrs.integer(AttrName::Axis), result);
    case OpKind::BatchSize:
      return fill_numbers(static_cast<double>(context.n), result);
    case OpKind::StepNumber:
      return fill_numbers(static_cast<double>(context.step), result);
    case OpKind::StepCount:
      return fill_numbers(static_cast<double>(context.steps), result);
    case OpKind::EpochNumber:
      return fill_numbers(static_cast<double>(context.epoch), result);
    case OpKind::RandomBits:
      return fill_random<T>(node, context, result);
    default:
      GRADUS_CHECK(false, fmt::format("no value for leaf `{}`", op_def(node.op).name));
  }
}

template <typename T>
void eval_pointwise(const Node& node, const Operands<Held<T>>& x, const EvalContext& context,
                    Array<Held<T>>& result) {
  ConcreteBuilder<T> builder(context.fused_multiply_add);
  std::vector<Offsets> offsets(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i]->sizes == result.sizes || x[i]->count() == 1) continue;
    offsets[i] = offsets_of(result.sizes, broadcast_strides(x[i]->sizes, result.sizes));
  }
  const ScalarRule rule = op_def(node.op).scalar;
  GRADUS_CHECK(rule != nullptr, "a pointwise row has a scalar rule");
  const int64_t count = result.count();
  for (int64_t first = 0; first < count; first += kScalarBlock) {
    builder.reset(static_cast<int>(std::min<int64_t>(kScalarBlock, count - first)));
    std::vector<Scalar> blocks;
    for (size_t k = 0; k < x.size(); ++k) {
      blocks.push_back(load_block<T>(
          builder, *x[k], [&](int i) { return broadcast_offset(*x[k], offsets[k], first + i); }));
    }
    store_block(builder, rule(builder, blocks, node.type.dtype), first, result);
  }
}

template <typename T>
Array<Held<T>> eval_node(const Node& node, const Operands<Held<T>>& x, const Leaves<T>& leaves,
                         const EvalContext& context) {
  auto result = make_array<Held<T>>(node.type.dtype, sizes_at(node.type.shape, context.n));
  switch (op_def(node.op).cls) {
    case OpClass::Leaf:
      eval_leaf<T>(node, leaves, context, result);
      break;
    case OpClass::Pointwise:
      eval_pointwise<T>(node, x, context, result);
      break;
    case OpClass::Reduce:
      eval_reduce<T>(node, *x.at(0), result);
      break;
    case OpClass::Contract:
      eval_contract<T>(node, x, context, result);
      break;
    case OpClass::Layout:
      eval_layout<Held<T>>(node, x, result);
      break;
    case OpClass::Indexed:
      eval_indexed<T>(node, x, result);
      break;
    case OpClass::Derivative:
      GRADUS_CHECK(false,
                   fmt::format("`{}` has no value before differentiation", op_def(node.op).name));
  }
  return result;
}

void round_to_f32(Array<double>& array) {
  for (double& value : array.floats) value = static_cast<float>(value);
}

template <typename T>
IdVector<NodeId, Array<Held<T>>> eval_nodes(const Graph& graph, const Leaves<T>& leaves,
                                            const EvalContext& context) {
  IdVector<NodeId, Array<Held<T>>> values;
  for (const Node& node : graph.nodes) {
    Operands<Held<T>> x;
    for (NodeId operand : node.operands) x.push_back(&values[operand]);
    Array<Held<T>> value = eval_node<T>(node, x, leaves, context);
    if constexpr (std::is_same_v<T, double>) {
      if (context.rounded && node.type.dtype == DType::F32) round_to_f32(value);
    }
    values.push_back(std::move(value));
  }
  return values;
}

Array<double> eval_moved(const Graph& graph, const IdVector<NodeId, Array<double>>& base,
                         const Environment<double>& leaves, NodeId wanted,
                         const EvalContext& context) {
  std::map<NodeId, Array<double>> moved;
  for (size_t i = 0; i <= wanted.index(); ++i) {
    const NodeId id(i);
    const Node& node = graph[id];
    bool depends = node.op == OpKind::Param && leaves.contains(leaf_name(node));
    Operands<double> x;
    for (NodeId operand : node.operands) {
      const auto found = moved.find(operand);
      depends |= found != moved.end();
      x.push_back(found != moved.end() ? &found->second : &base[operand]);
    }
    if (depends) moved[id] = eval_node<double>(node, x, leaves, context);
  }
  const auto found = moved.find(wanted);
  return found != moved.end() ? found->second : base[wanted];
}

template <typename T>
IdVector<NodeId, Array<T>> eval(const Graph& graph, const Environment<T>& leaves,
                                const EvalContext& context) {
  return eval_nodes<T>(graph, leaves, context);
}
template IdVector<NodeId, Array<double>> eval(const Graph&, const Environment<double>&,
                                              const EvalContext&);
template IdVector<NodeId, Array<Dual>> eval(const Graph&, const Environment<Dual>&,
                                            const EvalContext&);
template IdVector<NodeId, Array<double>> eval_nodes<float>(const Graph&, const Leaves<float>&,
                                                           const EvalContext&);

}  // namespace gradus
