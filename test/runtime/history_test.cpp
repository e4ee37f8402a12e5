// History as CSV, read back by the reader of tables, and as SVG, whose tags are matched one by one.
#include "runtime/train/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>

#include "runtime/data/source.h"
#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

History history_of(const std::vector<double>& losses, const std::vector<double>& validations) {
  History history;
  for (size_t i = 0; i < losses.size(); ++i) {
    HistoryRecord record;
    record.epoch = static_cast<int64_t>(i) + 1;
    record.step = 10 * record.epoch;
    record.loss = losses[i];
    if (i < validations.size()) record.validation_loss = validations[i];
    history.records.push_back(record);
  }
  return history;
}

TEST(HistoryCsv, HasAColumnForWhatWasMeasured) {
  EXPECT_EQ(history_csv({}), "epoch,step,loss\n");
  EXPECT_EQ(history_csv(history_of({0.5}, {})), "epoch,step,loss\n1,10,0.5\n");
  History history = history_of({0.5, 2}, {0.25});
  history.metrics = {"accuracy", "error"};
  history.records[0].metrics = {0.75, -1e-9};
  EXPECT_EQ(
      history_csv(history),
      "epoch,step,loss,validation_loss,accuracy,error\n1,10,0.5,0.25,0.75,-1e-09\n2,20,2,,,\n");
}

TEST(HistoryCsv, AMetricThatIsNoNumberIsAnEmptyCell) {
  History history = history_of({0.5, 2}, {0.25, 1});
  history.metrics = {"a", "b"};
  history.records[0].metrics = {NAN, 3};
  history.records[1].metrics = {4, NAN};
  EXPECT_EQ(history_csv(history), "epoch,step,loss,validation_loss,a,b\n1,10,0.5,0.25,,3\n2,20,2,1,4,\n");
}

TEST(HistoryMetrics, AreFoundByName) {
  History history = history_of({0.5, 2}, {0.25, 1});
  history.metrics = {"near", "r2"};
  history.records[0].metrics = {1, 2};
  set_metrics(history, {"far", "r2", "near"});
  EXPECT_TRUE(std::isnan(history.records[0].metrics[0]));
  EXPECT_EQ(history.records[0].metrics[1], 2);
  EXPECT_EQ(history.records[0].metrics[2], 1);
  EXPECT_TRUE(std::isnan(history.records[1].metrics[2])) << "a record without metrics";
  set_metrics(history, {"r2"});
  EXPECT_EQ(history.records[0].metrics, (std::vector<double>{2}));
}

TEST(HistorySvg, ASingleRecordIsADot) {
  std::string svg = history_svg(history_of({0.5}, {0.25}), "m", -1);
  size_t dots = 0;
  for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++dots;
  EXPECT_EQ(dots, 2u) << svg;
}

TEST(HistoryCsv, NumbersReadBackExactly) {
  std::vector<double> losses = {0.1 + 0.2, 1.0 / 3, 1e300, 5e-324, -0.0, 123456789.123456789};
  auto table = std::make_shared<CsvTable>(bytes_of(history_csv(history_of(losses, {}))), "h");
  ASSERT_EQ(table->rows(), 6);
  auto loss = make_columns(table, {table->find("loss")}, true);
  for (size_t i = 0; i < losses.size(); ++i) {
    double value = -1;
    loss->read(static_cast<int64_t>(i), &value);
    EXPECT_EQ(value, losses[i]);
  }
}

/// What is wrong with the tags, entities and attributes of a text; empty where all is well.
std::string breach_of_xml(const std::string& text) {
  static const std::regex tag(R"(<(/?)([a-zA-Z]+)((?: [a-zA-Z0-9-]+="[^"<&]*")*)(/?)>)");
  static const std::regex entity(R"(&(?!(amp|lt|gt|quot|#\d+);))");
  std::vector<std::string> open;
  std::string between;
  auto at = text.cbegin();
  bool rooted = false;
  for (std::sregex_iterator it(text.begin(), text.end(), tag), end; it != end; ++it) {
    const std::smatch& m = *it;
    between.append(at, m[0].first);
    at = m[0].second;
    if (m[1].length() > 0) {
      if (open.empty() || open.back() != m[2]) return "closes " + m[2].str();
      open.pop_back();
    } else if (m[4].length() == 0) {
      if (open.empty() && rooted) return "two roots";
      rooted = true;
      open.push_back(m[2]);
    }
  }
  between.append(at, text.cend());
  if (!open.empty()) return "leaves open " + open.back();
  if (between.find('<') != std::string::npos) return "a < that begins no tag";
  return std::regex_search(between, entity) ? "an & that begins no entity" : "";
}

