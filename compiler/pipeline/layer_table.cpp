// Every node knows the calls it came from (its scope). Rows are made of the graph as elaborated,
// and nodes of all later stages find their row by scope: scopes are never renumbered.
#include "pipeline/layer_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "lang/functions.h"
#include "pipeline/describe.h"
#include "plan/kept_buffers.h"

namespace gradus::pipeline {

namespace {

/// The row of each scope; nodes without a scope are the model's own.
class LayerRows {
 public:
  LayerRows(const Graph& graph, const lang::Model& model, const SourceMap& sources)
      : graph_(graph), model_(model), sources_(sources) {
    for (size_t i = 0; i < graph.scopes.size(); ++i) rows_of_scopes_.push_back(row_key(i));
    number_equal_names();
  }

  size_t row_of(const Node& node) {
    const int32_t key = node.scope < 0 ? kModel : rows_of_scopes_[static_cast<size_t>(node.scope)];
    const auto [place, added] = row_of_key_.emplace(key, rows.size());
    if (added) rows.push_back({.name = name_of(key), .type = std::nullopt, .kept = {}});
    return place->second;
  }

  std::vector<Layer> rows;

 private:
  static constexpr int32_t kModel = -1, kOptimizer = -2;

  const Scope& scope(int32_t id) const { return graph_.scopes[static_cast<size_t>(id)]; }

  /// Files of the library are named so by the loader.
  bool in_library(Span span) const {
    return span.valid() && sources_.file(span.file).name.starts_with("<library>/");
  }

  /// The innermost scope on the way to `id` whose call stands in the user's files.
  int32_t row_key(size_t id) const {
    auto key = static_cast<int32_t>(id);
    for (auto at = key; at >= 0; at = scope(at).parent) {
      if (in_library(scope(at).call)) key = scope(at).parent;
      if (scope(at).parent < 0 && updates_a_variable(scope(at).name)) return kOptimizer;
    }
    return key;
  }

  /// Calls of the optimizer are named after the parameter: "hidden.w.adam".
  bool updates_a_variable(const std::string& name) const {
    return std::ranges::any_of(model_.variables, [&](const lang::Variable& variable) {
      return name.size() > variable.path.size() && name.starts_with(variable.path) &&
             name[variable.path.size()] == '.';
    });
  }

  /// Rounds of a `repeat` are calls of one name: "block.0", "block.1".
  void number_equal_names() {
    std::map<std::pair<int32_t, std::string>, std::vector<int32_t>> equal;
    for (size_t i = 0; i < graph_.scopes.size(); ++i) {
      const Scope& each = graph_.scopes[i];
      names_.push_back(each.name);
      equal[{each.parent, each.name}].push_back(static_cast<int32_t>(i));
    }
    for (const auto& [name, ids] : equal) {
      for (size_t k = 0; ids.size() > 1 && k < ids.size(); ++k) {
        names_[static_cast<size_t>(ids[k])] += fmt::format(".{}", k);
      }
    }
  }

  std::string name_of(int32_t key) const {
    if (key == kModel) return model_.name;
    if (key == kOptimizer) return "optimizer";
    std::string path;
    for (; key >= 0; key = scope(key).parent) {
      const std::string& name = names_[static_cast<size_t>(key)];
      path = path.empty() ? name : name + "." + path;
    }
    return path;
  }

