// What makes a corner or a jump is a node of the differentiated graph whose value is discrete: a
// comparison, a sign, a rounding. (The slope of `abs` holds a sign, that of `maximum` comparisons,
// so corners of a function are seen in its derivative.) All such values at one x are its branch.
// Where two samples differ in branch, bisection over the f64 numbers between them ends at two
// neighbours, and both become samples: nothing is ever drawn across a jump.
#include "pipeline/function_curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "autodiff/differentiate.h"
#include "eval/eval.h"
#include "graph/builder.h"
#include "opt/dce.h"

namespace gradus::pipeline {

namespace {

using autodiff::DerivativeProblem;

constexpr int64_t kIntervals = 800;  // of the even grid
constexpr int kBendDepth = 8;        // halvings of an interval where a curve bends
constexpr size_t kMostSamples = 40000;
constexpr size_t kMostChanges = 400;  // of branch; more cannot be told apart in a picture

// ---- derivatives ----

NodeId find_x(const Graph& graph) {
  for (size_t i = 0; i < graph.size(); ++i) {
    if (graph[NodeId(i)].op == OpKind::Input) return NodeId(i);
  }
  return NodeId();
}

/// Gradients nest: the k-th derivative is the gradient of the one before.
void add_gradients(Graph& graph, int64_t order) {
  NodeId x = find_x(graph);
  GraphBuilder g(graph);
  if (!x.valid()) {
    const TensorType scalar{DType::F64, {}};
    x = g.make(OpKind::Input, {}, {{AttrName::Name, std::string("x")}}, &scalar);
  }
  std::vector<Result> results;
  for (const Result& result : graph.results) {
    results.push_back(result);
    for (int64_t k = 0; k < order; ++k) {
      const NodeId y = results.back().value;
      g.set_span(graph[result.value].span);
      const NodeId slope = g.make(OpKind::Gradient, {y, x, g.one_like(y)});
      results.push_back({result.kind, fmt::format("{}'", results.back().name), slope});
    }
  }
  graph.results = std::move(results);
}

/// The gradient node becomes the constant 0.
void make_zero(Node& gradient) {
  gradient.op = OpKind::Constant;
  gradient.operands.clear();
  gradient.attrs = {{AttrName::Value, 0.0}};
}

void report(const std::vector<DerivativeProblem>& problems, DiagEngine& diags) {
  for (const DerivativeProblem& problem : problems) {
    if (problem.kind == DerivativeProblem::Kind::NoPath) continue;
    auto error = diags.error(Diag::NoDerivative, problem.span, problem.message);
    for (const auto& [span, note] : problem.notes) error.note(span, note);
    error.note({}, "`--order 0` plots the function alone");
  }
}

// ---- samples ----

/// Whole numbers in the order of the f64 numbers: neighbours differ by 1, both zeros are 0.
int64_t rank_of(double value) {
  const auto bits = std::bit_cast<int64_t>(value);
  return bits >= 0 ? bits : std::numeric_limits<int64_t>::min() - bits;
}

/// How many lie between a and b, a < b; as a difference of ranks it may need all 64 bits.
uint64_t numbers_between(double a, double b) {
  return static_cast<uint64_t>(rank_of(b)) - static_cast<uint64_t>(rank_of(a)) - 1;
}

double number_halfway(double a, double b) {
  const int64_t rank = rank_of(a) + static_cast<int64_t>((numbers_between(a, b) + 1) / 2);
  return std::bit_cast<double>(rank >= 0 ? rank : std::numeric_limits<int64_t>::min() - rank);
}

struct Sample {
  double x = 0;
  std::vector<double> y;
  std::vector<int64_t> branch;
};

/// Finite, NaN or one of the infinities.
int64_t kind_of(double value) {
  return std::isfinite(value) ? 0 : std::isnan(value) ? 1 : value < 0 ? 2 : 3;
}

/// Whether the value of the node is constant but for jumps.
bool is_discrete(const Node& node) {
  const OpDef& def = op_def(node.op);
  if (def.cls == OpClass::Leaf) return false;
  return !is_float(node.type.dtype) ||
         (def.cls == OpClass::Pointwise && def.differentiable != Differentiable::Yes);
}

class Sampler {
 public:
  Sampler(const Graph& graph, double from, double to) : graph_(graph), from_(from), to_(to) {
    for (size_t i = 0; i < graph.size(); ++i) {
      if (is_discrete(graph[NodeId(i)])) discrete_.push_back(NodeId(i));
    }
  }

