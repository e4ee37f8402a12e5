// A call becomes a graph of its own: its arguments are inputs with the values they have in the model, its seed
// is one with random values. The cotangents meet the body's derivative in <seed, J d> = <cotangents, d>.
#include "pipeline/check_custom_vjps.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "autodiff/differentiate.h"
#include "autodiff/reverse.h"
#include "opt/dce.h"
#include "pipeline/random_data.h"

namespace gradus::pipeline {

namespace {

std::string name_of(const Node& node) {
  return node.attrs.get_or<std::string>(AttrName::Name, "");
}

/// Nodes that `roots` need; of a custom vjp its value alone where `values_only`.
IdVector<NodeId, bool> needed_by(const Graph& graph, const std::vector<NodeId>& roots, bool values_only) {
  IdVector<NodeId, bool> needed(graph.size());
  for (NodeId root : roots) needed[root] = true;
  for (size_t i = graph.size(); i-- > 0;) {
    const Node& node = graph[NodeId(i)];
    if (!needed[NodeId(i)]) continue;
    bool value = values_only && node.op == OpKind::CustomVjp;
    for (NodeId operand : node.operands) {
      needed[operand] = true;
      if (value) break;
    }
  }
  return needed;
}

bool hangs_on_a_seed(const Graph& graph, const std::vector<NodeId>& roots) {
  IdVector<NodeId, bool> needed = needed_by(graph, roots, true);
  for (size_t i = 0; i < graph.size(); ++i) {
    if (needed[NodeId(i)] && graph[NodeId(i)].op == OpKind::Seed) return true;
  }
  return false;
}

/// The graph with other results, without derivative nodes; nothing where a derivative does not exist.
std::optional<Graph> with_results(Graph graph, const std::vector<NodeId>& results) {
  graph.results.clear();
  for (NodeId id : results) graph.results.push_back({ResultKind::Value, "", id});
  opt::dce(graph);  // what hung on the inputs that were made has no derivative now
  std::vector<autodiff::DerivativeProblem> problems;
  autodiff::differentiate(graph, problems);
  if (!problems.empty()) return std::nullopt;
  return graph;
}

void make_input(Graph& graph, NodeId id, const std::string& name) {
  Node& node = graph[id];
  node.op = OpKind::Input;
  node.operands.clear();
  node.attrs = {{AttrName::Name, name}};
}

/// One call of a function with a custom vjp.
class OwnCall {
 public:
  OwnCall(const Graph& source, const Node& node, const Environment<double>& leaves, const EvalContext& context)
      : source_(source), context_(context), leaves_(leaves), result_(node.operands[0]), seed_(node.operands[1]) {
    autodiff::CustomVjpParts parts = autodiff::custom_vjp_parts(node);
    arguments_.assign(parts.arguments.begin(), parts.arguments.end());
    cotangents_.assign(parts.cotangents.begin(), parts.cotangents.end());
  }

  bool agrees() {
    if (hangs_on_a_seed(source_, arguments_)) return true;  // a call inside another's derivative
    if (!take_arguments()) return true;
    Graph alone = source_;
    for (size_t i = 0; i < arguments_.size(); ++i) make_input(alone, arguments_[i], argument(i));
    make_input(alone, seed_, kSeed);
    std::optional<Graph> value = with_results(alone, {result_}), slopes = with_results(alone, cotangents_);
    return !value || !slopes || compare(*value, *slopes);
  }

 private:
  static constexpr const char* kSeed = "own.seed";
  static std::string argument(size_t i) { return fmt::format("own.argument.{}", i); }

  Array<double> random(const std::vector<int64_t>& sizes) {
    Array<double> out{DType::F32, sizes, {}, {}};
    for (int64_t i = 0; i < out.count(); ++i) out.floats.push_back(2 * random_.uniform() - 1);
    return out;
  }

  /// The values that the arguments have in the model.
  bool take_arguments() {
    std::optional<Graph> graph = with_results(source_, arguments_);
    if (!graph) return false;
    auto values = eval<double>(*graph, leaves_, context_);
    for (size_t i = 0; i < arguments_.size(); ++i) leaves_[argument(i)] = values[graph->results[i].value];
    return true;
  }

