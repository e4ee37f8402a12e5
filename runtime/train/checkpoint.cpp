// Numbers of the state are hexadecimal floats in JSON strings: what is read is what was written,
// NaN too. The history is a tensor, so that a long run does not outgrow the header.
#include "runtime/train/checkpoint.h"

#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "runtime/file_error.h"

namespace gradus::runtime {

namespace {

using Json = nlohmann::json;
constexpr const char* kKey = "gradus.training";
constexpr const char* kHistory = "gradus:history";
constexpr const char* kBest = "best:";
constexpr size_t kMaxState = size_t{1} << 20;

// Columns of the history's tensor; the metrics follow.
enum RecordColumn { kEpoch, kStep, kLoss, kHas, kValidation, kColumns };
// What a record has, in the column kHas: nothing more, a validation loss (and metrics), metrics.
constexpr double kLossAlone = 0, kValidationLoss = 1, kMetricsAlone = 2;

Json number(double value) { return fmt::format("{:a}", value); }
int64_t whole(const Json& json) {
  if (!json.is_number_integer())
    throw FileError("the checkpoint counts by other than whole numbers");
  return json.get<int64_t>();
}
double number(const Json& text) { return std::strtod(text.get<std::string>().c_str(), nullptr); }

std::vector<double> history_numbers(const History& history) {
  std::vector<double> out;
  for (const HistoryRecord& record : history.records) {
    double has = record.validation_loss  ? kValidationLoss
                 : record.metrics.empty() ? kLossAlone
                                          : kMetricsAlone;
    out.insert(out.end(),
               {static_cast<double>(record.epoch), static_cast<double>(record.step), record.loss,
                has, record.validation_loss.value_or(0)});
    for (size_t i = 0; i < history.metrics.size(); ++i) {
      out.push_back(i < record.metrics.size() ? record.metrics[i] : 0);
    }
  }
  return out;
}

void read_history(const TensorView& tensor, History& history) {
  size_t width = kColumns + history.metrics.size();
  if (tensor.dtype != "F64" || tensor.sizes.size() != 2 ||
      tensor.sizes[1] != static_cast<int64_t>(width)) {
    throw FileError("the checkpoint's history does not have a column for each metric");
  }
  std::vector<double> row(width);
  for (int64_t r = 0; r < tensor.sizes[0]; ++r) {
    size_t bytes = width * sizeof(double);
    std::memcpy(row.data(), tensor.bytes.data() + static_cast<size_t>(r) * bytes, bytes);
    bool counts = row[kEpoch] >= 0 && row[kEpoch] < 9e15 && row[kStep] >= 0 && row[kStep] < 9e15;
    if (!counts) throw FileError(fmt::format("the checkpoint's history has no step in row {}", r));
    HistoryRecord record{
        static_cast<int64_t>(row[kEpoch]), static_cast<int64_t>(row[kStep]), row[kLoss], {}, {}};
    if (row[kHas] == kValidationLoss) record.validation_loss = row[kValidation];
    if (row[kHas] != kLossAlone) record.metrics.assign(row.begin() + kColumns, row.end());
    history.records.push_back(std::move(record));
  }
}

Json to_json(const TrainingState& state) {
  return {{"step", state.step},
          {"loss_sum", number(state.loss_sum)},
          {"loss_rows", state.loss_rows},
          {"has_best", state.stopping.has_best},
          {"best", number(state.stopping.best)},
          {"reference", number(state.stopping.reference)},
          {"waited", state.stopping.waited},
          {"best_step", state.best_step},
          {"finished", state.finished},
          {"metrics", state.history.metrics}};
}

TrainingState state_from(const Json& json) {
  TrainingState state;
  state.step = whole(json.at("step"));
  state.loss_sum = number(json.at("loss_sum"));
  state.loss_rows = whole(json.at("loss_rows"));
  state.stopping = {json.at("has_best").get<bool>(), number(json.at("best")),
                    number(json.at("reference")), whole(json.at("waited"))};
  state.best_step = whole(json.at("best_step"));
  state.finished = json.at("finished").get<bool>();
  state.history.metrics = json.at("metrics").get<std::vector<std::string>>();
  if (state.step < 0 || state.loss_rows < 0 || state.stopping.waited < 0) {
    throw FileError("the checkpoint counts below zero");
  }
  return state;
}

/// The tensor that belongs to a variable, as large and of the same type; null where it may be
/// missing.
const TensorView* tensor_for(const SafetensorsFile& file, const std::string& name,
                             const NamedTensor& variable, bool may_miss) {
  const TensorView* tensor = file.find(name);
  if (!tensor && may_miss) return nullptr;
  if (!tensor) throw FileError(fmt::format("the checkpoint has no `{}`", name));
  if (tensor->dtype != variable.dtype || tensor->sizes != variable.sizes ||
      tensor->bytes.size() != variable.bytes.size()) {
    throw FileError(fmt::format("the checkpoint's `{}` is {}[{}], expected {}[{}]", name,
                                tensor->dtype, fmt::join(tensor->sizes, ","), variable.dtype,
                                fmt::join(variable.sizes, ",")));
  }
  return tensor;
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
    tensors.push_back(
        {kBest + variables[i].path, variables[i].dtype, variables[i].sizes, state.best[i]});
  }
  // Last, so that what stands before it stays aligned to the elements of its kind.
  std::vector<double> history = history_numbers(state.history);
  std::vector<int64_t> sizes = {static_cast<int64_t>(state.history.records.size()),
                                static_cast<int64_t>(kColumns + state.history.metrics.size())};
  tensors.push_back({kHistory, "F64", sizes, std::as_bytes(std::span(history))});
  metadata[kKey] = to_json(state).dump();
  return write_safetensors(tensors, metadata);
}

TrainingState read_checkpoint(const SafetensorsFile& file,
                              const std::vector<NamedTensor>& variables, OtherStates others) {
  auto found = file.metadata().find(kKey);
  if (found == file.metadata().end()) {
    throw FileError("no checkpoint: the file holds weights, not the state of training");
  }
  if (found->second.size() > kMaxState) {
    throw FileError(
        fmt::format("the checkpoint's state of training has {} bytes, at most {} are read",
                    found->second.size(), kMaxState));
  }
  TrainingState state;
  try {
    state = state_from(Json::parse(found->second));
  } catch (const Json::exception& error) {
    throw FileError(
        fmt::format("the checkpoint's state of training does not read: {}", error.what()));
  }
  const TensorView* history = file.find(kHistory);
  if (!history) throw FileError(fmt::format("the checkpoint has no `{}`", kHistory));
  read_history(*history, state.history);
  auto may_miss = [&](const NamedTensor& variable) {
    return others == OtherStates::BeginAnew && variable.of_optimizer;
  };
  // Nothing is written into the variables before all of them are known to fit.
  for (const NamedTensor& variable : variables) {
    tensor_for(file, variable.path, variable, may_miss(variable));
    tensor_for(file, kBest + variable.path, variable, true);
  }
  for (size_t i = 0; i < variables.size(); ++i) {
    const TensorView* tensor = tensor_for(file, variables[i].path, variables[i], may_miss(variables[i]));
    if (tensor) std::memcpy(variables[i].bytes.data(), tensor->bytes.data(), tensor->bytes.size());
    const TensorView* best = tensor_for(file, kBest + variables[i].path, variables[i], true);
    if (!best) continue;
    state.best.resize(variables.size());
    state.best[i].assign(best->bytes.begin(), best->bytes.end());
  }
  return state;
}

}  // namespace gradus::runtime
