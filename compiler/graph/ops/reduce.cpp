// Reductions: fewer dimensions out. What fixes a rounding (`order`, `chunk`) is written by
// split-reductions.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "graph/builder.h"
#include "graph/ops/rows.h"

namespace gradus {

namespace {

using G = GraphBuilder;
using A = VjpArgs;
using B = ScalarBuilder;

const AttrSpec kSumAttrs[] = {{AttrName::Dims},
                              {AttrName::Keep, AttrValue(false)},
                              {AttrName::Order, AttrValue(std::string())},
                              {AttrName::Chunk, AttrValue(int64_t{0})}};
const AttrSpec kDimsAttrs[] = {{AttrName::Dims}, {AttrName::Keep, AttrValue(false)}};
const AttrSpec kPartialAttrs[] = {{AttrName::Dims}, {AttrName::Chunk}};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Nothing where `dims` ascend within the rank.
std::optional<ShapeProblem> check_dims(const TensorType& x, const std::vector<int64_t>& dims) {
  int64_t last = -1;
  for (int64_t dim : dims) {
    if (dim <= last || dim >= static_cast<int64_t>(x.rank())) {
      return ShapeProblem{fmt::format("reduced dimensions ascend from 0 to {}; found {}",
                                      static_cast<int64_t>(x.rank()) - 1,
                                      fmt::format("[{}]", fmt::join(dims, ","))),
                          0};
    }
    last = dim;
  }
  if (dims.empty()) return ShapeProblem{"no dimension to reduce", 0};
  return std::nullopt;
}

Shape reduced_shape(const Shape& shape, const std::vector<int64_t>& dims, bool keep) {
  Shape out;
  size_t next = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    bool reduced = next < dims.size() && dims[next] == static_cast<int64_t>(i);
    if (reduced) ++next;
    if (!reduced) out.push_back(shape[i]);
    if (reduced && keep) out.push_back(Dim::fixed(1));
  }
  return out;
}

ShapeResult reduce_shape(std::span<const TensorType> x, const Attrs& attrs, const TensorType*) {
  const std::vector<int64_t>& dims = attrs.integers(AttrName::Dims);
  if (auto problem = check_dims(x[0], dims)) return *problem;
  if (x[0].dtype == DType::Bool)
    return ShapeProblem{"`bool` has to be converted before it is reduced", 0};
  return TensorType{x[0].dtype, reduced_shape(x[0].shape, dims, attrs.flag(AttrName::Keep))};
}

ShapeResult sum_shape(std::span<const TensorType> x, const Attrs& attrs, const TensorType* given) {
  std::string order = attrs.get_or<std::string>(AttrName::Order, "");
  if (!order.empty() && order != "lanes" && order != "chain") {
    return ShapeProblem{fmt::format("the order of a sum is lanes or chain; found {}", order), -1};
  }
  int64_t chunk = attrs.get_or<int64_t>(AttrName::Chunk, 0);
  if (chunk < 0) return ShapeProblem{fmt::format("a sum in chunks of {}", chunk), -1};
  return reduce_shape(x, attrs, given);
}

ShapeResult argmax_shape(std::span<const TensorType> x, const Attrs& attrs, const TensorType*) {
  const std::vector<int64_t>& dims = attrs.integers(AttrName::Dims);
  if (auto problem = check_dims(x[0], dims)) return *problem;
  if (dims.size() != 1 || x[0].dtype == DType::Bool)
    return ShapeProblem{"`argmax` is of numbers, along one dimension", 0};
  if (x[0].shape[static_cast<size_t>(dims[0])].batch)
    return ShapeProblem{"`argmax` along `batch`", 0};
  return TensorType{DType::I32, reduced_shape(x[0].shape, dims, attrs.flag(AttrName::Keep))};
}

ShapeResult partial_shape(std::span<const TensorType> x, const Attrs& attrs,
                          const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<ShapeProblem>(type)) return type;
  bool fits = x[0].rank() > 0 && attrs.integers(AttrName::Dims) == std::vector<int64_t>{0} &&
              attrs.integer(AttrName::Chunk) >= 1 && given->dtype == x[0].dtype &&
              given->rank() == x[0].rank() && !given->shape[0].batch &&
              std::equal(x[0].shape.begin() + 1, x[0].shape.end(), given->shape.begin() + 1);
  if (!fits) {
    return ShapeProblem{
        fmt::format("`partial_sum` over dimension 0 of {} gives [chunks,rest]; found {}",
                    to_string(x[0]), to_string(*given)),
        0};
  }
  return type;
}

