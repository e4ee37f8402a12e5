// Weights files: which tensors, and what is said beside them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "driver/bind_data.h"
#include "driver/session.h"
#include "pipeline/step_runner.h"
#include "runtime/train/safetensors.h"
#include "runtime/train/step.h"

namespace gradus::driver {

/// Whether the path is that of a parameter's average.
bool is_average(const lang::Model& model, const std::string& path);
/// The model's variables in the store, with what safetensors wants to know.
std::vector<runtime::NamedTensor> named_tensors(const lang::Model& model, const pipeline::VariableStore& store);

/// Metadata: the model's name, a hash of paths and types, seed, batch, rows and shares of the split, fitted constants.
std::map<std::string, std::string> weights_metadata(const lang::Model& model, const BoundData& data, uint64_t seed,
                                                    int64_t batch);
/// What the file says of its data; throws CommandError where that does not read.
SavedData saved_data(Session& session, const runtime::SafetensorsFile& file, const std::string& path);

/// Reads the file; throws CommandError with a message.
runtime::SafetensorsFile open_weights(Session& session, const std::string& path);
/// The file's bytes: parameters (their averages where they have some) and the model's own states.
std::string weights_bytes(const lang::Model& model, const std::vector<runtime::NamedTensor>& tensors,
                          const std::map<std::string, std::string>& metadata);

}  // namespace gradus::driver
