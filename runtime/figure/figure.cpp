// Layout is in pixels from the top left; every number that is printed is finite and inside.
// Attributes give the light look, so viewers that know no style sheets show it; the style sheet
// holds the dark one alone.
#include "runtime/figure/figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace gradus::runtime {

namespace {

constexpr double kLeft = 64, kRight = 18, kTitle = 24, kLegendLine = 20, kGap = 14, kBelow = 30;
constexpr double kXLabel = 18;
constexpr double kCharacter = 7.2;  // width of one in a legend, at 12 pixels
constexpr double kSample = 30;      // length of the line beside a label

struct Colour {
  const char *light, *dark;
};
// Each has a contrast of at least 4.5 with its ground, and they differ in lightness too.
constexpr std::array<Colour, 6> kColours = {{{"#1259b8", "#6cb2ff"},
                                             {"#c8410b", "#ff9a6b"},
                                             {"#157a49", "#5fd39a"},
                                             {"#7b3aa8", "#cfa2ff"},
                                             {"#8a6100", "#e8bd4f"},
                                             {"#0c7286", "#5cd6ea"}}};
constexpr std::array<const char*, 4> kDashes = {"", "8 4", "2 3.5", "10 3 2 3"};

/// Named by class: what is drawn in the light look by attributes is drawn anew in the dark one.
std::string dark_style() {
  std::string rules =
      ".ground{fill:#12161d}.ink{fill:#e3e7ee}.grid{stroke:#29313c}.zero{stroke:#66707f}"
      ".hollow{fill:#12161d}";
  for (size_t i = 0; i < kColours.size(); ++i) {
    rules += fmt::format(".c{0}{{stroke:{1}}}.f{0}{{fill:{1};stroke:{1}}}", i, kColours[i].dark);
  }
  return "<style>@media screen and (prefers-color-scheme:dark){" + rules + "}</style>\n";
}

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      // No control character stands in XML.
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

/// Characters, not bytes, of UTF-8.
double text_width(const std::string& text) {
  const auto starts = std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
  return static_cast<double>(starts) * kCharacter;
}

/// A line of a legend takes the entries that fit.
struct LegendEntry {
  double x = 0, line = 0;
  std::string text;
  const Curve* curve = nullptr;  // none: words alone
};

class FigureWriter {
 public:
  explicit FigureWriter(const Figure& figure) : figure_(figure) {}

  std::string write() {
    double top = figure_.title.empty() ? 10 : kTitle + 6;
    for (size_t i = 0; i < figure_.panels.size(); ++i) {
      panel(figure_.panels[i], i, top);
      top += i + 1 == figure_.panels.size() ? kBelow : kGap + kBelow;
    }
    text(kLeft + inner_width() / 2, top + 6, "middle", figure_.x_label);
    const double height = top + kXLabel;
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
               "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"Helvetica, Arial, sans-serif\" "
               "font-size=\"12\">\n",
               figure_.width, height) +
           dark_style() +
           fmt::format(
               "<rect class=\"ground\" width=\"{:.0f}\" height=\"{:.0f}\" fill=\"#ffffff\"/>\n",
               figure_.width, height) +
           title() + out_ + "</svg>\n";
  }

 private:
  double inner_width() const { return figure_.width - kLeft - kRight; }
  double x_at(double value) const { return kLeft + figure_.x.fraction(value) * inner_width(); }
  /// What lies far outside of the panel is clipped; viewers want coordinates that are no larger.
  double y_at(const Panel& panel, double value) const {
    const double fraction = std::clamp(panel.y.fraction(value), -20.0, 20.0);
    return bottom_ - fraction * figure_.panel_height;
  }

  std::string title() const {
    if (figure_.title.empty()) return "";
    return fmt::format(
        "<text class=\"ink\" x=\"{}\" y=\"{}\" font-size=\"14\" font-weight=\"bold\" "
        "fill=\"#1c2129\">{}</text>\n",
        kLeft, kTitle - 4, escaped(figure_.title));
  }

  void text(double x, double y, const char* anchor, const std::string& words) {
    out_ += fmt::format(
        "<text class=\"ink\" fill=\"#1c2129\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}"
        "</text>\n",
        x, y, anchor, escaped(words));
  }

  /// `top` moves from the panel's upper edge to its lower axis.
  void panel(const Panel& panel, size_t index, double& top) {
    top += legend(panel, top);
    bottom_ = top + figure_.panel_height;
    grid(panel, index + 1 == figure_.panels.size());
    out_ += fmt::format(
        "<clipPath id=\"panel{}\"><rect x=\"{}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>"
        "</clipPath>\n",
        index, kLeft, top - 2, inner_width(), figure_.panel_height + 4);
    out_ += fmt::format("<g clip-path=\"url(#panel{})\">\n", index);
    for (const Curve& curve : panel.curves) lines(panel, curve);
    out_ += "</g>\n";
    for (const Curve& curve : panel.curves) dots(panel, curve);
    if (!panel.y_label.empty()) {
      out_ += fmt::format(
          "<text class=\"ink\" transform=\"translate(15 {:.1f}) rotate(-90)\" "
          "text-anchor=\"middle\" fill=\"#1c2129\">{}</text>\n",
          (top + bottom_) / 2, escaped(panel.y_label));
    }
    top = bottom_;
  }

