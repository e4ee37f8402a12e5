// CSV and SVG as text. Losses that span decades get a logarithmic axis.
#include "runtime/train/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "runtime/figure/figure.h"

namespace gradus::runtime {

namespace {

Axis loss_axis(const std::vector<Point>& train, const std::vector<Point>& validation) {
  double least = INFINITY, most = -INFINITY;
  for (const auto* line : {&train, &validation}) {
    for (const Point& p : *line) {
      least = std::min(least, p.y);
      most = std::max(most, p.y);
    }
  }
  if (!(least <= most)) return Axis::around(0, 1, 5);
  return least > 0 && most / least > 30 ? Axis::logarithmic(least, most)
                                        : Axis::around(least, most, 5);
}

/// Steps are whole, so ticks are too.
Axis step_axis(const History& history) {
  const int64_t last = history.records.empty() ? 1 : history.records.back().step;
  const auto end = static_cast<double>(std::max<int64_t>(last, 1));
  return Axis::fixed(0, end, static_cast<int>(std::min(end, 6.0)));
}

}  // namespace

void set_metrics(History& history, const std::vector<std::string>& metrics) {
  if (metrics == history.metrics) return;
  for (HistoryRecord& record : history.records) {
    std::vector<double> values;
    for (const std::string& metric : metrics) {
      auto found = std::find(history.metrics.begin(), history.metrics.end(), metric);
      auto column = static_cast<size_t>(found - history.metrics.begin());
      values.push_back(column < record.metrics.size() ? record.metrics[column] : NAN);
    }
    record.metrics = std::move(values);
  }
  history.metrics = metrics;
}

std::string history_csv(const History& history) {
  bool validates =
      std::any_of(history.records.begin(), history.records.end(),
                  [](const HistoryRecord& r) { return r.validation_loss.has_value(); });
  std::string out = "epoch,step,loss";
  if (validates) out += ",validation_loss";
  for (const std::string& metric : history.metrics) out += "," + metric;
  out += "\n";
  for (const HistoryRecord& record : history.records) {
    out += fmt::format("{},{},{}", record.epoch, record.step, record.loss);
    if (validates)
      out += record.validation_loss ? fmt::format(",{}", *record.validation_loss) : ",";
    for (double metric : record.metrics) {
      out += std::isnan(metric) ? std::string(",") : fmt::format(",{}", metric);
    }
    out.append(history.metrics.size() - std::min(history.metrics.size(), record.metrics.size()),
               ',');
    out += "\n";
  }
  return out;
}

std::string history_svg(const History& history, const std::string& title, int64_t best_step) {
  std::vector<Point> train, validation;
  Curve best{.colour = 1};
  std::string note;
  for (const HistoryRecord& record : history.records) {
    const auto x = static_cast<double>(record.step);
    if (can_be_drawn(record.loss)) train.push_back({x, record.loss});
    if (!record.validation_loss || !can_be_drawn(*record.validation_loss)) continue;
    validation.push_back({x, *record.validation_loss});
    if (record.step != best_step) continue;
    best.dots = {{validation.back(), false}};
    note = fmt::format("○ best: {:.5g} at step {}", validation.back().y, best_step);
  }
  Panel panel{.y = loss_axis(train, validation), .y_label = "loss", .note = note};
  panel.curves.push_back({.label = "training", .segments = {train}});
  if (!validation.empty()) {
    panel.curves.push_back({.label = "validation", .segments = {validation}, .colour = 1});
  }
  panel.curves.push_back(std::move(best));
  return figure_svg(
      {.title = title, .x = step_axis(history), .x_label = "step", .panels = {std::move(panel)}});
}

}  // namespace gradus::runtime
