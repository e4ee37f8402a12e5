// What training depends on beside weights, data, seed and batch, as a checkpoint keeps it: a run that goes on
// says what is not as it was.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "driver/options.h"
#include "driver/session.h"
#include "runtime/train/loop.h"

namespace gradus::driver {

/// By name: `optimizer`, `gradient`, `average`, `group`, `freeze` as written, `--rate`, `shuffle`, `monitor`, `steps`
/// where the step reads how many there are in all, and `step`, a hash of the training step's graph.
using RunRecord = std::map<std::string, std::string>;

RunRecord describe_run(const Session& session, const Options& options, const runtime::TrainPlan& plan, const Graph& step);

/// Under a key of its own in a checkpoint's metadata; nothing where that has none.
std::string to_text(const RunRecord& record);
std::optional<RunRecord> read_record(const std::map<std::string, std::string>& metadata);
constexpr const char* kRunKey = "gradus.run";

struct RunChanges {
  std::vector<std::string> lines;   // one for each difference
  bool measures_otherwise = false;  // values of the monitor before and after cannot be compared
};
/// The graph alone is told only where no other difference explains it.
RunChanges changes_between(const RunRecord& was, const RunRecord& is);

}  // namespace gradus::driver
