// The whole state of training in one safetensors file: variables with the optimizer's, the best
// weights, the step, patience and history.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/train/loop.h"
#include "runtime/train/safetensors.h"

namespace gradus::runtime {

/// The file's bytes. `metadata` (graph hash, split, fitted constants) is kept beside the state's
/// own.
std::string write_checkpoint(const TrainingState& state, const std::vector<NamedTensor>& variables,
                             std::map<std::string, std::string> metadata);

/// Reads it back into `variables` and a state. Throws FileError where it does not fit.
TrainingState read_checkpoint(const SafetensorsFile& file,
                              const std::vector<NamedTensor>& variables);

}  // namespace gradus::runtime