/// Coordinates that no viewer can draw, or that lie outside the picture.
std::string bad_coordinate(const std::string& svg) {
  static const std::regex number(R"re((?:x|y|x1|x2|y1|y2|cx|cy)="([^"]*)")re");
  for (std::sregex_iterator it(svg.begin(), svg.end(), number), end; it != end; ++it) {
    double value = std::strtod((*it)[1].str().c_str(), nullptr);
    if (!(value >= 0 && value <= 720)) return (*it)[0];
  }
  return svg.find("nan") == std::string::npos && svg.find("inf") == std::string::npos ? "" : "nan";
}

double least_gap_of_ticks(const std::string& svg) {
  static const std::regex label(R"re(y="([0-9.]+)" text-anchor="end">)re");
  double least = HUGE_VAL, last = HUGE_VAL;
  for (std::sregex_iterator it(svg.begin(), svg.end(), label), end; it != end; ++it) {
    double y = std::strtod((*it)[1].str().c_str(), nullptr);
    least = std::min(least, std::abs(last - y));
    last = y;
  }
  return least;
}

TEST(HistorySvg, IsWellFormedForEveryHistory) {
  constexpr double kMost = std::numeric_limits<double>::max();
  std::vector<std::pair<std::vector<double>, std::vector<double>>> cases = {
      {{}, {}},
      {{1}, {}},
      {{3, 2, 1}, {4, 3, 3.5}},
      {{1e-8, 1e8}, {}},
      {{5e-324, kMost}, {}},
      {{-kMost, kMost}, {}},
      {{0, 0, 0}, {0, 0}},
      {{-5, 5}, {-1e-300}},
      {{1e300, 1e300 * (1 + 1e-15)}, {}},
      {{HUGE_VAL, NAN, 1}, {NAN, NAN, 2}},
      {{NAN}, {NAN}},
  };
  for (const auto& [losses, validations] : cases) {
    std::string svg = history_svg(history_of(losses, validations), "a <b> & \"c\"", 30);
    EXPECT_EQ(breach_of_xml(svg), "");
    EXPECT_EQ(bad_coordinate(svg), "");
    EXPECT_GE(least_gap_of_ticks(svg), 13) << "labels stand upon each other";
  }
}

TEST(HistorySvg, DrawsBothCurvesAndMarksTheBest) {
  std::string svg = history_svg(history_of({3, 2, 1}, {4, 3, 3.5}), "t", 20);
  EXPECT_NE(svg.find(">training<"), std::string::npos);
  EXPECT_NE(svg.find(">validation<"), std::string::npos);
  EXPECT_NE(svg.find("best: 3 at step 20"), std::string::npos);
  std::string alone = history_svg(history_of({3, 2, 1}, {}), "t", -1);
  EXPECT_EQ(alone.find(">validation<"), std::string::npos);
  EXPECT_EQ(alone.find("best"), std::string::npos);
}

TEST(HistorySvg, ALowerLossStandsLower) {
  std::string svg = history_svg(history_of({4, 3, 1}, {}), "t", -1);
  std::smatch points;
  ASSERT_TRUE(std::regex_search(svg, points, std::regex("points=\"([^\"]*)\"")));
  double x[3], y[3];
  ASSERT_EQ(std::sscanf(points[1].str().c_str(), "%lf,%lf %lf,%lf %lf,%lf", x, y, x + 1, y + 1,
                        x + 2, y + 2),
            6);
  EXPECT_LT(x[0], x[1]);
  EXPECT_LT(x[1], x[2]);
  EXPECT_LT(y[0], y[1]);  // y grows downwards
  EXPECT_LT(y[1], y[2]);
  EXPECT_NEAR((y[2] - y[1]) / (y[1] - y[0]), 2, 0.02);
}

}  // namespace
}  // namespace gradus::runtime
