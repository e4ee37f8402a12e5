// The evaluator of bits: f32 nodes in float, f64 nodes in double, sums in the orders of
// sum_order.h. Values leave it as floats; an f64 value is rounded only there.
#include "eval/eval.h"
#include "eval/eval_class.h"

namespace gradus {
namespace {

template <typename To, typename From>
Array<To> with_floats(const Array<From>& from) {
  Array<To> to;
  to.dtype = from.dtype;
  to.sizes = from.sizes;
  to.integers = from.integers;
  to.floats.reserve(from.floats.size());
  for (From value : from.floats) to.floats.push_back(static_cast<To>(value));
  return to;
}

}  // namespace

IdVector<NodeId, Array<float>> eval_exact(const Graph& graph, const Environment<float>& leaves,
                                          const EvalContext& context) {
  Leaves<float> held;
  for (const auto& [name, array] : leaves) held.emplace(name, with_floats<double>(array));
  IdVector<NodeId, Array<float>> result;
  for (const Array<double>& value : eval_nodes<float>(graph, held, context)) {
    result.push_back(with_floats<float>(value));
  }
  return result;
}

}  // namespace gradus
