// A stretch between two points that stay is straight enough, or its farthest point stays too.
#include <cmath>
#include <utility>

#include "runtime/figure/figure.h"

namespace gradus::runtime {

namespace {

double distance_to_chord(const Point& p, const Point& a, const Point& b) {
  const double dx = b.x - a.x, dy = b.y - a.y, length = std::hypot(dx, dy);
  if (length == 0) return std::hypot(p.x - a.x, p.y - a.y);
  return std::abs((p.x - a.x) * dy - (p.y - a.y) * dx) / length;
}

}  // namespace

std::vector<Point> simplify_polyline(const std::vector<Point>& points, double tolerance) {
  if (points.size() < 3) return points;
  std::vector<bool> stays(points.size(), false);
  stays.front() = stays.back() = true;
  // Stretches still to look at; a stack of our own, as a curve may have any number of points.
  std::vector<std::pair<size_t, size_t>> stretches = {{0, points.size() - 1}};
  while (!stretches.empty()) {
    const auto [first, last] = stretches.back();
    stretches.pop_back();
    size_t farthest = first;
    double most = tolerance;
    for (size_t i = first + 1; i < last; ++i) {
      const double distance = distance_to_chord(points[i], points[first], points[last]);
      if (distance > most) most = distance, farthest = i;
    }
    if (farthest == first) continue;
    stays[farthest] = true;
    stretches.push_back({first, farthest});
    stretches.push_back({farthest, last});
  }
  std::vector<Point> out;
  for (size_t i = 0; i < points.size(); ++i) {
    if (stays[i]) out.push_back(points[i]);
  }
  return out;
}

}  // namespace gradus::runtime
