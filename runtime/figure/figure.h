// Curves over labelled axes as SVG text: the loss of a training run, functions and their
// derivatives.
//
//        title
//     -- label  - - label          legend
//   y |      ___
//     |  ___/                      panel: axes, ticks, curves
//     |_/________
//          x
//
// Panels stand one below the other over one x axis. A figure brings its own ground, light where the
// viewer says nothing or prints, dark where the viewer asks for it; ink and ground change together,
// so it can be read on any page. Curves differ in dashes as well as in colour.
#pragma once

#include <string>
#include <vector>

#include "runtime/figure/axis.h"

namespace gradus::runtime {

struct Point {
  double x = 0, y = 0;
};

struct Dot {
  Point at;
  bool filled = true;
};

struct Curve {
  std::string label = {};  // in the legend; empty: not there
  /// Each is drawn without a gap; of one point, as a dot.
  std::vector<std::vector<Point>> segments = {};
  std::vector<Dot> dots = {};
  size_t colour = 0;  // index of a palette of 6, repeated
  size_t dash = 0;    // 0: solid
};

struct Panel {
  Axis y;
  std::string y_label = {};
  std::vector<Curve> curves = {};
  std::string note = {};  // after the legend: "best: 0.1 at step 40"
};

struct Figure {
  std::string title = {};
  Axis x;
  std::string x_label = {};
  std::vector<Panel> panels = {};
  double width = 720;
  double panel_height = 326;  // of the area within the axes
  bool zero_lines = false;    // x = 0 and y = 0 stand out
};

std::string figure_svg(const Figure& figure);

/// `points` without those that lie within `tolerance` of the line through the ones that stay
/// (Ramer, Douglas and Peucker).
std::vector<Point> simplify_polyline(const std::vector<Point>& points, double tolerance);

}  // namespace gradus::runtime
