// Weights into the model's variables, by path and shape. What does not fit is told in pairs, never guessed.
#pragma once

#include <string>
#include <vector>

#include "driver/session.h"
#include "pipeline/step_runner.h"
#include "runtime/train/safetensors.h"

namespace gradus::driver {

struct LoadOptions {
  std::vector<std::string> rename;  // OLD=NEW: a path, or all that begins with it and a dot
  bool partial = false;             // what is missing keeps its values, what is left over is not read
};

/// Copies the weights (without the optimizer's state) into the store. Throws CommandError with a message that lists
/// what is missing and what is left over. With `partial` the paths that were not loaded are returned.
std::vector<std::string> load_weights(Session& session, const runtime::SafetensorsFile& file, const std::string& path,
                                      const pipeline::VariableStore& store, const LoadOptions& options = {});

}  // namespace gradus::driver
