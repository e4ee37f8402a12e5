// Invariants of a graph, at every stage:
//   operands stand before their users; attributes are the row's; types are what the rows infer;
//   leaf names are unique within a kind; `of` names a node before;
//   results name existing nodes, updates a param or state of the same type;
//   accumulators are rank-0 floats, checks rank-0 i32; the loss has rank 0;
//   no result depends on a seed but through the cotangents of a custom vjp.
// Stage Joint and later: no derivative nodes, no seed leaves.
// Stage Ordered: every sum says its order; a sum in lanes reduces trailing fixed dimensions.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "graph/builder.h"
#include "graph/text.h"

namespace gradus {

namespace {

class Verifier {
 public:
  Verifier(const Graph& graph, Stage stage) : graph_(graph), stage_(stage) {}

  std::optional<GraphBreach> run() {
    for (size_t i = 0; i < graph_.size() && !problem_; ++i) check_node(NodeId(i));
    for (size_t i = 0; i < graph_.results.size() && !problem_; ++i) {
      check_result(graph_.results[i]);
      if (problem_) problem_->result = i;
    }
    return problem_;
  }

 private:
  void fail(NodeId id, const std::string& message) {
    if (!problem_) problem_ = GraphBreach{message, id, {}};
  }

  void check_node(NodeId id) {
    const Node& node = graph_[id];
    for (NodeId operand : node.operands) {
      if (!operand.valid() || operand.index() >= id.index())
        return fail(id, "an operand does not stand before it");
    }
    if (node.of.valid() && node.of.index() >= id.index()) {
      return fail(id, "`of` names no node before it");
    }
    check_attrs(id, node);
    if (problem_) return;
    check_type(id, node);
    check_leaf(id, node);
    if (stage_ >= Stage::Joint &&
        (op_def(node.op).cls == OpClass::Derivative || node.op == OpKind::Seed)) {
      fail(id, "a derivative node after differentiation");
    }
    const bool ordered = node.attrs.get_or<std::string>(AttrName::Order, "") != "";
    if (node.op == OpKind::Sum && (stage_ >= Stage::Ordered || ordered)) check_order(id, node);
    note_seed(id, node);
  }

  /// A seed stands for a cotangent; outside of the cotangents of a custom vjp there is none.
  void note_seed(NodeId id, const Node& node) {
    if (node.op == OpKind::Seed) free_seeds_.insert(id);
    if (free_seeds_.empty()) return;
    const bool own = node.op == OpKind::CustomVjp;
    const std::span<const NodeId> read(node.operands.data(), own ? 1 : node.operands.size());
    const auto is_free = [&](NodeId operand) { return free_seeds_.count(operand) > 0; };
    if (std::ranges::any_of(read, is_free)) free_seeds_.insert(id);
  }

  template <typename T>
  static bool holds(const AttrValue& value) {
    return std::holds_alternative<T>(value);
  }
  static bool is_of_its_type(AttrName name, const AttrValue& value) {
    switch (name) {
      case AttrName::Name:
      case AttrName::Order:
        return holds<std::string>(value);
      case AttrName::Value:
        return holds<double>(value);
      case AttrName::Values:
        return holds<std::vector<double>>(value);
      case AttrName::Dims:
      case AttrName::Perm:
      case AttrName::Start:
      case AttrName::Step:
      case AttrName::Low:
      case AttrName::High:
        return holds<std::vector<int64_t>>(value);
      case AttrName::Keep:
      case AttrName::Ta:
      case AttrName::Tb:
      case AttrName::Exclusive:
        return holds<bool>(value);
      case AttrName::Axis:
      case AttrName::Stream:
      case AttrName::Chunk:
        return holds<int64_t>(value);
    }
    return false;
  }

  /// Each attribute is one of the row's, once, of its type; none that the row needs is absent.
  void check_attrs(NodeId id, const Node& node) {
    const OpDef& def = op_def(node.op);
    size_t known = 0;
    for (const AttrSpec& spec : def.attrs) {
      const AttrValue* value = node.attrs.find(spec.name);
      if (!value && !spec.default_value)
        return fail(id, fmt::format("no attribute `{}`", attr_text(spec.name)));
      if (value && !is_of_its_type(spec.name, *value)) {
        return fail(id, fmt::format("attribute `{}` of another type", attr_text(spec.name)));
      }
      if (value) ++known;
    }
    if (known != node.attrs.items().size())
      fail(id, "an attribute that its operator does not have");
  }

