// Whether what is about to be kept is made of numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/train/step.h"

namespace gradus::runtime {

struct NotFinite {
  std::string path;     // of the tensor
  int64_t element = 0;  // its first that is not finite
  double value = 0;     // which is NaN or infinite
};

/// The first element of a float tensor (`dtype` as in safetensors: F32, F64) that is not finite;
/// with `nan_only` infinity is let through.
std::optional<NotFinite> find_not_finite(const std::string& path, const std::string& dtype,
                                         std::span<const std::byte> bytes, bool nan_only = false);

/// Looks through variables again and again. What holds infinity from the start may hold it, as a
/// running maximum does that begins at -inf, and so may the optimizer's states; NaN nothing may.
class FiniteCheck {
 public:
  explicit FiniteCheck(const std::vector<NamedTensor>& at_start);
  std::optional<NotFinite> operator()(const std::vector<NamedTensor>& variables) const;

 private:
  std::vector<bool> may_be_infinite_;
};

}  // namespace gradus::runtime
