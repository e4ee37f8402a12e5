#include "cluster/space_line.h"

#include <algorithm>

#include "tensor/strides.h"

namespace gradus {

namespace {

/// The dimension of `shape` in which a step of `stride` elements moves; nothing where all are 1.
std::optional<size_t> dim_moved(std::span<const Dim> shape, std::span<const int64_t> strides,
                                int64_t stride) {
  std::optional<size_t> best;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].is_one() || strides[i] > stride) continue;
    if (!best || strides[i] > strides[*best]) best = i;
  }
  return best;
}

}  // namespace

Dim times(Dim a, Dim b) { return {a.value * b.value, a.batch || b.batch}; }

Dim count_of(std::span<const Dim> shape) {
  Dim count;
  for (Dim dim : shape) count = times(count, dim);
  return count;
}

Steps memory_steps(std::span<const Dim> shape) {
  Steps steps(shape.size());
  write_memory_strides(shape, steps);
  return steps;
}

Dim Frame::kept_count() const {
  Dim count;
  for (size_t i = 0; i < shape->size(); ++i) {
    if (!folded[i]) count = times(count, (*shape)[i]);
  }
  return count;
}

// Line.

Line::Line(const ClusterSpace& space) {
  for (size_t j = 0; j < space.extents.size(); ++j) push_back(space.extents[j], space.folded[j]);
  number();
}

void Line::number() {
  int64_t full = 1, kept = 1;
  for (size_t j = dims_.size(); j-- > 0;) {
    LineDim& dim = dims_[j];
    const bool moves = !dim.extent.is_one();
    dim.full = moves ? full : 0;
    dim.kept = moves && !dim.folded ? kept : 0;
    full *= dim.extent.value;
    if (!dim.folded) kept *= dim.extent.value;
    const LineDim* inner = j + 1 < dims_.size() ? &dims_[j + 1] : nullptr;
    dim.joins = inner && inner->folded == dim.folded && !inner->extent.batch;
  }
}

void Line::part_at(std::span<const int64_t> ends) {
  int64_t elements = 1;
  for (size_t j = dims_.size(); j-- > 1;) {
    elements *= dims_[j].extent.value;
    if (std::ranges::find(ends, elements) != ends.end()) dims_[j - 1].joins = false;
  }
}

void Line::part_by(std::span<const int64_t> steps) {
  for (size_t j = 0; j + 1 < dims_.size(); ++j) {
    if (steps[j] != steps[j + 1] * dims_[j + 1].extent.value) dims_[j].joins = false;
  }
}

Steps Line::project(Level level, std::span<const Dim> shape,
                    std::span<const int64_t> values) const {
  const Steps dense = memory_steps(shape);
  Steps steps(dims_.size(), 0);
  for (size_t j = 0; j < dims_.size(); ++j) {
    const int64_t elements = own(j, level);
    if (elements == 0) continue;
    if (const auto dim = dim_moved(shape, dense, elements)) {
      steps[j] = values[*dim] * (elements / dense[*dim]);
    }
  }
  return steps;
}

bool Line::folds_like(std::span<const Dim> shape, const Flags& folded) const {
  const Steps dense = memory_steps(shape);
  return std::ranges::all_of(dims_, [&](const LineDim& line) {
    if (line.full == 0) return true;
    const auto dim = dim_moved(shape, dense, line.full);
    return dim && folded[*dim] == line.folded;
  });
}

ClusterSpace Line::finest() const {
  ClusterSpace space;
  for (const LineDim& dim : dims_) {
    space.extents.push_back(dim.extent);
    space.folded.push_back(dim.folded);
  }
  return space;
}

ClusterSpace Line::coarsest() const {
  ClusterSpace space;
  for (size_t j = 0; j < dims_.size(); ++j) {
    if (j > 0 && dims_[j - 1].joins) {
      space.extents.back() = times(space.extents.back(), dims_[j].extent);
    } else {
      space.extents.push_back(dims_[j].extent);
      space.folded.push_back(dims_[j].folded);
    }
  }
  return space;
}

bool Line::joins_to(const Shape& shape) const {
  size_t j = 0;
  for (Dim wanted : shape) {
    if (wanted.is_one()) continue;
    if (j >= dims_.size()) return false;
    Dim extent = dims_[j].extent;
    for (; extent != wanted; ++j) {
      if (!dims_[j].joins) return false;
      extent = times(extent, dims_[j + 1].extent);
    }
    ++j;
  }
  return j == dims_.size();
}

// Cuts.

Cuts::Cuts(const Frame& frame) : frame_(frame), frame_steps_(memory_steps(*frame.shape)) {
  add(1);
  for (size_t i = 0; i < frame_steps_.size(); ++i) {
    if (!(*frame_.shape)[i].is_one()) add(frame_steps_[i]);
  }
}

void Cuts::add(int64_t at) {
  const auto place = std::ranges::lower_bound(at_, at);
  if (place == at_.end() || *place != at) at_.insert(place, at);
}

void Cuts::add_full(const Shape& shape) {
  if (shape == *frame_.shape) return;
  const Steps steps = memory_steps(shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!shape[i].is_one()) add(steps[i]);
  }
}

void Cuts::add_kept(const Shape& shape) {
  const Steps steps = memory_steps(shape);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (!shape[i].is_one()) add(stretched(steps[i]));
  }
}

int64_t Cuts::stretched(int64_t kept_step) const {
  ShortVector<Dim, 8> kept(frame_.shape->begin(), frame_.shape->end());
  for (size_t i = 0; i < kept.size(); ++i) {
    if (frame_.folded[i]) kept[i] = Dim{};
  }
  const Steps kept_steps = memory_steps(kept);
  const auto dim = dim_moved(kept, kept_steps, kept_step);
  return dim ? frame_steps_[*dim] * (kept_step / kept_steps[*dim]) : kept_step;
}

bool Cuts::is_folded(int64_t step) const {
  const auto dim = dim_moved(*frame_.shape, frame_steps_, step);
  return dim && frame_.folded[*dim];
}

std::optional<Line> Cuts::line() const {
  const Dim total = count_of(*frame_.shape);
  Line line;
  bool folds = false;
  int64_t outer = total.value;
  for (size_t i = at_.size(); i-- > 0;) {
    if (outer % at_[i] != 0) return std::nullopt;
    const Dim extent{outer / at_[i], i + 1 == at_.size() && total.batch};
    outer = at_[i];
    if (extent.is_one()) continue;
    line.push_back(extent, is_folded(at_[i]));
    folds |= is_folded(at_[i]);
  }
  // A dimension of 1 is no dimension of the line; a fold over one element still needs its loop.
  if (frame_.folds() && !folds) line.push_back(Dim{}, true);
  line.number();
  return line;
}

}  // namespace gradus
