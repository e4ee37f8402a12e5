// gradus plot 'EXPRESSION' ..: functions of x with their derivatives, as SVG or CSV. One function
// stands with its derivatives in one panel; of several, each derivative has a panel of its own.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "driver/commands.h"
#include "driver/session.h"
#include "lang/load_functions.h"
#include "pipeline/function_curves.h"
#include "runtime/figure/figure.h"

namespace gradus::driver {

namespace {

using pipeline::Curves;

constexpr int64_t kMostOrder = 4;
constexpr size_t kMostFunctions = 12;
constexpr size_t kMostDots = 80;  // of a curve; more are a smear

struct PlotRange {
  double from = -8, to = 8;
};

PlotRange range_of(const Options& options) {
  const PlotRange range{options.from.value_or(-8), options.to.value_or(8)};
  for (const auto& [flag, value] : {std::pair{"from", range.from}, std::pair{"to", range.to}}) {
    if (runtime::can_be_drawn(value)) continue;
    throw CommandError(
        kBadFlags,
        fmt::format("--{} is {}, expected a number between -1e300 and 1e300", flag, value));
  }
  if (!(range.from < range.to)) {
    throw CommandError(
        kBadFlags, fmt::format("--from is {} and --to is {}, expected the lesser first", range.from,
                               range.to));
  }
  // A grid of so many numbers must exist between the two.
  if (range.to - range.from < 1e-9 * std::max(std::abs(range.from), std::abs(range.to))) {
    throw CommandError(kBadFlags,
                       fmt::format("--from {} and --to {} lie too close together to be drawn",
                                   range.from, range.to));
  }
  return range;
}

void check_options(const Options& options) {
  if (options.functions.size() > kMostFunctions) {
    throw CommandError(kBadFlags, fmt::format("{} functions, expected {} at most in one plot",
                                              options.functions.size(), kMostFunctions));
  }
  if (options.order && (*options.order < 0 || *options.order > kMostOrder)) {
    throw CommandError(kBadFlags,
                       fmt::format("--order is {}, expected 0 to {}", *options.order, kMostOrder));
  }
  if (options.out.ends_with(".svg") || options.out.ends_with(".csv")) return;
  throw CommandError(
      kBadFlags,
      options.out.empty()
          ? std::string("`plot` expects -o FILE.svg or -o FILE.csv")
          : fmt::format("-o is `{}`, expected a name that ends in .svg or .csv", options.out));
}

// ---- names ----

/// "tanh" of "tanh(x)"; nothing where the expression is not a call with x alone.
std::string called_name(const std::string& expression) {
  const size_t open = expression.find('(');
  if (open == std::string::npos || open == 0 || expression.substr(open) != "(x)") return "";
  const std::string name = expression.substr(0, open);
  const auto is_word = [](char c) {
    return c == '_' || std::isalnum(static_cast<unsigned char>(c)) != 0;
  };
  return std::ranges::all_of(name, is_word) ? name : "";
}

/// "tanh(x)", "tanh′(x)", "d²/dx² (x ^ 3)".
std::string curve_label(const std::string& expression, int64_t order) {
  static constexpr const char* kPrimes[] = {"", "′", "″", "‴", "⁗"};
  static constexpr const char* kPowers[] = {"", "", "²", "³", "⁴"};
  if (order == 0) return expression;
  const std::string name = called_name(expression);
  if (!name.empty()) return fmt::format("{}{}(x)", name, kPrimes[order]);
  return fmt::format("d{0}/dx{0} ({1})", kPowers[order], expression);
}

/// "f(x)", "f′(x)": what a panel of several functions shows.
std::string panel_label(int64_t order) { return curve_label("f(x)", order); }

/// The expressions on one line each, as the shell may have brought more.
std::string without_line_breaks(std::string expression) {
  std::ranges::replace_if(
      expression, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return expression;
}

// ---- table ----

std::string csv_cell(const std::string& cell) {
  if (cell.find_first_of(",\"") == std::string::npos) return cell;
  std::string out = "\"";
  for (char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

/// Derivatives are marked by `'`. Numbers read back exactly.
std::string curves_csv(const Curves& curves, const std::vector<std::string>& expressions,
                       int64_t order) {
  std::string out = "x";
  for (const std::string& expression : expressions) {
    for (int64_t k = 0; k <= order; ++k) {
      out += "," + csv_cell(expression + std::string(static_cast<size_t>(k), '\''));
    }
  }
  out += "\n";
  for (size_t i = 0; i < curves.x.size(); ++i) {
    out += fmt::format("{}", curves.x[i]);
    for (const std::vector<double>& y : curves.y) {
      out += std::isnan(y[i]) ? std::string(",nan") : fmt::format(",{}", y[i]);
    }
    out += "\n";
  }
  return out;
}

// ---- picture ----

class Picture {
 public:
  Picture(const Curves& curves, std::vector<std::string> expressions, int64_t order,
          PlotRange range)
      : curves_(curves), expressions_(std::move(expressions)), order_(order), range_(range) {}

  std::string svg() const {
    runtime::Figure figure{
        .x = runtime::Axis::fixed(range_.from, range_.to, 8), .x_label = "x", .zero_lines = true};
    if (expressions_.size() == 1) {
      figure.width = 440;
      figure.panel_height = 250;
      figure.panels.push_back(panel(0, order_ + 1, "", [](size_t result) { return result; }));
    } else {
      figure.width = 560;
      figure.panel_height = order_ == 0 ? 320 : 220;
      const auto stride = static_cast<size_t>(order_ + 1);
      for (int64_t k = 0; k <= order_; ++k) {
        figure.panels.push_back(
            panel(k, k + 1, panel_label(k), [=](size_t result) { return result / stride; }));
      }
    }
    return runtime::figure_svg(figure);
  }

 private:
  /// Derivatives [first, last) of all functions; `style` numbers the looks of results.
  template <typename Style>
  runtime::Panel panel(int64_t first, int64_t last, const std::string& label, Style style) const {
    std::vector<runtime::Curve> drawn;
    double least = INFINITY, most = -INFINITY;
    for (size_t f = 0; f < expressions_.size(); ++f) {
      for (int64_t k = first; k < last; ++k) {
        const size_t result = f * static_cast<size_t>(order_ + 1) + static_cast<size_t>(k);
        const auto [low, high] = curves_.ranges[result];
        if (low <= high) least = std::min(least, low), most = std::max(most, high);
        runtime::Curve curve{.label = curve_label(expressions_[f], k),
                             .segments = segments(result)};
        curve.dots = dots(result);
        curve.colour = curve.dash = style(result);
        drawn.push_back(std::move(curve));
      }
    }
    return {.y = y_axis(least, most), .y_label = label, .curves = std::move(drawn)};
  }

  static runtime::Axis y_axis(double least, double most) {
    if (!(least <= most)) return runtime::Axis::around(-1, 1, 6);
    // A constant lies in the middle, not on the frame.
    if (least == most)
      least -= std::max(1.0, std::abs(least)), most += std::max(1.0, std::abs(most));
    return runtime::Axis::around(least, most, 6);
  }

  std::vector<std::vector<runtime::Point>> segments(size_t result) const {
    std::vector<std::vector<runtime::Point>> out;
    const std::vector<double>& y = curves_.y[result];
    for (size_t i = 0; i < curves_.x.size(); ++i) {
      if (!std::isfinite(y[i])) continue;
      if (i == 0 || !curves_.joined(result, i - 1)) out.emplace_back();
      out.back().push_back({curves_.x[i], y[i]});
    }
    return out;
  }

  /// At a jump: filled where the value is, hollow where the curve only leads to.
  std::vector<runtime::Dot> dots(size_t result) const {
    std::vector<runtime::Dot> out;
    for (const Curves::Jump& jump : curves_.jumps) {
      if (jump.result != result) continue;
      for (size_t side : {size_t{0}, size_t{1}}) {
        const size_t i = jump.sample + side;
        out.push_back({{curves_.x[i], curves_.y[result][i]}, (side == 1) == jump.belongs_to_next});
      }
    }
    // Filled ones are drawn last: the place of a jump may be hollow for neither side.
    std::ranges::stable_partition(out, [](const runtime::Dot& dot) { return !dot.filled; });
    if (out.size() > kMostDots) out.clear();
    return out;
  }

  const Curves& curves_;
  std::vector<std::string> expressions_;
  int64_t order_;
  PlotRange range_;
};

}  // namespace

int run_plot(const Options& options) {
  check_options(options);
  const PlotRange range = range_of(options);
  const int64_t order = options.order.value_or(1);
  auto session = std::make_unique<Session>();
  std::optional<Graph> functions =
      lang::load_functions(session->sources, options.functions, options.include, session->diags);
  session->stop_on_errors();
  GRADUS_CHECK(functions.has_value(), "no functions and no message");
  std::optional<Graph> joint = pipeline::add_derivatives(*functions, order, session->diags);
  session->stop_on_errors();
  const Curves curves = pipeline::sample_curves(*joint, range.from, range.to);
  std::vector<std::string> expressions;
  for (const std::string& text : options.functions)
    expressions.push_back(without_line_breaks(text));
  write_output(*session, options.out,
               options.out.ends_with(".csv") ? curves_csv(curves, expressions, order)
                                             : Picture(curves, expressions, order, range).svg());
  return kDone;
}

}  // namespace gradus::driver
