// Gradients against central differences of the loss in f64. A comparison moves many tensors at once, so
// that most of the work does not grow with the number of tensors; where it fails, each half of them is
// compared, down to one tensor alone.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "eval/eval.h"
#include "pipeline/random_data.h"

namespace gradus::pipeline {

struct DifferenceReport {
  int entries = 0;     // single elements that were moved
  int directions = 0;  // random directions along which the whole tensor was moved
  int kinks = 0;       // places where one-sided derivatives differ: not compared
  double worst = 0;    // largest |difference - derivative| / (1 + |derivative|) of its moves
  bool agrees = true;  // |difference - derivative| <= 1e-5 + 1e-3 |derivative| in each move
};

struct ComparedTensor {
  std::string path;  // of a parameter
  const std::vector<double>* gradient = nullptr;
  DifferenceReport found = {};
};

/// `loss` has one result; `values` are those of all its nodes at `leaves`.
struct DifferencedLoss {
  const Graph& graph;
  const Environment<double>& leaves;
  const IdVector<NodeId, Array<double>>& values;
  const EvalContext& context;
};

/// Fills in what is found: up to `entries` elements of each tensor, and `directions` random directions.
/// Answers how often the loss was evaluated: twice a round where all agree.
int compare_differences(const DifferencedLoss& loss, std::span<ComparedTensor> tensors, int entries,
                        int directions, Random& random);

}  // namespace gradus::pipeline
