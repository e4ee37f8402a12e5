// What the training loop asks of a compiled model. The loop knows nothing of the compiler.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gradus::runtime {

/// A parameter or state in memory.
struct NamedTensor {
  std::string path;
  std::string dtype;  // as in safetensors: F32 ...
  std::vector<int64_t> sizes;
  std::span<std::byte> bytes;
  bool of_optimizer = false;  // not part of the weights file
};

struct StepPosition {
  int64_t step = 1;   // from 1
  int64_t steps = 1;  // planned
  int64_t epoch = 1;  // from 1
};

struct Evaluation {
  double loss = 0;              // mean over all rows
  std::vector<double> metrics;  // in the order of Stepper::metric_names
};

class Stepper {
 public:
  virtual ~Stepper() = default;
  /// One training step on these rows of the data set; the loss of the step.
  virtual double train(std::span<const int64_t> rows, const StepPosition& position) = 0;
  /// Loss and metrics over these rows, in batches.
  virtual Evaluation evaluate(std::span<const int64_t> rows) = 0;
  virtual std::vector<NamedTensor> variables() = 0;
  virtual std::vector<std::string> metric_names() const = 0;
};

}  // namespace gradus::runtime
