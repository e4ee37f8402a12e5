// Elements one at a time: constants are few and small.
#include "opt/fold_constants.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "graph/rewrite.h"
#include "scalar/scalar_concrete.h"

namespace gradus::opt {

namespace {

constexpr int64_t kMaxElements = 4096;              // of a dense result
constexpr double kMaxInteger = 9007199254740992.0;  // 2^53: attributes hold doubles

/// A constant's elements: one for all, or each.
struct Elements {
  TensorType type;
  std::vector<double> values;  // one where all are equal

  bool splat() const { return values.size() == 1; }
};

std::optional<Elements> elements_of(const Graph& graph, NodeId id) {
  const Node& node = graph[id];
  if (node.op == OpKind::Broadcast && graph.type(node.operands[0]).is_scalar()) {
    return elements_of(graph, node.operands[0]);
  }
  if (node.op != OpKind::Constant) return std::nullopt;
  if (node.attrs.find(AttrName::Values)) {
    return Elements{node.type, node.attrs.get<std::vector<double>>(AttrName::Values)};
  }
  return Elements{node.type, {node.attrs.get_or<double>(AttrName::Value, 0)}};
}

using Exact = ConcreteBuilder<float>;

double lane(Exact& builder, Scalar x) {
  return visit_dtype(x.dtype, [&](auto type) {
    return static_cast<double>(*builder.lanes<typename decltype(type)::type>(x));
  });
}

/// The operator on one element of each operand.
double apply(const Node& node, const std::vector<Elements>& operands,
             const std::vector<size_t>& places) {
  Exact builder;
  builder.reset(1);
  std::vector<Scalar> args;
  for (size_t i = 0; i < operands.size(); ++i) {
    args.push_back(builder.constant(operands[i].type.dtype, operands[i].values[places[i]]));
  }
  return lane(builder, op_def(node.op).scalar(builder, args, node.type.dtype));
}

/// The element of an operand that stands at element `index` of the result.
size_t place_in(const TensorType& operand, const Shape& result, int64_t index) {
  std::vector<int64_t> strides = dense_strides(operand.shape, 1);
  size_t lead = result.size() - operand.rank();
  int64_t place = 0;
  for (size_t i = result.size(); i-- > 0;) {
    int64_t at = index % result[i].value;
    index /= result[i].value;
    if (i >= lead && !operand.shape[i - lead].is_one()) place += at * strides[i - lead];
  }
  return static_cast<size_t>(place);
}

bool fits(const Node& node, const std::vector<double>& values) {
  if (is_float(node.type.dtype)) return true;
  for (double value : values) {
    if (std::abs(value) >= kMaxInteger) return false;
  }
  return true;
}

std::vector<double> fold_dense(const Node& node, const std::vector<Elements>& operands) {
  int64_t count = element_count(node.type.shape, 1);
  std::vector<double> values;
  for (int64_t index = 0; index < count; ++index) {
    std::vector<size_t> places;
    for (const Elements& operand : operands) {
      places.push_back(operand.splat() ? 0 : place_in(operand.type, node.type.shape, index));
    }
    values.push_back(apply(node, operands, places));
  }
  return values;
}

bool has_batch(const Shape& shape) {
  for (const Dim& dim : shape) {
    if (dim.batch) return true;
  }
  return false;
}

/// The elements of the result; nothing where the node is not folded.
std::optional<std::vector<double>> fold(const Graph& graph, const Node& node) {
  if (op_def(node.op).cls != OpClass::Pointwise || node.op == OpKind::StopGradient) {
    return std::nullopt;
  }
  std::vector<Elements> operands;
  bool splat = true;
  for (NodeId id : node.operands) {
    std::optional<Elements> elements = elements_of(graph, id);
    if (!elements || !fits(graph[id], elements->values)) return std::nullopt;
    splat &= elements->splat();
    operands.push_back(std::move(*elements));
  }
  std::vector<double> values;
  if (splat) {
    values.push_back(apply(node, operands, std::vector<size_t>(operands.size(), 0)));
  } else {
    if (has_batch(node.type.shape) || element_count(node.type.shape, 1) > kMaxElements) {
      return std::nullopt;
    }
    values = fold_dense(node, operands);
  }
  if (!fits(node, values)) return std::nullopt;
  return values;
}

NodeId make_constant(GraphBuilder& builder, const TensorType& type, std::vector<double> values) {
  if (values.size() > 1) return builder.dense_constant(type, std::move(values));
  NodeId scalar = builder.constant({type.dtype, {}}, values[0]);
  return type.is_scalar() ? scalar : builder.broadcast(scalar, type.shape);
}

}  // namespace

bool fold_constants(Graph& graph) {
  // Where no node folds as it stands, none does after another.
  const bool any = std::ranges::any_of(
      graph.nodes, [&](const Node& node) { return fold(graph, node).has_value(); });
  if (!any) return false;
  Rewriter rewrite(std::move(graph));
  for (NodeId id : rewrite.order()) {
    Node node = rewrite.translated(id);
    if (std::optional<std::vector<double>> values = fold(rewrite.graph(), node)) {
      rewrite.replace(id, make_constant(rewrite.builder_at(id), node.type, std::move(*values)));
    } else {
      rewrite.keep(id, std::move(node));
    }
  }
  graph = rewrite.finish();
  return true;
}

}  // namespace gradus::opt
