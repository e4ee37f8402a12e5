// What training reports: one record per validation (or epoch), as CSV and as a picture of the loss.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gradus::runtime {

struct HistoryRecord {
  int64_t epoch = 0;
  int64_t step = 0;
  double loss = 0;  // mean over the rows since the last record
  std::optional<double> validation_loss;
  std::vector<double> metrics;  // in the order of History::metrics; NaN where it was not computed
};

struct History {
  std::vector<std::string> metrics;
  std::vector<HistoryRecord> records;
};

/// Gives the history these metrics: what its records have under a name stays under that name, a
/// metric that they do not have is NaN in them, and one that is gone is dropped.
void set_metrics(History& history, const std::vector<std::string>& metrics);

/// Header: epoch,step,loss[,validation_loss][,metric ...]; numbers read back exactly. A metric that
/// is NaN is an empty cell.
std::string history_csv(const History& history);
/// Loss curves as SVG; `best_step` is marked, negative for none.
std::string history_svg(const History& history, const std::string& title, int64_t best_step);

}  // namespace gradus::runtime
