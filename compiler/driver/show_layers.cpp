// gradus show MODEL.grad: one line for each layer, and training beside prediction in bytes for
// several batches.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "driver/session.h"
#include "pipeline/layer_table.h"
#include "runtime/print.h"

namespace gradus::driver {

namespace {

using pipeline::BatchMemory;
using pipeline::Layer;
using pipeline::LayerTable;

/// Cells of one width for each column; the first `left` columns begin at the left.
class TextTable {
 public:
  explicit TextTable(size_t left) : left_(left) {}

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text() const {
    std::vector<size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()), 0);
      for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line;
      for (size_t i = 0; i < row.size(); ++i) {
        if (i > 0) line += "  ";
        line += i < left_ ? fmt::format("{:{}}", row[i], widths[i])
                          : fmt::format("{:>{}}", row[i], widths[i]);
      }
      out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    }
    return out;
  }

 private:
  size_t left_;
  std::vector<std::vector<std::string>> rows_;
};

/// 1,048,576
std::string grouped(int64_t number) {
  std::string digits = std::to_string(number);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

std::string grouped(double number) { return grouped(static_cast<int64_t>(number)); }

/// The model's batch between one row and many, unless they are given; each once, ascending.
std::vector<int64_t> chosen_batches(const Options& options, const lang::Model& model) {
  if (!model.has_batch) return {1};
  std::set<int64_t> batches(options.batches.begin(), options.batches.end());
  if (batches.empty()) batches = {1, pipeline::capacity_of(model, std::nullopt), 1024};
  return {batches.begin(), batches.end()};
}

std::string layers_text(const LayerTable& table) {
  TextTable text(2);
  std::vector<std::string> head = {"layer", "shape", "parameters", "FLOP"};
  for (const BatchMemory& memory : table.memory) {
    if (table.trains) head.push_back(fmt::format("kept at {}", memory.batch));
  }
  text.add(std::move(head));
  double flop = 0;
  for (const Layer& layer : table.layers) {
    flop += layer.flop;
    std::vector<std::string> row = {layer.name, layer.type ? to_string(*layer.type) : "",
                                    grouped(layer.parameters), grouped(layer.flop)};
    for (int64_t bytes : layer.kept) {
      if (table.trains) row.push_back(grouped(bytes));
    }
    text.add(std::move(row));
  }
  std::vector<std::string> total = {"total", "", grouped(table.parameters), grouped(flop)};
  for (const BatchMemory& memory : table.memory) {
    if (table.trains) total.push_back(grouped(memory.kept));
  }
  text.add(std::move(total));
  return text.text();
}

int64_t training_bytes(const LayerTable& table, const BatchMemory& memory) {
  return table.variable_bytes + table.optimizer_bytes + memory.training_arena +
         memory.training_scratch;
}

int64_t prediction_bytes(const LayerTable& table, const BatchMemory& memory) {
  return table.variable_bytes + memory.prediction_arena + memory.prediction_scratch;
}

std::string memory_text(const LayerTable& table) {
  TextTable text(1);
  const auto add = [&](const std::string& name, auto value_of) {
    std::vector<std::string> row = {name};
    for (const BatchMemory& memory : table.memory) row.push_back(value_of(memory));
    text.add(std::move(row));
  };
  const auto add_bytes = [&](const std::string& name, auto bytes_of) {
    add(name, [&](const BatchMemory& memory) { return grouped(bytes_of(memory)); });
  };
  add("bytes at batch", [](const BatchMemory& memory) { return std::to_string(memory.batch); });
  if (table.trains) {
    add_bytes("training: kept for the backward pass", [](const BatchMemory& m) { return m.kept; });
    add_bytes("  arena", [](const BatchMemory& m) { return m.training_arena; });
    add_bytes("  scratch of a thread", [](const BatchMemory& m) { return m.training_scratch; });
    add_bytes("  with weights and optimizer state",
              [&](const BatchMemory& m) { return training_bytes(table, m); });
  }
  if (table.predicts) {
    add_bytes("prediction: arena", [](const BatchMemory& m) { return m.prediction_arena; });
    add_bytes("  scratch of a thread", [](const BatchMemory& m) { return m.prediction_scratch; });
    add_bytes("  with weights", [&](const BatchMemory& m) { return prediction_bytes(table, m); });
  }
  if (table.trains && table.predicts) {
    add("training over prediction", [&](const BatchMemory& m) {
      const int64_t prediction = prediction_bytes(table, m);
      return prediction == 0 ? std::string("-")
                             : fmt::format("{:.2f}", static_cast<double>(training_bytes(table, m)) /
                                                         static_cast<double>(prediction));
    });
  }
  return text.text();
}

nlohmann::json to_json(const lang::Model& model, const LayerTable& table) {
  nlohmann::json layers = nlohmann::json::array(), memory = nlohmann::json::array();
  for (const Layer& layer : table.layers) {
    layers.push_back({{"name", layer.name},
                      {"shape", layer.type ? to_string(*layer.type) : ""},
                      {"parameters", layer.parameters},
                      {"flop", layer.flop},
                      {"kept_bytes", layer.kept}});
  }
  for (const BatchMemory& m : table.memory) {
    nlohmann::json row = {{"batch", m.batch}};
    if (table.trains) {
      row.update({{"kept_bytes", m.kept},
                  {"training_arena_bytes", m.training_arena},
                  {"training_scratch_bytes", m.training_scratch},
                  {"training_bytes", training_bytes(table, m)}});
    }
    if (table.predicts) {
      row.update({{"prediction_arena_bytes", m.prediction_arena},
                  {"prediction_scratch_bytes", m.prediction_scratch},
                  {"prediction_bytes", prediction_bytes(table, m)}});
    }
    memory.push_back(std::move(row));
  }
  return {{"model", model.name},
          {"rows", table.rows},
          {"parameters", table.parameters},
          {"variable_bytes", table.variable_bytes},
          {"optimizer_bytes", table.optimizer_bytes},
          {"layers", layers},
          {"memory", memory}};
}

}  // namespace

int show_layers(const Options& options) {
  auto session = open_session(options);
  const lang::Model& model = session->model;
  const std::optional<LayerTable> table = pipeline::make_layer_table(
      model, session->sources, chosen_batches(options, model), session->target, session->diags);
  session->stop_on_errors();
  GRADUS_CHECK(table.has_value(), "no table and no message");
  if (options.json) {
    print_out("{}\n", json_text(to_json(model, *table), 2));
    return kDone;
  }
  print_out("{}: FLOP of a {} of {} row{}{}\n\n{}\n{}", model.name,
             table->trains ? "training step" : "prediction", table->rows,
             table->rows == 1 ? "" : "s",
             table->trains ? "; bytes kept for the backward pass at each batch" : "",
             layers_text(*table), memory_text(*table));
  return kDone;
}

}  // namespace gradus::driver
