// How one member becomes statements: pointwise rows as they are, layout and indexed rows as guarded
// or addressed loads.
//
// Layout rows move nothing. Reshape, transpose, broadcast and slice are read through a view; pads
// and joins become a load under a guard, so that what lies outside is never read:
//
//     pad x by 2 below            concat(x, y)
//     i:  0 1 2 3 4 5             i:  0 1 2 3 4
//         0 0 x x x x                 x x x y y        select(i < 3, x[i], y[i-3])
//         guard 2 <= i, x[i-2]
#include <fmt/format.h>

#include "graph/op.h"
#include "kernel/build/kernel_builder.h"
#include "support/check.h"

namespace gradus::kernel {

Operand KernelBuilder::emit(NodeId member, const Point& point) {
  const Node& node = (*graph_)[member];
  if (op_def(node.op).cost == CostClass::Moves) {
    const bool crossing = node.op == OpKind::Reshape && dimensions_cross(*graph_, member);
    return crossing ? emit_crossing(member, point) : operand_of(member, 0, point);
  }
  // Rows that are no arithmetic have loads and guards of their own; everything else is a statement
  // with the row's name.
  switch (node.op) {
    case OpKind::Pad:
      return emit_pad(member, point);
    case OpKind::Concat:
      return emit_concat(member, point);
    case OpKind::Gather:
      return emit_gather(member, point);
    case OpKind::TakeAlong:
      return emit_take_along(member, point);
    case OpKind::PutAlong:
      return emit_put_along(member, point);
    default:
      break;
  }
  GRADUS_CHECK(op_def(node.op).cls == OpClass::Pointwise,
               fmt::format("{} is bound before it is read", names_[member]));
  std::vector<Operand> operands;
  for (size_t k = 0; k < node.operands.size(); ++k) {
    operands.push_back(operand_of(member, k, point));
  }
  return let(node.op, std::move(operands), node.type.dtype);
}

std::vector<Index> KernelBuilder::coordinates(NodeId member, const Point& point) {
  std::vector<Index> indices;
  for (size_t dim = 0; dim < graph_->type(member).rank(); ++dim) {
    const auto map = coordinate_map(*graph_, space_, member, dim);
    GRADUS_CHECK(map.has_value(), fmt::format("{} has coordinates", names_[member]));
    indices.push_back(at(*map, point));
  }
  return indices;
}

/// low <= index < high, as a bool.
Operand KernelBuilder::between(const Index& index, int64_t low, int64_t high) {
  const Operand value = index_of(index);
  const auto constant = [](int64_t bound) {
    return constant_operand(DType::I32, static_cast<double>(bound));
  };
  const Operand below = let(OpKind::Less, {value, constant(high)}, DType::Bool);
  if (low <= 0) return below;
  const Operand above = let(OpKind::LessEqual, {constant(low), value}, DType::Bool);
  return let(OpKind::And, {above, below}, DType::Bool);
}

/// A reshape whose dimensions cross: the old indices are divided out of the element's number.
Operand KernelBuilder::emit_crossing(NodeId member, const Point& point) {
  const View view = resolve_view(*graph_, (*graph_)[member].operands[0]);
  const Operand number = index_of(at(own_map(*graph_, space_, member), point));
  const auto constant = [](int64_t value) {
    return constant_operand(DType::I32, static_cast<double>(value));
  };
  std::vector<Index> indices(view.extents.size());
  int64_t stride = 1;
  for (size_t d = view.extents.size(); d-- > 0;) {
    const Dim extent = view.extents[d];
    if (extent.is_one()) continue;
    Operand index = let(OpKind::IntDiv, {number, constant(stride)}, DType::I32);
    if (!extent.batch) index = let(OpKind::Mod, {index, constant(extent.value)}, DType::I32);
    indices[d] = loaded_index(index);
    stride *= extent.value;
  }
  return read(view, indices);
}

Operand KernelBuilder::emit_pad(NodeId member, const Point& point) {
  const Node& node = (*graph_)[member];
  const View view = resolve_view(*graph_, node.operands[0]);
  const auto& low = node.attrs.integers(AttrName::Low);
  std::vector<Index> indices = coordinates(member, point);
  Operand inside;
  for (size_t dim = 0; dim < indices.size(); ++dim) {
    if (view.extents[dim] == node.type.shape[dim]) continue;
    const int64_t high = low[dim] + view.extents[dim].value;
    const bool to_end = high == node.type.shape[dim].value;
    Operand here;
    if (to_end) {
      here =
          let(OpKind::LessEqual,
              {constant_operand(DType::I32, static_cast<double>(low[dim])), index_of(indices[dim])},
              DType::Bool);
    } else {
      here = between(indices[dim], low[dim], high);
    }
    inside = inside.value.valid() ? let(OpKind::And, {inside, here}, DType::Bool) : here;
    indices[dim].affine = plus(indices[dim].affine, Affine::of(-low[dim]));
  }
  const double default_value = node.attrs.get_or<double>(AttrName::Value, 0.0);
  return guarded(view, indices, inside, node.type.dtype, default_value);
}

Operand KernelBuilder::read(const View& view, const std::vector<Index>& indices) {
  if (!is_buffer((*graph_)[view.source])) {
    AccessMap map{view.strides, view.offset};
    if ((*graph_)[view.source].op == OpKind::Iota) map = along_iota((*graph_)[view.source], map);
    return read(view.source, map, indices);
  }
  return load(access(view, SlotDir::In, indices));
}

/// The element of a view, or `default_value` where the condition fails: then it is not read.
Operand KernelBuilder::guarded(const View& view, const std::vector<Index>& indices,
                               const Operand& inside, DType dtype, double default_value) {
  if (!inside.value.valid()) return read(view, indices);
  if (is_buffer((*graph_)[view.source])) {
    return load(access(view, SlotDir::In, indices), inside.value, default_value);
  }
  const Operand value = read(view, indices);
  return let(OpKind::Select, {inside, value, constant_operand(dtype, default_value)}, dtype);
}

Operand KernelBuilder::emit_concat(NodeId member, const Point& point) {
  const Node& node = (*graph_)[member];
  const size_t axis = static_cast<size_t>(node.attrs.integer(AttrName::Axis));
  const std::vector<Index> indices = coordinates(member, point);
  Operand result;
  int64_t begin = 0;
  for (size_t k = 0; k < node.operands.size(); ++k) {
    const View view = resolve_view(*graph_, node.operands[k]);
    const int64_t end = begin + view.extents[axis].value;
    const Operand inside = between(indices[axis], begin, end);
    std::vector<Index> part = indices;
    part[axis].affine = plus(part[axis].affine, Affine::of(-begin));
    const Operand here = guarded(view, part, inside, node.type.dtype, 0);
    result = k == 0 ? here : let(OpKind::Select, {inside, here, result}, node.type.dtype);
    begin = end;
  }
  return result;
}

/// A loaded index as an i32 without constant.
Index KernelBuilder::loaded_index(const Operand& index) {
  if (!index.value.valid()) {
    return {Affine::of(static_cast<int64_t>(index.constant)), ValueId()};
  }
  return {Affine::of(int64_t{0}), index.value};
}

/// x[o, index, i]: the table is a buffer; the index may come from anywhere.
Operand KernelBuilder::emit_gather(NodeId member, const Point& point) {
  const Node& node = (*graph_)[member];
  const View table = resolve_view(*graph_, node.operands[0]);
  const auto axis = node.attrs.get_or<int64_t>(AttrName::Axis, 0);
  const int64_t picked = static_cast<int64_t>(graph_->type(node.operands[1]).rank());
  std::vector<Index> indices = coordinates(member, point);
  const auto first = indices.begin() + axis;
  indices.erase(first, first + picked);
  indices.insert(indices.begin() + axis, loaded_index(operand_of(member, 1, point)));
  return read(table, indices);
}

/// x[o, index, i]; where x is a member it is computed at that one column.
Operand KernelBuilder::emit_take_along(NodeId member, const Point& point) {
  const Node& node = (*graph_)[member];
  const View source = resolve_view(*graph_, node.operands[0]);
  const Index picked = loaded_index(operand_of(member, 1, point));
  if (is_member(source.source)) {
    Point there = point;
    for (size_t j = 0; j < there.size(); ++j) {
      if (space_.folded[j]) there[j] = picked;
    }
    return value_of(source.source, there);
  }
  std::vector<Index> indices = coordinates(member, point);
  indices.insert(indices.begin() + node.attrs.integer(AttrName::Axis), picked);
  return read(source, indices);
}

/// Written where it is read: an element is the value if its coordinate is the index, else 0. So the
/// gradient of take_along needs no scatter, and fuses like any pointwise row.
Operand KernelBuilder::emit_put_along(NodeId member, const Point& point) {
  const Node& node = (*graph_)[member];
  const size_t axis = static_cast<size_t>(node.attrs.integer(AttrName::Axis));
  const auto map = coordinate_map(*graph_, space_, member, axis);
  const Operand number = operand_of(member, 0, point);
  Operand here = index_of(at(*map, point));
  if (number.dtype != DType::I32) here = let(OpKind::Convert, {here}, number.dtype);
  const Operand hit = let(OpKind::Equal, {here, number}, DType::Bool);
  const DType dtype = node.type.dtype;
  return let(OpKind::Select, {hit, operand_of(member, 1, point), constant_operand(dtype, 0)},
             dtype);
}

}  // namespace gradus::kernel
