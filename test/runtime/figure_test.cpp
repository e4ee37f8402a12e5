// Ticks and polylines; whole pictures are looked at, and read as XML by history_test.cpp.
#include "runtime/figure/figure.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gradus::runtime {
namespace {

std::string texts(const Axis& axis) {
  std::string out;
  for (const Tick& tick : axis.ticks()) out += (out.empty() ? "" : " ") + tick.text;
  return out;
}

TEST(Axis, TicksAreRound) {
  EXPECT_EQ(texts(Axis::fixed(-8, 8, 8)), "−8 −6 −4 −2 0 2 4 6 8");
  EXPECT_EQ(texts(Axis::around(-1, 1, 4)), "−1.0 −0.5 0.0 0.5 1.0");
  EXPECT_EQ(texts(Axis::around(0, 0.25, 5)), "0.00 0.05 0.10 0.15 0.20 0.25");
  EXPECT_EQ(texts(Axis::fixed(0.1, 0.75, 4)), "0.2 0.4 0.6");
  EXPECT_EQ(texts(Axis::fixed(0, 3e6, 3)), "0 1e+06 2e+06 3e+06");
  EXPECT_EQ(texts(Axis::logarithmic(0.05, 2)), "0.05 0.1 0.2 0.5 1 2");
}

TEST(Axis, EndsAtTicksAroundWhatIsThere) {
  const Axis axis = Axis::around(-0.1, 7.3, 6);
  EXPECT_EQ(axis.low(), -1);
  EXPECT_EQ(axis.high(), 8);
  EXPECT_EQ(axis.fraction(3.5), 0.5);
  EXPECT_EQ(Axis::around(-0.6, 12, 6).low(), -2) << "little room is left beyond what is there";
  const Axis decades = Axis::logarithmic(1, 100);
  EXPECT_NEAR(decades.fraction(10), 0.5, 1e-12);
}

TEST(Axis, ManyTicksNeverStandOnEachOther) {
  for (double span : {1e-300, 1e-5, 0.37, 1.0, 12345.0, 1e299}) {
    for (int count : {1, 4, 8}) {
      const Axis axis = Axis::fixed(0, span, count);
      EXPECT_LE(axis.ticks().size(), static_cast<size_t>(1.25 * count) + 1) << span;
      EXPECT_GE(axis.ticks().size(), 1u) << span;
    }
  }
}

TEST(SimplifyPolyline, KeepsCornersAndDropsWhatIsStraight) {
  std::vector<Point> corner;
  for (int i = -100; i <= 100; ++i) corner.push_back({i / 10.0, std::max(0.0, i / 10.0)});
  const std::vector<Point> kept = simplify_polyline(corner, 0.01);
  ASSERT_EQ(kept.size(), 3u);
  EXPECT_EQ(kept[1].x, 0);
  EXPECT_EQ(simplify_polyline({{0, 0}, {1, 0.02}, {2, 0}}, 0.01).size(), 3u);
  EXPECT_EQ(simplify_polyline({{0, 0}, {1, 0.002}, {2, 0}}, 0.01).size(), 2u);
  // A line that comes back to its begin has no chord.
  EXPECT_EQ(simplify_polyline({{0, 0}, {5, 5}, {0, 0}}, 0.01).size(), 3u);
}

TEST(FigureSvg, GapsDotsAndGround) {
  Figure figure{.title = "a < b", .x = Axis::fixed(-1, 1, 4), .x_label = "x"};
  Curve curve{.label = "f(x)", .segments = {{{-1, 0}, {0, 0}}, {{0, 1}, {1, 1}}, {{0.5, 0.5}}}};
  curve.dots = {{{0, 1}, false}};
  figure.panels.push_back({.y = Axis::around(0, 1, 4), .curves = {curve}});
  const std::string svg = figure_svg(figure);
  const auto count = [&](const std::string& what) {
    size_t found = 0;
    for (size_t at = svg.find(what); at != std::string::npos; at = svg.find(what, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("<polyline"), 2u);
  EXPECT_EQ(count("<circle"), 2u) << "the lone point and the dot";
  EXPECT_EQ(count("class=\"hollow c0\""), 1u);
  EXPECT_EQ(count("a &lt; b"), 1u);
  EXPECT_EQ(count("class=\"ground\""), 1u) << "ink is only sure of a ground of its own";
  EXPECT_EQ(count("prefers-color-scheme:dark"), 1u);
}

}  // namespace
}  // namespace gradus::runtime
