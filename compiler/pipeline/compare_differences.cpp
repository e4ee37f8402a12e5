// A round moves each tensor once: round r takes the r-th chosen element of every tensor that has one,
// later rounds a random direction of each.
//
// Moving tensors together loses no error: each by a random share between a half and the whole of its
// own move, of random sign, so errors do not cancel but by chance; and the bound of the sum is half the
// smallest bound of a tensor alone.
#include "pipeline/compare_differences.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <set>

namespace gradus::pipeline {

namespace {

/// One tensor's part of a round.
struct Move {
  ComparedTensor* tensor;
  std::vector<double> direction;
  double derivative;  // along the direction, by the gradient
  double share;       // of the direction, where others move too
};

double bound(double derivative) { return 1e-5 + 1e-3 * std::abs(derivative); }

class Comparison {
 public:
  explicit Comparison(const DifferencedLoss& loss) : loss_(loss) {}

  int evaluations() const { return evaluations_; }
  void compare(std::span<const Move> moves) {
    if (moves.empty()) return;
    if (moves.size() == 1) return compare_alone(moves[0]);
    if (agree_together(moves)) return;
    compare(moves.first(moves.size() / 2));
    compare(moves.subspan(moves.size() / 2));
  }

 private:
  struct Pair {
    double above, below;
  };
  /// Deferred, so done by whoever waits, where the system gives no thread.
  static constexpr std::launch kOwnThread = std::launch::async | std::launch::deferred;
  /// The loss on both sides, each on a thread of its own where the system gives one.
  Pair losses_at(std::span<const Move> moves, double h) {
    evaluations_ += 2;
    auto above = std::async(kOwnThread, [&] { return loss_at(moves, h); });
    const double below = loss_at(moves, -h);
    return {above.get(), below};
  }

  /// The loss where every tensor has moved by h times its share of its direction.
  double loss_at(std::span<const Move> moves, double h) const {
    Environment<double> moved;
    for (const Move& move : moves) {
      Array<double>& x = moved[move.tensor->path] = loss_.leaves.at(move.tensor->path);
      const double by = moves.size() == 1 ? h : h * move.share;
      for (size_t i = 0; i < x.floats.size(); ++i) x.floats[i] += by * move.direction[i];
    }
    return eval_moved(loss_.graph, loss_.values, moved, result(), loss_.context).floats[0];
  }
  NodeId result() const { return loss_.graph.results[0].value; }

  bool agree_together(std::span<const Move> moves) {
    constexpr double h = 1e-5;
    double derivative = 0, smallest = INFINITY;
    for (const Move& move : moves) {
      derivative += move.share * move.derivative;
      smallest = std::min(smallest, bound(move.derivative));
    }
    const auto [above, below] = losses_at(moves, h);
    const double central = (above - below) / (2 * h);
    const double error = std::abs(central - derivative);
    if (!(error <= smallest / 2)) return false;
    for (const Move& move : moves) {
      move.tensor->found.worst = std::max(move.tensor->found.worst, error / (1 + std::abs(move.derivative)));
    }
    return true;
  }

  /// With differences of shrinking width; tells kinks apart: there the one-sided differences disagree,
  /// as a wrong rule's never do.
  void compare_alone(const Move& move) {
    const std::span<const Move> alone(&move, 1);
    const double derivative = move.derivative, at = loss_.values[result()].floats[0];
    double best = INFINITY;
    bool kink = false, agrees = false;
    for (double h : {1e-5, 1e-6, 1e-4}) {
      const auto [above, below] = losses_at(alone, h);
      const double central = (above - below) / (2 * h);
      const double right = (above - at) / h, left = (at - below) / h;
      best = std::min(best, std::abs(central - derivative) / (1 + std::abs(derivative)));
      agrees = std::abs(central - derivative) <= bound(derivative);
      if (agrees) break;
      kink |= std::abs(right - left) > 1e-2 * (1e-3 + std::abs(central));
    }
    if (!agrees && kink) {
      ++move.tensor->found.kinks;
      return;
    }
    move.tensor->found.worst = std::max(move.tensor->found.worst, best);
    move.tensor->found.agrees &= agrees;
  }

  const DifferencedLoss& loss_;
  int evaluations_ = 0;
};

/// Between a half and 1, of random sign.
double random_share(Random& random) {
  const double size = 0.5 + 0.5 * random.uniform();
  return random.uniform() < 0.5 ? -size : size;
}

Move move_entry(ComparedTensor& tensor, int64_t entry, Random& random) {
  const auto at = static_cast<size_t>(entry);
  Move move{&tensor, std::vector<double>(tensor.gradient->size(), 0.0), (*tensor.gradient)[at],
            random_share(random)};
  move.direction[at] = 1;
  ++tensor.found.entries;
  return move;
}

Move move_all(ComparedTensor& tensor, Random& random) {
  Move move{&tensor, std::vector<double>(tensor.gradient->size()), 0, random_share(random)};
  double squares = 0;
  for (double& d : move.direction) {
    d = 2 * random.uniform() - 1;
    squares += d * d;
  }
  for (size_t i = 0; i < move.direction.size(); ++i) {
    move.direction[i] /= std::sqrt(squares);
    move.derivative += move.direction[i] * (*tensor.gradient)[i];
  }
  ++tensor.found.directions;
  return move;
}

std::vector<int64_t> choose_entries(size_t size, int entries, Random& random) {
  const auto count = static_cast<int64_t>(size);
  std::set<int64_t> chosen;
  while (static_cast<int64_t>(chosen.size()) < std::min<int64_t>(entries, count)) {
    chosen.insert(random.below(count));
  }
  return {chosen.begin(), chosen.end()};
}

}  // namespace

int compare_differences(const DifferencedLoss& loss, std::span<ComparedTensor> tensors, int entries,
                        int directions, Random& random) {
  Comparison comparison(loss);
  std::vector<std::vector<int64_t>> chosen;
  for (const ComparedTensor& tensor : tensors) {
    chosen.push_back(choose_entries(tensor.gradient->size(), entries, random));
  }
  for (int round = 0; round < entries + directions; ++round) {
    std::vector<Move> moves;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const auto entry = static_cast<size_t>(round);
      if (round >= entries) moves.push_back(move_all(tensors[i], random));
      else if (entry < chosen[i].size()) moves.push_back(move_entry(tensors[i], chosen[i][entry], random));
    }
    comparison.compare(moves);
  }
  return comparison.evaluations();
}

}  // namespace gradus::pipeline
