// What each layer of a model costs and keeps, from graphs and plans: the table of `gradus show`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lang/model.h"
#include "pipeline/compile_model.h"

namespace gradus::pipeline {

/// A call of a library or built-in function in the user's files, or what a function of the user's
/// (the model itself, too) computes by operators. Launches of several layers count for that of their dearest
/// operator, backward and update included.
struct Layer {
  std::string name;
  std::optional<TensorType> type;  // of the value that it hands on
  int64_t parameters = 0;
  double flop = 0;            // of a training step of `LayerTable::rows`; else of a prediction
  std::vector<int64_t> kept;  // bytes kept for the backward pass, for each batch
};

struct BatchMemory {
  int64_t batch = 0;
  int64_t kept = 0;
  int64_t training_arena = 0, training_scratch = 0;  // scratch of one thread
  int64_t prediction_arena = 0, prediction_scratch = 0;
};

struct LayerTable {
  int64_t rows = 0;
  bool trains = false, predicts = false;  // the model has a loss, outputs
  std::vector<Layer> layers = {};         // in the order of the model
  std::vector<BatchMemory> memory = {};   // for each batch
  int64_t parameters = 0;                 // how many
  int64_t variable_bytes = 0;             // of parameters and of the model's own states
  int64_t optimizer_bytes = 0;
};

/// Each batch is planned by itself. FLOP are those of the model's own batch where `batches` has it,
/// else of the first. Nothing where `diags` has errors.
std::optional<LayerTable> make_layer_table(const lang::Model& model, const SourceMap& sources,
                                           const std::vector<int64_t>& batches,
                                           const Target& target, DiagEngine& diags);

}  // namespace gradus::pipeline
