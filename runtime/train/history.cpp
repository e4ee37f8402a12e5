// CSV and SVG as text. Axes get round ticks; losses that span decades get a logarithmic axis.
#include "runtime/train/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gradus::runtime {

namespace {

constexpr double kLeft = 72, kRight = 20, kTop = 46, kBottom = 48, kWidth = 720, kHeight = 420;
constexpr const char* kTrainColour = "#4269d0";
constexpr const char* kValidationColour = "#e4572e";

/// Beyond this the span of an axis would overflow.
bool can_be_drawn(double value) { return std::abs(value) < 1e300; }

struct Point {
  double x, y;
};

/// A step of 1, 2 or 5 times a power of ten that gives about `count` ticks over `span`.
double round_step(double span, int count) {
  double rough = span / count;
  double power = std::pow(10, std::floor(std::log10(rough)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

class Axes {
 public:
  Axes(const std::vector<std::vector<Point>>& lines) {
    double least = INFINITY, most = -INFINITY;
    for (const auto& line : lines) {
      for (const Point& p : line) {
        least = std::min(least, p.y);
        most = std::max(most, p.y);
        last_x_ = std::max(last_x_, p.x);
      }
    }
    if (!(least <= most)) least = 0, most = 1;
    logarithmic_ = least > 0 && most / least > 30;
    if (logarithmic_) {
      low_ = std::floor(std::log10(least) * 3) / 3;
      high_ = std::ceil(std::log10(most) * 3) / 3;
    } else {
      double step = round_step(std::max(most - least, 1e-12 + std::abs(most) * 1e-6), 5);
      low_ = std::floor(least / step) * step;
      high_ = std::ceil(most / step) * step;
    }
    if (high_ <= low_) high_ = low_ + 1;
  }

  double x(double step) const {
    return kLeft + step / std::max(last_x_, 1.0) * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    double at = logarithmic_ ? std::log10(value) : value;
    return kHeight - kBottom - (at - low_) / (high_ - low_) * (kHeight - kTop - kBottom);
  }

  std::string ticks() const {
    std::string out;
    for (double value : y_ticks()) {
      out += fmt::format(
          "<line x1=\"{0:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\" stroke=\"#e6e6e6\"/>"
          "<text x=\"{3:.1f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5:.4g}</text>\n",
          kLeft, kWidth - kRight, y(value), kLeft - 8, y(value) + 4, value);
    }
    double step = std::max(1.0, round_step(std::max(last_x_, 1.0), 6));
    for (double value = 0; value <= last_x_; value += step) {
      out += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{:.0f}</text>\n",
                         x(value), kHeight - kBottom + 18, value);
    }
    return out;
  }

 private:
  std::vector<double> y_ticks() const {
    std::vector<double> ticks;
    if (logarithmic_) {
      // Within two decades 1, 2 and 5; over more, powers of ten, as many as can be read.
      double decades = high_ - low_;
      double stride = std::max(1.0, std::ceil(decades / 8));
      for (double decade = std::floor(low_); decade <= high_; decade += stride) {
        for (double factor : {1.0, 2.0, 5.0}) {
          double value = factor * std::pow(10, decade);
          bool inside = std::log10(value) >= low_ - 1e-9 && std::log10(value) <= high_ + 1e-9;
          if (inside && (factor == 1 || decades <= 2)) ticks.push_back(value);
        }
      }
      return ticks;
    }
    double step = round_step(high_ - low_, 5);
    for (double value = std::ceil(low_ / step) * step; value <= high_ + step * 1e-6;
         value += step) {
      ticks.push_back(std::abs(value) < step * 1e-6 ? 0 : value);
    }
    return ticks;
  }

  bool logarithmic_ = false;
  double low_ = 0, high_ = 1, last_x_ = 0;
};

std::string polyline(const std::vector<Point>& line, const Axes& axes, const char* colour) {
  std::string points;
  for (const Point& p : line) points += fmt::format("{:.1f},{:.1f} ", axes.x(p.x), axes.y(p.y));
  return fmt::format(
      "<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"2\" stroke-linejoin=\"round\" "
      "points=\"{}\"/>\n",
      colour, points);
}

std::string legend(double x, const char* colour, const std::string& text) {
  return fmt::format(
      "<line x1=\"{0}\" x2=\"{1}\" y1=\"34\" y2=\"34\" stroke=\"{2}\" stroke-width=\"2\"/>"
      "<text x=\"{3}\" y=\"38\">{4}</text>\n",
      x, x + 22, colour, x + 28, text);
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<')
      out += "&lt;";
    else if (c == '&')
      out += "&amp;";
    else
      out += c;
  }
  return out;
}

}  // namespace

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
    for (double metric : record.metrics) out += fmt::format(",{}", metric);
    out.append(history.metrics.size() - std::min(history.metrics.size(), record.metrics.size()),
               ',');
    out += "\n";
  }
  return out;
}

std::string history_svg(const History& history, const std::string& title, int64_t best_step) {
  std::vector<Point> train, validation;
  Point best{-1, 0};
  for (const HistoryRecord& record : history.records) {
    auto x = static_cast<double>(record.step);
    if (can_be_drawn(record.loss)) train.push_back({x, record.loss});
    if (record.validation_loss && can_be_drawn(*record.validation_loss)) {
      validation.push_back({x, *record.validation_loss});
      if (record.step == best_step) best = validation.back();
    }
  }
  Axes axes({train, validation});
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
      "{1}\" "
      "font-family=\"sans-serif\" font-size=\"12\" fill=\"#333\">\n<rect width=\"{0}\" "
      "height=\"{1}\" fill=\"white\"/>\n"
      "<text x=\"{2}\" y=\"18\" font-size=\"14\" font-weight=\"bold\">{3}</text>\n",
      kWidth, kHeight, kLeft, escaped(title));
  out += axes.ticks();
  out += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">step</text>\n",
                     (kLeft + kWidth - kRight) / 2, kHeight - 8);
  out += fmt::format(
      "<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">loss</text>\n",
      (kTop + kHeight - kBottom) / 2);
  out += legend(kLeft, kTrainColour, "training") + polyline(train, axes, kTrainColour);
  if (!validation.empty()) {
    out += legend(kLeft + 110, kValidationColour, "validation") +
           polyline(validation, axes, kValidationColour);
  }
  if (best.x >= 0) {
    out += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4.5\" fill=\"white\" stroke=\"{}\" "
        "stroke-width=\"2\"/>"
        "<text x=\"{}\" y=\"38\">○ best: {:.5g} at step {}</text>\n",
        axes.x(best.x), axes.y(best.y), kValidationColour, kLeft + 230, best.y, best_step);
  }
  return out + "</svg>\n";
}

}  // namespace gradus::runtime
