// The data block made real: files opened, rows split, constants fitted, arrays filled.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "driver/options.h"
#include "driver/session.h"
#include "runtime/data/dataset.h"
#include "runtime/data/split.h"
#include "runtime/file_error.h"

namespace gradus::driver {

struct BoundData {
  runtime::Dataset dataset;
  runtime::Split split;        // over the dataset's rows
  runtime::Fitted fitted;
  std::set<std::string> whole; // inputs without `batch`: all their rows are given to every step
  bool windows = false;        // rows are windows: those that are held out do not overlap
  int64_t source_rows = 0;     // rows of the main sources, which the split was drawn over
  int64_t rows = 0;            // with those of files for validation and test
  double validation_share = 0, test_share = 0;  // drawn from them
  std::optional<int64_t> kept_rows;             // of the split kept with the weights, where these are other data: nothing is split
};

/// What saved weights know of the data they were trained on.
struct SavedData {
  std::string path;            // of the weights, for messages
  runtime::Fitted fitted;
  uint64_t seed = 0;
  int64_t rows = 0;            // of the sources that were split
  std::optional<double> validation_share, test_share;  // as the split was drawn, whatever the model file says now
  int64_t batch = 0;           // rows of a step; 0: the file does not say it
  bool same_run = false;       // the run itself goes on: its split holds for files given by --data too
};

/// The kind of message for a file's problem; `fallback` where the problem is the content as a whole.
Diag diag_of(runtime::FileProblem problem, Diag fallback);

/// Opens the sources of `inputs` (names), splits by `seed` and fits on the training part, or takes both from
/// `saved`. With `whole`, every row of the sources is read and nothing is split. Throws CommandError.
BoundData bind_data(Session& session, const Options& options, const std::vector<std::string>& inputs,
                    uint64_t seed, const SavedData* saved, bool whole);

}  // namespace gradus::driver
