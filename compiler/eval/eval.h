// Evaluators on graphs: slow and obvious, the oracles of everything that is compiled.
//
// eval<double>: the meaning (C library math, sums in plain order). eval<Dual>: with directional
// derivatives. eval_exact: f32 in the orders and elementary operations that the graph defines; equal
// bit for bit to the generated code.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "scalar/dual.h"

namespace gradus {

/// A dense row-major array with concrete sizes. Exactly one of the vectors is used, by dtype: floats
/// (F32, F64), integers (I32, I64 and Bool as 0/1).
template <typename T>
struct Array {
  DType dtype = DType::F32;
  std::vector<int64_t> sizes;
  std::vector<T> floats;
  std::vector<int64_t> integers;

  int64_t count() const {
    int64_t product = 1;
    for (int64_t size : sizes) product *= size;
    return product;
  }
};

struct EvalContext {
  int64_t n = 1;         // rows of this step
  int64_t capacity = 1;  // rows that the step is compiled for; orders of sums depend on it
  int64_t step = 1;      // from 1
  int64_t steps = 1;     // planned in all
  int64_t epoch = 1;
  uint32_t seed = 0;
  bool fused_multiply_add = true;  // false: `mul_add` rounds twice, as on targets without FMA
  /// eval<double> rounds the values of f32 nodes to f32: the difference tells how much rounding is
  /// worth where sums cancel.
  bool rounded = false;
};

/// Leaves by name (inputs, params, states); one array for each that the graph has.
template <typename T>
using Environment = std::map<std::string, Array<T>>;

/// The value of every node. T is double or Dual. Throws InternalError for what verification excludes;
/// std::out_of_range for an index outside its axis.
template <typename T>
IdVector<NodeId, Array<T>> eval(const Graph& graph, const Environment<T>& leaves,
                                const EvalContext& context);
extern template IdVector<NodeId, Array<double>> eval(const Graph&, const Environment<double>&,
                                                     const EvalContext&);
extern template IdVector<NodeId, Array<Dual>> eval(const Graph&, const Environment<Dual>&,
                                                   const EvalContext&);

/// The value of `wanted` where the parameters in `leaves` have these values and all other leaves are
/// those that `eval` gave `base` for; only what depends on these parameters is computed.
Array<double> eval_moved(const Graph& graph, const IdVector<NodeId, Array<double>>& base,
                         const Environment<double>& leaves, NodeId wanted,
                         const EvalContext& context);

/// Bits of the generated code; the graph is at stage Ordered.
IdVector<NodeId, Array<float>> eval_exact(const Graph& graph, const Environment<float>& leaves,
                                          const EvalContext& context);

}  // namespace gradus
