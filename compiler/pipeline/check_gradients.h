// The gradient of the loss against finite differences in f64, and the generated code's gradient against
// the f64 one. Both are taken a little beside the parameters' first values, so that zeros are not special;
// at these values themselves, where training begins, the gradient has to be finite. Where they disagree, the operator whose rule is wrong is found by checking each row alone, and the
// function whose custom vjp is wrong by checking each call alone.
#pragma once

#include <string>
#include <vector>

#include "codegen/codegen.h"
#include "lang/model.h"
#include "pipeline/check_custom_vjps.h"
#include "pipeline/compare_differences.h"
#include "support/diag.h"
#include "support/target.h"

namespace gradus::pipeline {

struct GradientCheckOptions {
  int64_t rows = 8;
  uint64_t seed = 0;
  int entries = 32;     // sampled per tensor
  int directions = 4;   // random directions per tensor
  std::vector<std::string> trusted;  // functions whose custom vjp differs from the body's on purpose
  codegen::JitOptions jit = {};
};

struct TensorCheck {
  std::string path;
  DifferenceReport differences = {};
  double jit_error = 0;  // ||f32 - f64|| / ||f64||; where f64 is 0 but for rounding, over the whole gradient
  bool trusted = false;  // its gradient goes through a trusted function: not compared with differences
  bool jit_agrees = true;
};

struct GradientReport {
  std::vector<TensorCheck> tensors;
  std::vector<std::string> wrong_operators;  // rows whose vjp fails, by name
  std::vector<CustomVjp> wrong_functions;  // whose custom vjp fails
  std::vector<std::string> not_finite_at_start;  // parameters whose gradient is not finite where training begins
  std::vector<std::string> notes;
  int evaluations = 0;  // of the loss, for differences
  double loss = 0;      // where everything is compared; not finite: nothing is
  bool agrees() const;  // every tensor
  bool passed() const;
};

/// Bounds: central differences |d - g| <= 1e-5 + 1e-3 |g|; generated code ||f32 - f64|| <= 1e-5 ||f64||
/// (1e-4 where the tensor's own sums cancel, said in a note).
GradientReport check_gradients(const lang::Model& model, const Target& target,
                               const GradientCheckOptions& options, DiagEngine& diags);

}  // namespace gradus::pipeline