  Curves run() {
    std::vector<Sample> grid;
    for (int64_t i = 0; i <= kIntervals; ++i) grid.push_back(at(grid_point(i)));
    for (size_t r = 0; r < graph_.results.size(); ++r) ranges_.push_back(range_of(grid, r));
    for (size_t i = 0; i + 1 < grid.size(); ++i) {
      samples_.push_back(grid[i]);
      between(grid[i], grid[i + 1], kBendDepth);
    }
    samples_.push_back(grid.back());
    return curves();
  }

 private:
  double grid_point(int64_t i) const {
    if (i == kIntervals) return to_;
    return from_ + (to_ - from_) * static_cast<double>(i) / static_cast<double>(kIntervals);
  }

  Sample at(double x) const {
    Sample sample{x, std::vector<double>(graph_.results.size(), NAN), {}};
    Environment<double> leaves;
    leaves["x"] = {.dtype = DType::F64, .sizes = {}, .floats = {x}, .integers = {}};
    try {
      const auto values = eval<double>(graph_, leaves, {});
      for (size_t r = 0; r < sample.y.size(); ++r) {
        sample.y[r] = values[graph_.results[r].value].floats[0];
      }
      for (NodeId id : discrete_) append_branch(values[id], sample.branch);
    } catch (const std::out_of_range&) {
      // An index outside of its axis: there is no value at this x.
    }
    for (size_t r = 1; r < sample.y.size(); ++r) {
      // Where a function has no value it has no slope, whatever the formula of the slope says.
      if (is_derivative(r) && std::isnan(sample.y[r - 1])) sample.y[r] = NAN;
    }
    for (double y : sample.y) sample.branch.push_back(kind_of(y));
    return sample;
  }

  bool is_derivative(size_t r) const { return graph_.results[r].name.ends_with('\''); }

  static void append_branch(const Array<double>& array, std::vector<int64_t>& branch) {
    branch.insert(branch.end(), array.integers.begin(), array.integers.end());
    // A sign of NaN is NaN: all of them are one.
    for (double v : array.floats) branch.push_back(std::isnan(v) ? -1 : rank_of(v));
  }

  // ---- ranges ----

  /// All finite values; where the curve goes to infinity, the middle nine tenths of them and some
  /// room around.
  std::pair<double, double> range_of(const std::vector<Sample>& grid, size_t r) const {
    std::vector<double> values;
    for (const Sample& sample : grid) {
      if (std::abs(sample.y[r]) < 1e300) values.push_back(sample.y[r]);
    }
    if (values.empty()) return {0, -1};
    std::ranges::sort(values);
    const double least = values.front(), most = values.back();
    const size_t tail = values.size() / 20;
    const double low = values[tail], high = values[values.size() - 1 - tail];
    const double room = 0.6 * (high - low);
    if (!is_unbounded(grid, r, high - low) || most - least < 3 * (high - low)) return {least, most};
    return {std::max(least, low - room), std::min(most, high + room)};
  }

  /// An infinity among the samples, or a change of sign between two that are far from 0: a pole.
  static bool is_unbounded(const std::vector<Sample>& grid, size_t r, double middle) {
    if (std::isinf(grid.front().y[r])) return true;
    for (size_t i = 1; i < grid.size(); ++i) {
      const double a = grid[i - 1].y[r], b = grid[i].y[r];
      // Where finiteness changes, an infinity may lie between two points of the grid.
      if (kind_of(a) != kind_of(b)) return true;
      if (a * b < 0 && std::min(std::abs(a), std::abs(b)) > middle) return true;
    }
    return false;
  }

  // ---- between two samples ----

  /// Adds the samples between a and b, which stand already.
  void between(const Sample& a, const Sample& b, int depth) {
    if (samples_.size() >= kMostSamples) return;
    if (a.branch != b.branch) return change(a, b, depth);
    const double middle = a.x + (b.x - a.x) / 2;
    if (depth == 0 || middle <= a.x || middle >= b.x) return;
    const Sample m = at(middle);
    if (!bends(a, m, b)) return;
    between(a, m, depth - 1);
    samples_.push_back(m);
    between(m, b, depth - 1);
  }

