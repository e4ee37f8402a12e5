// Strides without a vector of their own, for whoever asks for them often.
#pragma once

#include <span>

#include "tensor/type.h"

namespace gradus {

/// As memory_strides of type.h, into `strides`: one for each dimension.
void write_memory_strides(std::span<const Dim> shape, std::span<int64_t> strides);

}  // namespace gradus