  bool compare(const Graph& value, const Graph& slopes) {
    std::vector<int64_t> sizes;
    for (const Dim& dim : source_.type(result_).shape) sizes.push_back(dim.at(context_.n));
    leaves_[kSeed] = random(sizes);
    auto given = eval<double>(slopes, leaves_, context_);
    constexpr int kDirections = 4;
    for (int round = 0; round < kDirections; ++round) {
      std::map<std::string, Array<double>> directions;
      double by_function = 0;
      for (size_t i = 0; i < arguments_.size(); ++i) {
        const Array<double>& at = leaves_[argument(i)];
        const Array<double>& direction = directions[argument(i)] = random(at.sizes);
        const Array<double>& cotangent = given[slopes.results[i].value];
        for (size_t k = 0; k < direction.floats.size(); ++k) by_function += cotangent.floats[k] * direction.floats[k];
      }
      double by_body = along(value, directions);
      if (std::abs(by_body - by_function) > 1e-6 * (1 + std::abs(by_body))) return false;
    }
    return true;
  }

  /// <seed, J d> of the body.
  double along(const Graph& value, const std::map<std::string, Array<double>>& directions) {
    Environment<Dual> duals;
    for (const auto& [name, array] : leaves_) {
      Array<Dual>& to = duals[name];
      to.dtype = array.dtype;
      to.sizes = array.sizes;
      to.integers = array.integers;
      auto direction = directions.find(name);
      for (size_t k = 0; k < array.floats.size(); ++k) {
        to.floats.push_back({array.floats[k], direction == directions.end() ? 0 : direction->second.floats[k]});
      }
    }
    auto values = eval<Dual>(value, duals, context_);
    const Array<Dual>& result = values[value.results[0].value];
    double sum = 0;
    for (size_t k = 0; k < result.floats.size(); ++k) sum += leaves_[kSeed].floats[k] * result.floats[k].tangent;
    return sum;
  }

  const Graph& source_;
  const EvalContext& context_;
  Environment<double> leaves_;
  NodeId result_, seed_;
  std::vector<NodeId> arguments_, cotangents_;
  Random random_{5};
};

bool has(const std::vector<CustomVjp>& list, const std::string& name) {
  return std::any_of(list.begin(), list.end(), [&](const CustomVjp& own) { return own.name == name; });
}

}  // namespace

std::vector<CustomVjp> list_custom_vjps(const Graph& source) {
  std::vector<CustomVjp> list;
  for (const Node& node : source.nodes) {
    if (node.op == OpKind::CustomVjp && !has(list, name_of(node))) list.push_back({name_of(node), node.span});
  }
  return list;
}

std::vector<CustomVjp> find_wrong_custom_vjps(const Graph& source, const Environment<double>& leaves,
                                      const EvalContext& context) {
  std::vector<CustomVjp> wrong;
  for (const Node& node : source.nodes) {
    if (node.op != OpKind::CustomVjp || has(wrong, name_of(node))) continue;
    if (!OwnCall(source, node, leaves, context).agrees()) wrong.push_back({name_of(node), node.span});
  }
  return wrong;
}

std::set<std::string> parameters_through(const Graph& source, const std::vector<std::string>& trusted) {
  std::vector<NodeId> roots;
  for (const Result& result : source.results) {
    if (result.kind == ResultKind::Loss) roots.push_back(result.value);
  }
  IdVector<NodeId, bool> of_loss = needed_by(source, roots, false);
  roots.clear();
  for (size_t i = 0; i < source.size(); ++i) {
    const Node& node = source[NodeId(i)];
    bool listed = std::find(trusted.begin(), trusted.end(), name_of(node)) != trusted.end();
    if (node.op == OpKind::CustomVjp && of_loss[NodeId(i)] && listed) roots.push_back(NodeId(i));
  }
  IdVector<NodeId, bool> before = needed_by(source, roots, false);
  std::set<std::string> paths;
  for (size_t i = 0; i < source.size(); ++i) {
    if (before[NodeId(i)] && source[NodeId(i)].op == OpKind::Param) paths.insert(leaf_name(source[NodeId(i)]));
  }
  return paths;
}

}  // namespace gradus::pipeline