/// A value of the result's shape, repeated to the operand's.
NodeId spread(G& g, const A& a, NodeId value) {
  const Shape shape = g.type(a.operands[0]).shape;
  Shape kept = shape;
  for (int64_t dim : a.attrs.integers(AttrName::Dims))
    kept[static_cast<size_t>(dim)] = Dim::fixed(1);
  return g.broadcast(g.reshape(value, kept), shape);
}

/// The cotangent goes to the elements that equal the result, in equal shares.
Cotangents extremum_vjp(G& g, const A& a) {
  NodeId x = a.operands[0];
  NodeId winners = g.convert(g.equal(x, spread(g, a, a.result)), g.type(x).dtype);
  NodeId count = g.sum(winners, a.attrs.integers(AttrName::Dims), a.attrs.flag(AttrName::Keep));
  return {g.mul(winners, spread(g, a, g.div(a.cotangent, count)))};
}

Scalar combine_extrema(B& b, Scalar x, Scalar y, bool least) {
  Scalar wins = least ? b.less(y, x) : b.less(x, y);
  Scalar chosen = b.select(wins, y, x);
  return is_float(x.dtype) ? b.select(b.is_nan(y), y, chosen) : chosen;
}

const OpDef kReduceRows[] = {
    {.kind = OpKind::Sum,
     .name = "sum",
     .arity = 1,
     .cls = OpClass::Reduce,
     .attrs = kSumAttrs,
     .shape = sum_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents { return {spread(g, a, a.cotangent)}; },
     .combine = [](B& b, ScalarArgs x, DType) { return b.add(x[0], x[1]); },
     .identity = -0.0,
     .doc = "the sum over `dims`, in the order that `order` names"},
    {.kind = OpKind::Max,
     .name = "max",
     .arity = 1,
     .cls = OpClass::Reduce,
     .attrs = kDimsAttrs,
     .shape = reduce_shape,
     .differentiable = Differentiable::Yes,
     .vjp = extremum_vjp,
     .saves = Saves::Both,
     .combine = [](B& b, ScalarArgs x, DType) { return combine_extrema(b, x[0], x[1], false); },
     .identity = -kInfinity,
     .doc =
         "the largest element over `dims`, NaN where one is; equal elements share the derivative"},
    {.kind = OpKind::Min,
     .name = "min",
     .arity = 1,
     .cls = OpClass::Reduce,
     .attrs = kDimsAttrs,
     .shape = reduce_shape,
     .differentiable = Differentiable::Yes,
     .vjp = extremum_vjp,
     .saves = Saves::Both,
     .combine = [](B& b, ScalarArgs x, DType) { return combine_extrema(b, x[0], x[1], true); },
     .identity = kInfinity,
     .doc =
         "the smallest element over `dims`, NaN where one is; equal elements share the derivative"},
    {.kind = OpKind::Argmax,
     .name = "argmax",
     .arity = 1,
     .cls = OpClass::Reduce,
     .attrs = kDimsAttrs,
     .shape = argmax_shape,
     .combine = [](B& b, ScalarArgs x, DType) { return combine_extrema(b, x[0], x[1], false); },
     .identity = -kInfinity,
     .doc = "the index of the largest element, the first of equals; NaN counts as largest; no "
            "derivative"},
    {.kind = OpKind::PartialSum,
     .name = "partial_sum",
     .arity = 1,
     .cls = OpClass::Reduce,
     .attrs = kPartialAttrs,
     .shape = partial_shape,
     .combine = [](B& b, ScalarArgs x, DType) { return b.add(x[0], x[1]); },
     .identity = -0.0,
     .given_type = true,
     .doc = "the sums of each `chunk` rows of dimension 0, ascending; made by split-reductions"},
};

}  // namespace

std::span<const OpDef> reduce_rows() { return kReduceRows; }

}  // namespace gradus