  void check_type(NodeId id, const Node& node) {
    const ShapeResult type =
        infer_type(graph_, node.op, node.operands, node.attrs, &node.type, operands_);
    if (const auto* problem = std::get_if<ShapeProblem>(&type)) return fail(id, problem->message);
    if (std::get<TensorType>(type) != node.type) {
      fail(id, fmt::format("its type is {}, but it is {}", to_string(node.type),
                           to_string(std::get<TensorType>(type))));
    }
  }

  void check_leaf(NodeId id, const Node& node) {
    if (node.op != OpKind::Input && node.op != OpKind::Param && node.op != OpKind::State) return;
    if (!leaves_[node.op].insert(leaf_name(node)).second) fail(id, "two leaves of one name");
    if (node.op == OpKind::Input) return;
    variables_[leaf_name(node)] = &node.type;
  }

  void check_order(NodeId id, const Node& node) {
    const AttrValue* found = node.attrs.find(AttrName::Order);
    const std::string_view order = found ? std::get<std::string>(*found) : std::string_view();
    if (order != "lanes" && order != "chain") return fail(id, "no order of the sum");
    if (order == "chain") return;
    const std::vector<int64_t>& dims = node.attrs.integers(AttrName::Dims);
    const Shape& shape = graph_.type(node.operands[0]).shape;
    for (size_t i = 0; i < dims.size(); ++i) {
      size_t expected = shape.size() - dims.size() + i;
      if (static_cast<size_t>(dims[i]) != expected || shape[expected].batch) {
        return fail(id, "a sum in lanes over other than trailing fixed dimensions");
      }
    }
  }

  void check_result(const Result& result) {
    if (!result.value.valid() || result.value.index() >= graph_.size()) {
      problem_ = GraphBreach{fmt::format("result `{}` names no node", result.name), {}, {}};
      return;
    }
    if (free_seeds_.count(result.value) > 0) {
      return fail(result.value, "a result that a seed outside of a custom vjp makes");
    }
    const TensorType& type = graph_.type(result.value);
    if (!names_[result.kind].insert(result.name).second && result.kind != ResultKind::Value) {
      return fail(result.value, fmt::format("two results `{}`", result.name));
    }
    switch (result.kind) {
      case ResultKind::Value:
      case ResultKind::Output:
        return;
      case ResultKind::Loss:
      case ResultKind::AccumulateSum:
      case ResultKind::AccumulateMax:
      case ResultKind::AccumulateMin:
        if (!type.is_scalar() || !is_float(type.dtype))
          fail(result.value, "a loss or accumulator that is no rank-0 float");
        return;
      case ResultKind::AccumulateMoments:
        if (type != TensorType{DType::F64, {Dim::fixed(3)}})
          fail(result.value, "moments that are no f64[3]");
        return;
      case ResultKind::Check:
        if (!type.is_scalar() || type.dtype != DType::I32)
          fail(result.value, "a check that is no rank-0 i32");
        return;
      case ResultKind::Update:
        return check_update(result, type);
    }
  }

  /// The initialising graph has updates without leaves: it writes variables that nobody read.
  void check_update(const Result& result, const TensorType& type) {
    auto found = variables_.find(result.name);
    if (found != variables_.end() && *found->second != type) {
      fail(result.value, fmt::format("`{}` is {}, its update {}", result.name,
                                     to_string(*found->second), to_string(type)));
    }
  }

  const Graph& graph_;
  Stage stage_;
  std::optional<GraphBreach> problem_;
  std::vector<TensorType> operands_;  // types of those of the node at hand, memory used again
  std::map<OpKind, std::unordered_set<std::string_view>> leaves_;
  std::unordered_map<std::string_view, const TensorType*> variables_;
  std::set<NodeId> free_seeds_;  // values that a seed makes, but for custom vjps
  std::map<ResultKind, std::unordered_set<std::string_view>> names_;
};

}  // namespace

std::optional<GraphBreach> find_graph_breach(const Graph& graph, Stage stage) {
  return Verifier(graph, stage).run();
}

std::optional<std::string> verify_graph(const Graph& graph, Stage stage) {
  const std::optional<GraphBreach> breach = find_graph_breach(graph, stage);
  if (!breach) return std::nullopt;
  if (!breach->node.valid()) return breach->message;
  return fmt::format("node {} ({}): {}", breach->node.index(), op_def(graph[breach->node].op).name,
                     breach->message);
}

}  // namespace gradus
