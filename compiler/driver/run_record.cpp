// The record is a flat JSON object of texts.
#include "driver/run_record.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "graph/text.h"

namespace gradus::driver {

namespace {

using Json = nlohmann::json;

/// FNV-1a of the text (Fowler, Noll and Vo).
std::string hash_of(const std::string& text) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return fmt::format("{:016x}", hash);
}

bool reads_steps(const Graph& step) {
  return std::any_of(step.nodes.begin(), step.nodes.end(), [](const Node& node) { return node.op == OpKind::StepCount; });
}

std::string monitor_text(const lang::TrainBlock& block) {
  if (!block.early_stopping) return "loss, the least is best";
  const lang::EarlyStopping& rule = *block.early_stopping;
  return fmt::format("{}, the {} is best", rule.monitor.empty() ? "loss" : rule.monitor, rule.maximize ? "greatest" : "least");
}

std::string quoted(const RunRecord& record, const std::string& name) {
  auto found = record.find(name);
  return found == record.end() ? "not set" : fmt::format("`{}`", found->second);
}

}  // namespace

RunRecord describe_run(const Session& session, const Options& options, const runtime::TrainPlan& plan, const Graph& step) {
  const lang::TrainBlock& block = session.model.train_block;
  RunRecord record(block.texts.begin(), block.texts.end());
  if (options.rate) record["--rate"] = fmt::format("{}", *options.rate);
  record["shuffle"] = plan.shuffle ? "true" : "false";
  record["monitor"] = monitor_text(block);
  if (reads_steps(step)) record["steps"] = std::to_string(plan.steps);
  record["step"] = hash_of(print_graph(step));
  return record;
}

std::string to_text(const RunRecord& record) { return Json(record).dump(); }

std::optional<RunRecord> read_record(const std::map<std::string, std::string>& metadata) {
  auto found = metadata.find(kRunKey);
  if (found == metadata.end()) return std::nullopt;
  try {
    return Json::parse(found->second).get<RunRecord>();
  } catch (const Json::exception&) {
    throw CommandError(kBadFile, "the checkpoint's record of its run does not read");
  }
}

RunChanges changes_between(const RunRecord& was, const RunRecord& is) {
  RunChanges changes;
  auto differs = [&](const char* name) { return quoted(was, name) != quoted(is, name); };
  auto tell = [&](const char* name) {
    if (differs(name)) changes.lines.push_back(fmt::format("`{}` is {}, was {}", name, quoted(is, name), quoted(was, name)));
  };
  for (const char* name : {"optimizer", "--rate", "gradient", "average", "group", "freeze"}) tell(name);
  const bool explained = !changes.lines.empty();
  bool counted = was.contains("steps") && is.contains("steps");
  if (counted && differs("steps")) {
    changes.lines.push_back(fmt::format("the run has {} steps in all, by which its rate is scheduled, and had {}", is.at("steps"),
                                        was.at("steps")));
  }
  tell("shuffle");
  tell("monitor");
  changes.measures_otherwise = differs("monitor");
  if (!explained && differs("step")) {
    changes.lines.push_back("the loss, or a constant or function that the step is made of, is another");
    changes.measures_otherwise = true;
  }
  return changes;
}

}  // namespace gradus::driver
