// Operators whose addresses come from data, and running sums.
#include <fmt/format.h>

#include "graph/builder.h"
#include "graph/ops/rows.h"

namespace gradus {

namespace {

using G = GraphBuilder;
using A = VjpArgs;
using Types = std::span<const TensorType>;

const AttrSpec kCumulativeAttrs[] = {{AttrName::Axis}, {AttrName::Exclusive, AttrValue(false)}};

ShapeProblem wrong_index(const TensorType& type) {
  return {fmt::format("an index is {}, expected int", to_string(type)), 1};
}

/// index sizes, then the sizes of one row of the table.
Shape gathered_shape(const Shape& table, const Shape& index) {
  Shape shape = index;
  shape.insert(shape.end(), table.begin() + 1, table.end());
  return shape;
}

ShapeResult gather_shape(Types x, const Attrs&, const TensorType*) {
  if (x[0].rank() == 0 || x[0].shape[0].batch) {
    return ShapeProblem{
        fmt::format("`gather` takes rows along the first axis, which `batch` cannot be; found {}",
                    to_string(x[0])),
        0};
  }
  if (!is_integer(x[1].dtype)) return wrong_index(x[1]);
  return checked_type({x[0].dtype, gathered_shape(x[0].shape, x[1].shape)});
}

ShapeResult scatter_shape(Types x, const Attrs&, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<ShapeProblem>(type)) return type;
  if (!is_integer(x[0].dtype)) return wrong_index(x[0]);
  bool fits = given->rank() > 0 && !given->shape[0].batch && given->dtype == x[1].dtype &&
              gathered_shape(given->shape, x[0].shape) == x[1].shape;
  if (!fits) {
    return ShapeProblem{fmt::format("`scatter_add` of {} by {} does not give {}", to_string(x[1]),
                                    to_string(x[0]), to_string(*given)),
                        1};
  }
  return type;
}

Shape without(const Shape& shape, size_t axis) {
  Shape out = shape;
  out.erase(out.begin() + static_cast<ptrdiff_t>(axis));
  return out;
}

bool has_axis(const TensorType& type, int64_t axis) {
  return axis >= 0 && axis < static_cast<int64_t>(type.rank()) &&
         !type.shape[static_cast<size_t>(axis)].batch;
}

ShapeResult take_shape(Types x, const Attrs& attrs, const TensorType*) {
  int64_t axis = attrs.integer(AttrName::Axis);
  if (!is_integer(x[1].dtype)) return wrong_index(x[1]);
  if (!has_axis(x[0], axis))
    return ShapeProblem{fmt::format("axis {} of {} cannot be indexed", axis, to_string(x[0])), 0};
  if (without(x[0].shape, static_cast<size_t>(axis)) != x[1].shape) {
    return ShapeProblem{fmt::format("an index along axis {} of {} has the other sizes; found {}",
                                    axis, to_string(x[0]), to_string(x[1])),
                        1};
  }
  return TensorType{x[0].dtype, x[1].shape};
}

ShapeResult put_shape(Types x, const Attrs& attrs, const TensorType* given) {
  ShapeResult type = given_or_problem(given);
  if (std::holds_alternative<ShapeProblem>(type)) return type;
  int64_t axis = attrs.integer(AttrName::Axis);
  bool fits = has_axis(*given, axis) && given->dtype == x[1].dtype && is_integer(x[0].dtype) &&
              x[0].shape == x[1].shape &&
              without(given->shape, static_cast<size_t>(axis)) == x[1].shape;
  if (!fits) {
    return ShapeProblem{fmt::format("`put_along` of {} by {} does not give {}", to_string(x[1]),
                                    to_string(x[0]), to_string(*given)),
                        1};
  }
  return type;
}

ShapeResult cumulative_shape(Types x, const Attrs& attrs, const TensorType*) {
  if (!has_axis(x[0], attrs.integer(AttrName::Axis)) || !is_float(x[0].dtype)) {
    return ShapeProblem{fmt::format("a running sum along axis {} of {}",
                                    attrs.integer(AttrName::Axis), to_string(x[0])),
                        0};
  }
  return x[0];
}

Cotangents cumulative_vjp(G& g, const A& a) {
  auto axis = static_cast<size_t>(a.attrs.integer(AttrName::Axis));
  NodeId summed = g.make(OpKind::CumulativeSum, {g.reverse(a.cotangent, axis)}, a.attrs);
  return {g.reverse(summed, axis)};
}

const OpDef kIndexedRows[] = {
    {.kind = OpKind::Gather,
     .name = "gather",
     .arity = 2,
     .cls = OpClass::Indexed,
     .shape = gather_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       const TensorType type = g.type(a.operands[0]);
       return {g.make(OpKind::ScatterAdd, {a.operands[1], a.cotangent}, {}, &type), NodeId()};
     },
     .saves = Saves::Operands,
     .indexing = Indexing::Gathers,
     .doc = "row index[i] of the table for each i; the derivative adds repeats, ascending"},
    {.kind = OpKind::ScatterAdd,
     .name = "scatter_add",
     .arity = 2,
     .cls = OpClass::Indexed,
     .shape = scatter_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {NodeId(), g.make(OpKind::Gather, {a.cotangent, a.operands[0]})};
     },
     .saves = Saves::Operands,
     .indexing = Indexing::Scatters,
     .given_type = true,
     .doc = "a table whose row r is the sum, from +0, of the updates i with index[i] = r, "
            "ascending in i"},
    {.kind = OpKind::TakeAlong,
     .name = "take_along",
     .arity = 2,
     .cls = OpClass::Indexed,
     .attrs = kAxisAttrs,
     .shape = take_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       const TensorType type = g.type(a.operands[0]);
       return {g.make(OpKind::PutAlong, {a.operands[1], a.cotangent}, a.attrs, &type), NodeId()};
     },
     .saves = Saves::Operands,
     .indexing = Indexing::Gathers,
     .doc = "one element along `axis` for each of the other indices"},
    {.kind = OpKind::PutAlong,
     .name = "put_along",
     .arity = 2,
     .cls = OpClass::Indexed,
     .attrs = kAxisAttrs,
     .shape = put_shape,
     .differentiable = Differentiable::Yes,
     .vjp = [](G& g, const A& a) -> Cotangents {
       return {NodeId(), g.make(OpKind::TakeAlong, {a.cotangent, a.operands[0]}, a.attrs)};
     },
     .saves = Saves::Operands,
     .indexing = Indexing::Places,
     .given_type = true,
     .doc = "zeros but for the values at their index along `axis`"},
    {.kind = OpKind::CumulativeSum,
     .name = "cumulative_sum",
     .arity = 1,
     .cls = OpClass::Indexed,
     .attrs = kCumulativeAttrs,
     .shape = cumulative_shape,
     .differentiable = Differentiable::Yes,
     .vjp = cumulative_vjp,
     .doc = "sums of the elements up to each along `axis`, ascending; `exclusive` leaves out the "
            "element itself"},
};

}  // namespace

std::span<const OpDef> indexed_rows() { return kIndexedRows; }

}  // namespace gradus