  /// The first change of branch that bisection finds, and what lies on either side of it.
  void change(const Sample& a, const Sample& b, int depth) {
    if (++changes_ > kMostChanges) return;
    Sample low = a, high = b;
    while (numbers_between(low.x, high.x) > 0) {
      Sample m = at(number_halfway(low.x, high.x));
      (m.branch == a.branch ? low : high) = std::move(m);
    }
    if (low.x > a.x) {
      between(a, low, depth);
      samples_.push_back(low);
    }
    if (high.x < b.x) {
      samples_.push_back(high);
      between(high, b, depth);
    }
  }

  /// Whether a line from a to b would be seen to miss a curve at m.
  bool bends(const Sample& a, const Sample& m, const Sample& b) const {
    if (m.branch != a.branch) return true;
    for (size_t r = 0; r < m.y.size(); ++r) {
      const auto [low, high] = ranges_[r];
      const double span = high - low;
      const bool outside =
          std::min(a.y[r], b.y[r]) > high + span || std::max(a.y[r], b.y[r]) < low - span;
      if (!std::isfinite(m.y[r]) || !(span > 0) || outside) continue;
      if (std::abs(m.y[r] - (a.y[r] / 2 + b.y[r] / 2)) > 5e-4 * span) return true;
    }
    return false;
  }

  // ---- joints ----

  Curves curves() {
    Curves out;
    for (const Sample& sample : samples_) out.x.push_back(sample.x);
    out.ranges = ranges_;
    for (size_t r = 0; r < graph_.results.size(); ++r) {
      out.y.emplace_back();
      out.joints.emplace_back();
      for (const Sample& sample : samples_) out.y.back().push_back(sample.y[r]);
      for (size_t i = 0; i + 1 < samples_.size(); ++i) {
        const bool finite = std::isfinite(samples_[i].y[r]) && std::isfinite(samples_[i + 1].y[r]);
        const bool jump = finite && jumps(r, i);
        out.joints.back().push_back(finite && !jump && !has_pole(r, i));
        if (jump && are_neighbours(i)) out.jumps.push_back({r, i, belongs_to_next(i)});
      }
    }
    return out;
  }

  bool are_neighbours(size_t i) const {
    return numbers_between(samples_[i].x, samples_[i + 1].x) == 0;
  }

  bool jumps(size_t r, size_t i) const {
    const Sample &a = samples_[i], &b = samples_[i + 1];
    if (a.branch == b.branch) return false;
    const double scale = std::max({ranges_[r].second - ranges_[r].first, std::abs(a.y[r]), 1e-300});
    return std::abs(a.y[r] - b.y[r]) > 1e-9 * scale;
  }

  /// A steep line goes through its middle; at a pole the middle lies beyond both ends.
  bool has_pole(size_t r, size_t i) const {
    const Sample &a = samples_[i], &b = samples_[i + 1];
    const double span = ranges_[r].second - ranges_[r].first;
    if (!(std::abs(a.y[r] - b.y[r]) > 0.5 * span) || a.y[r] * b.y[r] >= 0) return false;
    const double m = at(a.x + (b.x - a.x) / 2).y[r];
    return !(m >= std::min(a.y[r], b.y[r]) && m <= std::max(a.y[r], b.y[r]));
  }

  /// Of two neighbouring numbers the place of a jump is the one that is written shorter: 0 of 0 and
  /// 5e-324.
  bool belongs_to_next(size_t i) const {
    return fmt::format("{}", samples_[i + 1].x).size() < fmt::format("{}", samples_[i].x).size();
  }

  const Graph& graph_;
  double from_, to_;
  std::vector<NodeId> discrete_;
  std::vector<std::pair<double, double>> ranges_;
  std::vector<Sample> samples_;
  size_t changes_ = 0;
};

}  // namespace

std::optional<Graph> add_derivatives(const Graph& functions, int64_t order, DiagEngine& diags) {
  Graph wanted = functions;
  add_gradients(wanted, order);
  while (true) {
    Graph joint = wanted;
    std::vector<DerivativeProblem> problems;
    autodiff::differentiate(joint, problems);
    if (problems.empty()) {
      opt::dce(joint);
      return joint;
    }
    report(problems, diags);
    if (diags.has_errors()) return std::nullopt;
    for (const DerivativeProblem& problem : problems) make_zero(wanted[problem.gradient]);
  }
}

Curves sample_curves(const Graph& joint, double from, double to) {
  return Sampler(joint, from, to).run();
}

}  // namespace gradus::pipeline
