// What the evaluators have in common: values as dense arrays and one function per operator class.
// Internal to the evaluators.
//
// T is the arithmetic: float is exact, double and Dual are the meaning. Values are held in Held<T>:
// in doubles for float too, which hold every f32 exactly and let f64 scalars keep their digits.
#pragma once

#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "eval/eval.h"
#include "eval/eval_space.h"
#include "scalar/scalar_concrete.h"
#include "support/check.h"

namespace gradus {

template <typename T>
struct HeldBy {
  using Type = T;
};
template <>
struct HeldBy<float> {
  using Type = double;
};
template <typename T>
using Held = typename HeldBy<T>::Type;
template <typename T>
using Leaves = std::map<std::string, Array<Held<T>>>;
template <typename V>
using Operands = std::vector<const Array<V>*>;

/// Calls `function` with a zero of the type that floats of `dtype` are computed in.
template <typename T, typename Function>
void with_real(DType dtype, Function function) {
  if (dtype == DType::F32) {
    function(typename FloatLanes<T>::F32{});
  } else {
    function(typename FloatLanes<T>::F64{});
  }
}

template <typename V>
Array<V> make_array(DType dtype, Sizes sizes) {
  Array<V> array;
  array.dtype = dtype;
  array.sizes = std::move(sizes);
  const size_t count = static_cast<size_t>(array.count());
  if (is_float(dtype)) {
    array.floats.resize(count);
  } else {
    array.integers.resize(count);
  }
  return array;
}

/// Element `from` of x becomes element `to` of the result.
template <typename V>
void copy_element(const Array<V>& x, int64_t from, Array<V>& result, int64_t to) {
  if (is_float(x.dtype)) {
    result.floats[static_cast<size_t>(to)] = x.floats[static_cast<size_t>(from)];
  } else {
    result.integers[static_cast<size_t>(to)] = x.integers[static_cast<size_t>(from)];
  }
}

// Each answers the value of one node of its class; `result` has the node's type and sizes already.
template <typename T>
void eval_leaf(const Node& node, const Leaves<T>& leaves, const EvalContext& context,
               Array<Held<T>>& result);
template <typename T>
void eval_pointwise(const Node& node, const Operands<Held<T>>& x, const EvalContext& context,
                    Array<Held<T>>& result);
template <typename T>
void eval_reduce(const Node& node, const Array<Held<T>>& x, Array<Held<T>>& result);
template <typename T>
void eval_contract(const Node& node, const Operands<Held<T>>& x, const EvalContext& context,
                   Array<Held<T>>& result);
template <typename V>
void eval_layout(const Node& node, const Operands<V>& x, Array<V>& result);
template <typename T>
void eval_indexed(const Node& node, const Operands<Held<T>>& x, Array<Held<T>>& result);

/// The value of every node.
template <typename T>
IdVector<NodeId, Array<Held<T>>> eval_nodes(const Graph& graph, const Leaves<T>& leaves,
                                            const EvalContext& context);

// Blocks of a builder filled from an array and stored back. `offset(i)` is the element of lane i.
template <typename T, typename Offset>
Scalar load_block(ConcreteBuilder<T>& builder, const Array<Held<T>>& x, const Offset& offset) {
  const Scalar block = builder.fresh(x.dtype);
  const auto fill = [&](auto zero, const auto& items) {
    using U = decltype(zero);
    U* lanes = builder.template lanes<U>(block);
    for (int i = 0; i < builder.count(); ++i) {
      lanes[i] = static_cast<U>(items[static_cast<size_t>(offset(i))]);
    }
  };
  visit_dtype(x.dtype, [&](auto type) {
    using Element = typename decltype(type)::type;
    if constexpr (std::is_floating_point_v<Element>) {
      fill(LaneOf<T, Element>{}, x.floats);
    } else {
      fill(Element{}, x.integers);
    }
  });
  return block;
}

template <typename T>
void store_block(ConcreteBuilder<T>& builder, Scalar block, int64_t first, Array<Held<T>>& result) {
  GRADUS_CHECK(block.dtype == result.dtype, "the rule's value has the dtype of the result");
  const auto store = [&](auto zero, auto& items) {
    using U = decltype(zero);
    using Item = typename std::remove_reference_t<decltype(items)>::value_type;
    const U* lanes = builder.template lanes<U>(block);
    for (int i = 0; i < builder.count(); ++i) {
      items[static_cast<size_t>(first + i)] = static_cast<Item>(lanes[i]);
    }
  };
  visit_dtype(result.dtype, [&](auto type) {
    using Element = typename decltype(type)::type;
    if constexpr (std::is_floating_point_v<Element>) {
      store(LaneOf<T, Element>{}, result.floats);
    } else {
      store(Element{}, result.integers);
    }
  });
}

}  // namespace gradus
