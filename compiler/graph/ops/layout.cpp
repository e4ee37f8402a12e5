// Layout operators: they move data, no arithmetic.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "graph/builder.h"
#include "graph/ops/rows.h"

namespace gradus {

namespace {

using G = GraphBuilder;
using A = VjpArgs;
using Types = std::span<const TensorType>;

const AttrSpec kPermAttrs[] = {{AttrName::Perm}};
const AttrSpec kSliceAttrs[] = {{AttrName::Start}, {AttrName::Step}};
const AttrSpec kPadAttrs[] = {{AttrName::Low}, {AttrName::High}};

ShapeResult reshape_shape(Types x, const Attrs&, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<ShapeProblem>(type)) return type;
  std::optional<Dim> from = checked_count(x[0].shape);
  if (given->dtype != x[0].dtype || from != checked_count(given->shape)) {
    return ShapeProblem{fmt::format("{} does not reshape to {}: the number of elements differs",
                                    to_string(x[0]), to_string(*given)),
                        0};
  }
  return type;
}

ShapeResult transpose_shape(Types x, const Attrs& attrs, const TensorType*) {
  const std::vector<int64_t>& perm = attrs.integers(AttrName::Perm);
  std::vector<int64_t> sorted = perm;
  std::sort(sorted.begin(), sorted.end());
  bool complete = sorted.size() == x[0].rank();
  for (size_t i = 0; complete && i < sorted.size(); ++i)
    complete = sorted[i] == static_cast<int64_t>(i);
  if (!complete) {
    return ShapeProblem{fmt::format("[{}] does not name each dimension of {} once",
                                    fmt::join(perm, ","), to_string(x[0])),
                        0};
  }
  TensorType type{x[0].dtype, {}};
  for (int64_t dim : perm) type.shape.push_back(x[0].shape[static_cast<size_t>(dim)]);
  return type;
}

ShapeResult broadcast_shape(Types x, const Attrs&, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<ShapeProblem>(type)) return type;
  if (given->dtype != x[0].dtype || !broadcasts_to(x[0].shape, given->shape)) {
    return ShapeProblem{
        fmt::format("{} does not broadcast to {}", to_string(x[0]), to_string(*given)), 0};
  }
  return type;
}

/// Whether `count` indices from `start` by `step` stay in [0, size).
bool slice_fits(const Dim& size, const Dim& count, int64_t start, int64_t step) {
  if (size.batch || count.batch) return size == count && start == 0 && step == 1;
  constexpr int64_t kMaxStep = int64_t{1} << 62;
  int64_t reach = 0, last = 0;
  if (step == 0 || step > kMaxStep || step < -kMaxStep ||
      __builtin_mul_overflow(count.value - 1, step, &reach) ||
      __builtin_add_overflow(start, reach, &last)) {
    return false;
  }
  return start >= 0 && start < size.value && last >= 0 && last < size.value;
}

ShapeResult slice_shape(Types x, const Attrs& attrs, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<ShapeProblem>(type)) return type;
  const std::vector<int64_t>&start = attrs.integers(AttrName::Start),
        &step = attrs.integers(AttrName::Step);
  bool fits = given->dtype == x[0].dtype && given->rank() == x[0].rank() &&
              start.size() == x[0].rank() && step.size() == x[0].rank();
  for (size_t i = 0; fits && i < start.size(); ++i)
    fits = slice_fits(x[0].shape[i], given->shape[i], start[i], step[i]);
  if (!fits)
    return ShapeProblem{
        fmt::format("a slice of {} to {} is out of bounds", to_string(x[0]), to_string(*given)), 0};
  return type;
}

