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

/// What of the optimizer's states that the file does not have: another optimizer has others.
enum class OtherStates { Refuse, BeginAnew };

/// Reads it back into `variables` and a state. Throws FileError where it does not fit.
TrainingState read_checkpoint(const SafetensorsFile& file,
                              const std::vector<NamedTensor>& variables,
                              OtherStates others = OtherStates::Refuse);

}  // namespace gradus::runtime
