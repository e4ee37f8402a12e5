// Nodes through their rows' shape rules, and the shorthands that rules and passes are written in.
#include "graph/builder.h"

#include <fmt/format.h>

#include <algorithm>

#include "support/check.h"

namespace gradus {

namespace {

/// The value as its type holds it: one bit pattern for what prints alike.
double held(DType dtype, double value) {
  if (dtype == DType::F32) return static_cast<double>(static_cast<float>(value));
  return dtype == DType::F64 ? value : value + 0.0;  // integers have no -0
}

void round_constant(DType dtype, Attrs& attrs) {
  if (const AttrValue* value = attrs.find(AttrName::Value)) {
    attrs.set(AttrName::Value, held(dtype, std::get<double>(*value)));
  }
  if (const AttrValue* value = attrs.find(AttrName::Values)) {
    std::vector<double> values = std::get<std::vector<double>>(*value);
    for (double& element : values) element = held(dtype, element);
    attrs.set(AttrName::Values, std::move(values));
  }
}

}  // namespace

ShapeResult infer_type(const Graph& graph, OpKind kind, std::span<const NodeId> operands,
                       const Attrs& attrs, const TensorType* given, std::vector<TensorType>& room) {
  const OpDef& def = op_def(kind);
  if (def.arity >= 0 && static_cast<size_t>(def.arity) != operands.size()) {
    return ShapeProblem{
        fmt::format("`{}` takes {} operands, found {}", def.name, def.arity, operands.size()), -1};
  }
  if (room.size() < operands.size()) room.resize(operands.size());
  for (size_t i = 0; i < operands.size(); ++i) room[i] = graph.type(operands[i]);
  return def.shape({room.data(), operands.size()}, attrs, given);
}

ShapeResult GraphBuilder::infer(OpKind kind, std::span<const NodeId> operands, const Attrs& attrs,
                                const TensorType* given) {
  return infer_type(*graph_, kind, operands, attrs, given, types_);
}

NodeId GraphBuilder::add(OpKind kind, TensorType type, std::vector<NodeId> operands, Attrs attrs) {
  // Named because it is the one node whose attributes are elements of its type.
  if (kind == OpKind::Constant) round_constant(type.dtype, attrs);
  return graph_->nodes.push_back(
      {kind, std::move(type), std::move(operands), std::move(attrs), span_, of_, scope_});
}

NodeId GraphBuilder::make(OpKind kind, std::vector<NodeId> operands, Attrs attrs,
                          const TensorType* given) {
  ShapeResult type = infer(kind, operands, attrs, given);
  if (const auto* problem = std::get_if<ShapeProblem>(&type)) {
    throw InternalError(fmt::format("{}: {}", op_def(kind).name, problem->message));
  }
  return add(kind, std::get<TensorType>(std::move(type)), std::move(operands), std::move(attrs));
}

NodeId GraphBuilder::copy(const Node& node, std::vector<NodeId> operands) {
  Node made = node;
  made.operands = std::move(operands);
  return graph_->nodes.push_back(std::move(made));
}

NodeId GraphBuilder::constant(TensorType type, double value) {
  return make(OpKind::Constant, {}, {{AttrName::Value, value}}, &type);
}

NodeId GraphBuilder::constant_like(NodeId like, double value) {
  return constant({type(like).dtype, {}}, value);
}

NodeId GraphBuilder::dense_constant(TensorType type, std::vector<double> values) {
  return make(OpKind::Constant, {}, {{AttrName::Values, std::move(values)}}, &type);
}

NodeId GraphBuilder::iota(TensorType type, int64_t axis) {
  return make(OpKind::Iota, {}, {{AttrName::Axis, axis}}, &type);
}

NodeId GraphBuilder::convert(NodeId x, DType to) {
  if (type(x).dtype == to) return x;
  TensorType result{to, type(x).shape};
  return make(OpKind::Convert, {x}, {}, &result);
}

NodeId GraphBuilder::reduce(OpKind kind, NodeId x, std::vector<int64_t> dims, bool keep) {
  std::sort(dims.begin(), dims.end());
  Attrs attrs{{AttrName::Dims, std::move(dims)}};
  if (keep) attrs.set(AttrName::Keep, true);
  return make(kind, {x}, std::move(attrs));
}

NodeId GraphBuilder::sum(NodeId x, std::vector<int64_t> dims, bool keep) {
  return dims.empty() ? x : reduce(OpKind::Sum, x, std::move(dims), keep);
}

NodeId GraphBuilder::matmul(NodeId a, NodeId b, bool ta, bool tb) {
  Attrs attrs;
  if (ta) attrs.set(AttrName::Ta, true);
  if (tb) attrs.set(AttrName::Tb, true);
  return make(OpKind::Matmul, {a, b}, std::move(attrs));
}

NodeId GraphBuilder::reshape(NodeId x, Shape shape) {
  if (type(x).shape == shape) return x;
  TensorType result{type(x).dtype, std::move(shape)};
  return make(OpKind::Reshape, {x}, {}, &result);
}

NodeId GraphBuilder::transpose(NodeId x, std::vector<int64_t> perm) {
  bool identity = perm.size() == type(x).rank();
  for (size_t i = 0; identity && i < perm.size(); ++i)
    identity = perm[i] == static_cast<int64_t>(i);
  if (identity) return x;
  return make(OpKind::Transpose, {x}, {{AttrName::Perm, std::move(perm)}});
}

NodeId GraphBuilder::broadcast(NodeId x, Shape shape) {
  if (type(x).shape == shape) return x;
  TensorType result{type(x).dtype, std::move(shape)};
  return make(OpKind::Broadcast, {x}, {}, &result);
}

NodeId GraphBuilder::reverse(NodeId x, size_t dim) {
  TensorType result = type(x);
  std::vector<int64_t> start(result.rank(), 0), step(result.rank(), 1);
  start[dim] = result.shape[dim].value - 1;
  step[dim] = -1;
  return make(OpKind::Slice, {x}, {{AttrName::Start, start}, {AttrName::Step, step}}, &result);
}

NodeId GraphBuilder::unbroadcast(NodeId x, const Shape& shape) {
  const Shape from = type(x).shape;
  if (from == shape) return x;
  size_t lead = from.size() - shape.size();
  std::vector<int64_t> dims;
  for (size_t i = 0; i < from.size(); ++i) {
    bool repeated = i < lead || (shape[i - lead].is_one() && !from[i].is_one());
    if (repeated) dims.push_back(static_cast<int64_t>(i));
  }
  return reshape(sum(x, std::move(dims)), shape);
}

NodeId GraphBuilder::count(NodeId x, const std::vector<int64_t>& dims) {
  Shape counted;
  for (int64_t dim : dims) counted.push_back(type(x).shape[static_cast<size_t>(dim)]);
  std::optional<Dim> product = checked_count(counted);
  GRADUS_CHECK(product, "too many elements to count");
  NodeId fixed = constant({DType::F32, {}}, static_cast<double>(product->value));
  if (!product->batch) return fixed;
  TensorType scalar{DType::F32, {}};
  NodeId rows = make(OpKind::BatchSize, {}, {}, &scalar);
  return product->value == 1 ? rows : mul(rows, fixed);
}

}  // namespace gradus