ShapeResult pad_shape(Types x, const Attrs& attrs, const TensorType*) {
  const std::vector<int64_t>&low = attrs.integers(AttrName::Low),
        &high = attrs.integers(AttrName::High);
  TensorType type = x[0];
  if (low.size() != x[0].rank() || high.size() != x[0].rank()) {
    return ShapeProblem{fmt::format("`pad` needs a low and a high number for each dimension of {}",
                                    to_string(x[0])),
                        0};
  }
  for (size_t i = 0; i < low.size(); ++i) {
    Dim& dim = type.shape[i];
    bool pads = low[i] != 0 || high[i] != 0;
    int64_t size = 0;
    bool overflow = __builtin_add_overflow(dim.value, low[i], &size) ||
                    __builtin_add_overflow(size, high[i], &size);
    if (low[i] < 0 || high[i] < 0 || overflow || (pads && dim.batch)) {
      return ShapeProblem{fmt::format("`pad` by {} and {} of dimension {} of {}", low[i], high[i],
                                      i, to_string(x[0])),
                          0};
    }
    dim.value = size;
  }
  return checked_type(std::move(type));
}

/// Whether `x` may stand beside `first`: the same type but for the size along `axis`, not `batch`.
bool concat_fits(const TensorType& first, const TensorType& x, size_t axis) {
  if (x.rank() != first.rank() || x.shape[axis].batch) return false;
  TensorType same = x;
  same.shape[axis] = first.shape[axis];
  return same == first;
}

ShapeResult concat_shape(Types x, const Attrs& attrs, const TensorType*) {
  if (x.empty()) return ShapeProblem{"`concat` of nothing", -1};
  int64_t axis = attrs.integer(AttrName::Axis);
  if (axis < 0 || axis >= static_cast<int64_t>(x[0].rank())) {
    return ShapeProblem{fmt::format("axis {} of {} does not exist", axis, to_string(x[0])), 0};
  }
  auto at = static_cast<size_t>(axis);
  if (x[0].shape[at].batch) return ShapeProblem{"`concat` along `batch`", 0};
  TensorType type = x[0];
  for (size_t i = 1; i < x.size(); ++i) {
    int64_t& size = type.shape[at].value;
    if (!concat_fits(x[0], x[i], at) || __builtin_add_overflow(size, x[i].shape[at].value, &size)) {
      return ShapeProblem{fmt::format("parts of `concat` agree but for axis {}: {} and {}", axis,
                                      to_string(x[0]), to_string(x[i])),
                          static_cast<int>(i)};
    }
  }
  return checked_type(std::move(type));
}

