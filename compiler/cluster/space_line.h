// The line of a space: all its points as they lie in memory, cut into dimensions.
//
//   frame      [batch,64,512]       cut at 1, 512, 32768:         batch | 64 | 512
//   a member   [batch,4,16,512]     cut at 8192 too:              batch | 4 | 16 | 512
//
// Neighbours that every access steps over as over one are joined again.
#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "cluster/cluster_space.h"
#include "support/short_vector.h"

namespace gradus {

/// A step for each dimension. Spaces have few dimensions, and are found often: theirs stand in
/// place.
using Steps = ShortVector<int64_t, 8>;
using Flags = ShortVector<bool, 8>;

Dim times(Dim a, Dim b);
Dim count_of(std::span<const Dim> shape);
/// As memory_strides.
Steps memory_steps(std::span<const Dim> shape);

/// The shape whose line it is (a node's), and which of its dimensions are folded.
struct Frame {
  const Shape* shape;
  Flags folded;

  explicit Frame(const Shape& whole) : shape(&whole), folded(whole.size(), false) {}
  explicit Frame(const Shape&&) = delete;
  bool folds() const { return std::ranges::find(folded, true) != folded.end(); }
  Dim kept_count() const;
};

struct LineDim {
  Dim extent;
  bool folded;
  bool joins;    // with the next inner one, as far as accesses have been seen
  int64_t full;  // elements to the next along the line of all points
  int64_t kept;  // and along that of the dimensions that are not folded, 0 in the others
};

class Line {
 public:
  Line() = default;
  explicit Line(const ClusterSpace& space);

  size_t size() const { return dims_.size(); }
  const LineDim& operator[](size_t j) const { return dims_[j]; }
  int64_t own(size_t j, Level level) const {
    return level == Level::Full ? dims_[j].full : dims_[j].kept;
  }
  /// `values[d]` a step along dimension d of `shape`, whose line this is at `level`.
  Steps project(Level level, std::span<const Dim> shape, std::span<const int64_t> values) const;

  /// Appends an inner dimension.
  void push_back(Dim extent, bool folded) { dims_.push_back({extent, folded, false, 0, 0}); }
  /// Once all dimensions are there: their elements; neighbours join that one loop could run over.
  void number();
  /// Neighbours do not join between items of so many elements.
  void part_at(std::span<const int64_t> ends);
  /// Neighbours do not join that this access does not step over as over one.
  void part_by(std::span<const int64_t> steps);

  /// As it is cut, and with neighbours joined.
  ClusterSpace finest() const;
  ClusterSpace coarsest() const;
  /// Whether the dimensions of `shape`, which has all points, are folded where those of the line
  /// are.
  bool folds_like(std::span<const Dim> shape, const Flags& folded) const;
  /// Whether neighbours join to dimensions of these extents.
  bool joins_to(const Shape& shape) const;

 private:
  ShortVector<LineDim, 8> dims_;  // outermost first
};

/// Where a line must be cut: products of inner extents, in elements of the whole line.
class Cuts {
 public:
  explicit Cuts(const Frame& frame);

  size_t size() const { return at_.size(); }
  void add(int64_t at);
  /// The dimensions of a shape of as many elements as the frame's.
  void add_full(const Shape& shape);
  /// A shape of the kept dimensions: its steps are stretched over the folded ones.
  void add_kept(const Shape& shape);
  /// The finest dimensions; nothing where cuts cross.
  std::optional<Line> line() const;

 private:
  bool is_folded(int64_t step) const;
  int64_t stretched(int64_t kept_step) const;

  Frame frame_;
  Steps frame_steps_;
  Steps at_;  // ascending
};

}  // namespace gradus