  void rule(const char* cls, const char* colour, double x1, double x2, double y1, double y2) {
    out_ += fmt::format(
        "<line class=\"{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" "
        "stroke=\"{}\"/>\n",
        cls, x1, x2, y1, y2, colour);
  }

  void grid(const Panel& panel, bool last) {
    const double top = bottom_ - figure_.panel_height, right = figure_.width - kRight;
    for (const Tick& tick : panel.y.ticks()) {
      const double y = y_at(panel, tick.value);
      rule("grid", "#e4e7ec", kLeft, right, y, y);
      text(kLeft - 8, y + 4, "end", tick.text);
    }
    for (const Tick& tick : figure_.x.ticks()) {
      const double x = x_at(tick.value);
      if (figure_.zero_lines)
        rule("grid", "#e4e7ec", x, x, top, bottom_);
      else
        rule("zero", "#8b94a1", x, x, bottom_, bottom_ + 4);
      if (last) text(x, bottom_ + 18, "middle", tick.text);
    }
    if (!figure_.zero_lines) return rule("zero", "#8b94a1", kLeft, right, bottom_, bottom_);
    const double x = figure_.x.fraction(0), y = panel.y.fraction(0);
    if (x >= 0 && x <= 1) rule("zero", "#8b94a1", x_at(0), x_at(0), top, bottom_);
    if (y >= 0 && y <= 1) rule("zero", "#8b94a1", kLeft, right, y_at(panel, 0), y_at(panel, 0));
  }

  void lines(const Panel& panel, const Curve& curve) {
    const size_t colour = curve.colour % kColours.size();
    const char* dash = kDashes[curve.dash % kDashes.size()];
    for (const std::vector<Point>& segment : curve.segments) {
      if (segment.size() < 2) continue;
      std::vector<Point> pixels;
      for (const Point& p : segment) pixels.push_back({x_at(p.x), y_at(panel, p.y)});
      std::string points;
      for (const Point& p : simplify_polyline(pixels, 0.05)) {
        points += fmt::format("{}{:.2f},{:.2f}", points.empty() ? "" : " ", p.x, p.y);
      }
      out_ += fmt::format(
          "<polyline class=\"c{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\" "
          "stroke-linejoin=\"round\"{} points=\"{}\"/>\n",
          colour, kColours[colour].light,
          *dash ? fmt::format(" stroke-dasharray=\"{}\"", dash) : "", points);
    }
  }

  void dots(const Panel& panel, const Curve& curve) {
    for (const std::vector<Point>& segment : curve.segments) {
      if (segment.size() == 1) dot(panel, curve, {segment[0], true});
    }
    for (const Dot& each : curve.dots) dot(panel, curve, each);
  }

  void dot(const Panel& panel, const Curve& curve, const Dot& dot) {
    const double fraction = panel.y.fraction(dot.at.y);
    if (!(fraction >= -0.01 && fraction <= 1.01)) return;
    const size_t colour = curve.colour % kColours.size();
    const char* light = kColours[colour].light;
    out_ += fmt::format(
        "<circle class=\"{}{}\" cx=\"{:.2f}\" cy=\"{:.2f}\" r=\"3.4\" fill=\"{}\" stroke=\"{}\" "
        "stroke-width=\"1.6\"/>\n",
        dot.filled ? "f" : "hollow c", colour, x_at(dot.at.x), y_at(panel, dot.at.y),
        dot.filled ? light : "#ffffff", light);
  }

  // ---- legend ----

  std::vector<LegendEntry> legend_entries(const Panel& panel) const {
    std::vector<LegendEntry> entries;
    double x = kLeft, line = 0;
    const auto add = [&](const std::string& words, const Curve* curve) {
      const double width = (curve ? kSample + 6 : 0) + text_width(words) + 16;
      if (x > kLeft && x + width > figure_.width) x = kLeft, ++line;
      entries.push_back({x, line, words, curve});
      x += width;
    };
    for (const Curve& curve : panel.curves) {
      if (!curve.label.empty()) add(curve.label, &curve);
    }
    if (!panel.note.empty()) add(panel.note, nullptr);
    return entries;
  }

  /// Its height.
  double legend(const Panel& panel, double top) {
    const std::vector<LegendEntry> entries = legend_entries(panel);
    if (entries.empty()) return 4;
    for (const LegendEntry& entry : entries) {
      const double y = top + 10 + entry.line * kLegendLine;
      double x = entry.x;
      if (entry.curve) {
        sample(*entry.curve, x, y);
        x += kSample + 6;
      }
      text(x, y + 4, "start", entry.text);
    }
    return (entries.back().line + 1) * kLegendLine + 6;
  }

  void sample(const Curve& curve, double x, double y) {
    const size_t colour = curve.colour % kColours.size();
    const char* dash = kDashes[curve.dash % kDashes.size()];
    out_ += fmt::format(
        "<line class=\"c{}\" x1=\"{:.1f}\" x2=\"{:.1f}\" y1=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" "
        "stroke-width=\"2\"{}/>\n",
        colour, x, x + kSample, y, y, kColours[colour].light,
        *dash ? fmt::format(" stroke-dasharray=\"{}\"", dash) : "");
  }

  const Figure& figure_;
  double bottom_ = 0;  // of the panel at hand
  std::string out_;
};

}  // namespace

std::string figure_svg(const Figure& figure) { return FigureWriter(figure).write(); }

}  // namespace gradus::runtime