Cotangents transpose_vjp(G& g, const A& a) {
  const std::vector<int64_t>& perm = a.attrs.integers(AttrName::Perm);
  std::vector<int64_t> inverse(perm.size());
  for (size_t i = 0; i < perm.size(); ++i)
    inverse[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  return {g.transpose(a.cotangent, inverse)};
}

/// Elements between those that a step skips are zeros: [c, 1] padded to [c, step], flattened and
/// cut.
NodeId spread_steps(G& g, NodeId x, size_t dim, int64_t step) {
  Shape shape = g.type(x).shape;
  int64_t count = shape[dim].value;
  Shape split = shape;
  split.insert(split.begin() + static_cast<ptrdiff_t>(dim) + 1, Dim::fixed(1));
  std::vector<int64_t> low(split.size(), 0), high(split.size(), 0);
  high[dim + 1] = step - 1;
  NodeId padded =
      g.make(OpKind::Pad, {g.reshape(x, split)}, {{AttrName::Low, low}, {AttrName::High, high}});
  shape[dim].value = count * step;
  NodeId flat = g.reshape(padded, shape);
  shape[dim].value = (count - 1) * step + 1;
  TensorType type{g.type(x).dtype, shape};
  std::vector<int64_t> zeros(shape.size(), 0), ones(shape.size(), 1);
  return g.make(OpKind::Slice, {flat}, {{AttrName::Start, zeros}, {AttrName::Step, ones}}, &type);
}

Cotangents slice_vjp(G& g, const A& a) {
  std::vector<int64_t> start = a.attrs.integers(AttrName::Start);
  const std::vector<int64_t>& step = a.attrs.integers(AttrName::Step);
  const Shape whole = g.type(a.operands[0]).shape;
  NodeId x = a.cotangent;
  std::vector<int64_t> low(start.size(), 0), high(start.size(), 0);
  for (size_t i = 0; i < start.size(); ++i) {
    if (whole[i].batch) continue;
    int64_t count = g.type(a.cotangent).shape[i].value;
    if (step[i] < 0) {
      x = g.reverse(x, i);
      start[i] += (count - 1) * step[i];
    }
    int64_t stride = std::abs(step[i]);
    if (stride > 1 && count > 1) x = spread_steps(g, x, i, stride);
    low[i] = start[i];
    high[i] = whole[i].value - start[i] - ((count - 1) * stride + 1);
  }
  return {g.make(OpKind::Pad, {x}, {{AttrName::Low, low}, {AttrName::High, high}})};
}

NodeId part(G& g, NodeId x, const Shape& shape, std::vector<int64_t> start) {
  TensorType type{g.type(x).dtype, shape};
  std::vector<int64_t> step(shape.size(), 1);
  return g.make(OpKind::Slice, {x}, {{AttrName::Start, std::move(start)}, {AttrName::Step, step}},
                &type);
}

Cotangents concat_vjp(G& g, const A& a) {
  auto axis = static_cast<size_t>(a.attrs.integer(AttrName::Axis));
  Cotangents out;
  std::vector<int64_t> start(g.type(a.result).rank(), 0);
  for (NodeId operand : a.operands) {
    const Shape shape = g.type(operand).shape;
    out.push_back(part(g, a.cotangent, shape, start));
    start[axis] += shape[axis].value;
  }
  return out;
}

const OpDef kLayoutRows[] = {
    {.kind = OpKind::Reshape,
     .name = "reshape",
     .arity = 1,
     .cls = OpClass::Layout,
     .shape = reshape_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.reshape(a.cotangent, g.type(a.operands[0]).shape)};
     },
     .cost = CostClass::Moves,
     .given_type = true,
     .doc = "the same elements in row-major order, other sizes"},
    {.kind = OpKind::Transpose,
     .name = "transpose",
     .arity = 1,
     .cls = OpClass::Layout,
     .attrs = kPermAttrs,
     .shape = transpose_shape,
     .differentiable = Differentiable::Yes,
     .vjp = transpose_vjp,
     .cost = CostClass::Moves,
     .doc = "dimension i of the result is dimension perm[i] of x"},
    {.kind = OpKind::Broadcast,
     .name = "broadcast",
     .arity = 1,
     .cls = OpClass::Layout,
     .shape = broadcast_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {g.unbroadcast(a.cotangent, g.type(a.operands[0]).shape)};
     },
     .cost = CostClass::Moves,
     .given_type = true,
     .doc = "x repeated, as in NumPy"},
    {.kind = OpKind::Slice,
     .name = "slice",
     .arity = 1,
     .cls = OpClass::Layout,
     .attrs = kSliceAttrs,
     .shape = slice_shape,
     .differentiable = Differentiable::Yes,
     .vjp = slice_vjp,
     .cost = CostClass::Moves,
     .given_type = true,
     .doc = "element i of each dimension is element start + i step of x"},
    {.kind = OpKind::Pad,
     .name = "pad",
     .arity = 1,
     .cls = OpClass::Layout,
     .attrs = kPadAttrs,
     .shape = pad_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {part(g, a.cotangent, g.type(a.operands[0]).shape, a.attrs.integers(AttrName::Low))};
     },
     .guarded = true,
     .doc = "x with `low` zeros before and `high` after, per dimension"},
    {.kind = OpKind::Concat,
     .name = "concat",
     .arity = -1,
     .cls = OpClass::Layout,
     .attrs = kAxisAttrs,
     .shape = concat_shape,
     .differentiable = Differentiable::Yes,
     .vjp = concat_vjp,
     .guarded = true,
     .doc = "operands one after the other along `axis`"},
};

}  // namespace

std::span<const OpDef> layout_rows() { return kLayoutRows; }

}  // namespace gradus
