// Numbers of the state are hexadecimal floats in JSON strings: what is read is what was written, NaN too.
#include "runtime/train/checkpoint.h"

#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

using Json = nlohmann::json;
constexpr const char* kKey = "gradus.training";
constexpr const char* kBest = "best:";

Json number(double value) { return fmt::format("{:a}", value); }
double number(const Json& text) { return std::strtod(text.get<std::string>().c_str(), nullptr); }

Json to_json(const HistoryRecord& record) {
  Json metrics = Json::array();
  for (double metric : record.metrics) metrics.push_back(number(metric));
  Json out = {{"epoch", record.epoch}, {"step", record.step}, {"loss", number(record.loss)}, {"metrics", metrics}};
  if (record.validation_loss) out["validation_loss"] = number(*record.validation_loss);
  return out;
}

HistoryRecord record_from(const Json& json) {
  HistoryRecord record{json.at("epoch").get<int64_t>(), json.at("step").get<int64_t>(), number(json.at("loss")), {}, {}};
  if (json.contains("validation_loss")) record.validation_loss = number(json.at("validation_loss"));
  for (const Json& metric : json.at("metrics")) record.metrics.push_back(number(metric));
  return record;
}

Json to_json(const TrainingState& state) {
  Json records = Json::array();
  for (const HistoryRecord& record : state.history.records) records.push_back(to_json(record));
  return {{"step", state.step}, {"loss_sum", number(state.loss_sum)}, {"loss_rows", state.loss_rows},
          {"has_best", state.stopping.has_best}, {"best", number(state.stopping.best)},
          {"reference", number(state.stopping.reference)}, {"waited", state.stopping.waited},
          {"best_step", state.best_step}, {"finished", state.finished},
          {"metrics", state.history.metrics}, {"records", records}};
}

TrainingState state_from(const Json& json) {
  TrainingState state;
  state.step = json.at("step").get<int64_t>();
  state.loss_sum = number(json.at("loss_sum"));
  state.loss_rows = json.at("loss_rows").get<int64_t>();
  state.stopping = {json.at("has_best").get<bool>(), number(json.at("best")), number(json.at("reference")),
                    json.at("waited").get<int64_t>()};
  state.best_step = json.at("best_step").get<int64_t>();
  state.finished = json.at("finished").get<bool>();
  state.history.metrics = json.at("metrics").get<std::vector<std::string>>();
  for (const Json& record : json.at("records")) state.history.records.push_back(record_from(record));
  return state;
}

}  // namespace

std::string write_checkpoint(const TrainingState& state, const std::vector<NamedTensor>& variables,
                             std::map<std::string, std::string> metadata) {
  std::vector<TensorView> tensors;
  for (const NamedTensor& variable : variables) {
    tensors.push_back({variable.path, variable.dtype, variable.sizes, variable.bytes});
  }
  for (size_t i = 0; i < state.best.size(); ++i) {
    if (state.best[i].empty()) continue;
    tensors.push_back({kBest + variables[i].path, variables[i].dtype, variables[i].sizes, state.best[i]});
  }
  metadata[kKey] = to_json(state).dump();
  return write_safetensors(tensors, metadata);
}

TrainingState read_checkpoint(const SafetensorsFile& file, const std::vector<NamedTensor>& variables) {
  auto found = file.metadata().find(kKey);
  if (found == file.metadata().end()) throw FileError("no checkpoint: the file holds weights, not the state of training");
  TrainingState state;
  try {
    state = state_from(Json::parse(found->second));
  } catch (const Json::exception& error) {
    throw FileError(fmt::format("the checkpoint's state of training does not read: {}", error.what()));
  }
  for (size_t i = 0; i < variables.size(); ++i) {
    const TensorView* tensor = file.find(variables[i].path);
    if (!tensor || tensor->bytes.size() != variables[i].bytes.size()) {
      throw FileError(fmt::format("the checkpoint has no `{}` of this size", variables[i].path));
    }
    std::memcpy(variables[i].bytes.data(), tensor->bytes.data(), tensor->bytes.size());
    const TensorView* best = file.find(kBest + variables[i].path);
    if (!best) continue;
    state.best.resize(variables.size());
    state.best[i].assign(best->bytes.begin(), best->bytes.end());
  }
  return state;
}

}  // namespace gradus::runtime