  const Graph& graph_;
  const lang::Model& model_;
  const SourceMap& sources_;
  std::vector<int32_t> rows_of_scopes_;
  std::vector<std::string> names_;
  std::map<int32_t, size_t> row_of_key_;
};

/// A derivative that is asked for is no value of a layer, and its reading y is no use of it: this
/// one kind stands for nodes that are not there yet.
bool is_derivative(const Node& node) { return node.op == OpKind::Gradient; }

/// Parameters by the call that made them; the type of a row is that of its last value which another
/// row or a result reads.
void describe_rows(const Graph& graph, LayerRows& rows) {
  std::vector<size_t> row_of_node;
  for (const Node& node : graph.nodes) row_of_node.push_back(rows.row_of(node));
  const auto hands_on = [&](NodeId id) {
    if (op_def(graph[id].op).cls != OpClass::Leaf && !is_derivative(graph[id]))
      rows.rows[row_of_node[id.index()]].type = graph.type(id);
  };
  std::set<NodeId> read_elsewhere;
  for (size_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph[NodeId(i)];
    if (node.op == OpKind::Param) {
      rows.rows[row_of_node[i]].parameters += element_count(node.type.shape, 1);
    }
    if (is_derivative(node)) continue;
    for (NodeId operand : node.operands) {
      if (row_of_node[operand.index()] != row_of_node[i]) read_elsewhere.insert(operand);
    }
  }
  for (const Result& result : graph.results) {
    if (result.kind != ResultKind::Update) read_elsewhere.insert(result.value);
  }
  for (NodeId id : read_elsewhere) hands_on(id);
}

void add_flop(const Compiled& compiled, LayerRows& rows) {
  for (const plan::Launch& launch : compiled.program.launches) {
    const Node nowhere;
    const std::optional<NodeId> dearest = dearest_node(compiled.ordered, launch);
    const size_t row = rows.row_of(dearest ? compiled.ordered[*dearest] : nowhere);
    rows.rows[row].flop += compiled.program.kernels[launch.kernel].cost.flop();
  }
}

/// Bytes as the plan's program has them, without the padding behind them.
void add_kept(const Compiled& compiled, LayerRows& rows, size_t column, BatchMemory& memory) {
  for (plan::BufferId id : plan::buffers_kept_for_backward(compiled.program)) {
    const plan::Buffer& buffer = compiled.program.buffers[id];
    std::vector<int64_t>& kept = rows.rows[rows.row_of(compiled.ordered[buffer.value])].kept;
    kept.resize(std::max(kept.size(), column + 1), 0);
    kept[column] += buffer.bytes;
    memory.kept += buffer.bytes;
  }
}

void add_variables(const lang::Model& model, LayerTable& table) {
  for (const lang::Variable& variable : model.variables) {
    const int64_t bytes = byte_size(variable.type, 1);
    (variable.of_optimizer ? table.optimizer_bytes : table.variable_bytes) += bytes;
    if (!variable.is_state) table.parameters += element_count(variable.type.shape, 1);
  }
}

/// Whether the row is of a function like `reshape` that the language itself has: it is told where
/// it costs or keeps something.
bool is_built_in(const std::string& row) {
  static const std::set<std::string> names = [] {
    std::set<std::string> out;
    for (const lang::FunctionEntry& entry : lang::function_entries()) {
      if (entry.text.empty()) out.insert(entry.name);
    }
    return out;
  }();
  std::string name = row;
  const size_t round = name.find_last_not_of("0123456789");
  if (round != std::string::npos && name[round] == '.') name.resize(round);
  return names.contains(name.substr(name.rfind('.') + 1));
}

bool is_empty(const Layer& layer) {
  const bool keeps = std::ranges::any_of(layer.kept, [](int64_t bytes) { return bytes > 0; });
  return layer.parameters == 0 && layer.flop == 0 && !keeps;
}

}  // namespace

std::optional<LayerTable> make_layer_table(const lang::Model& model, const SourceMap& sources,
                                           const std::vector<int64_t>& batches,
                                           const Target& target, DiagEngine& diags) {
  LayerTable table{.trains = model.has_loss, .predicts = !model.outputs.empty()};
  add_variables(model, table);
  const Function shown = table.trains ? Function::Train : Function::Predict;
  LayerRows rows(function_graph(model, shown), model, sources);
  describe_rows(function_graph(model, shown), rows);
  const auto own = std::ranges::find(batches, capacity_of(model, std::nullopt));
  table.rows = own == batches.end() ? batches.front() : *own;
  std::vector<Function> functions;
  if (table.trains) functions.push_back(Function::Train);
  if (table.predicts) functions.push_back(Function::Predict);
  for (size_t column = 0; column < batches.size(); ++column) {
    CompileOptions options;
    options.capacity = batches[column];
    const std::optional<CompiledModel> lowered =
        lower_model(model, functions, target, options, diags);
    if (!lowered) return std::nullopt;
    BatchMemory memory{.batch = batches[column]};
    if (table.trains) {
      const Compiled& training = lowered->get(Function::Train);
      memory.training_arena = training.plan.arena_bytes;
      memory.training_scratch = training.plan.worker_bytes;
      add_kept(training, rows, column, memory);
    }
    if (table.predicts) {
      const plan::Plan& plan = lowered->get(Function::Predict).plan;
      memory.prediction_arena = plan.arena_bytes;
      memory.prediction_scratch = plan.worker_bytes;
    }
    if (batches[column] == table.rows && lowered->has(shown)) add_flop(lowered->get(shown), rows);
    table.memory.push_back(memory);
  }
  for (Layer& layer : rows.rows) {
    layer.kept.resize(batches.size(), 0);
    // A schedule of the optimizer is a call, too, but hands on a number.
    const bool is_layer = layer.name != model.name && layer.type && layer.type->rank() > 0 &&
                          !is_built_in(layer.name);
    if (is_layer || !is_empty(layer)) table.layers.push_back(std::move(layer));
  }
  return table;
}

}  // namespace gradus::pipeline
