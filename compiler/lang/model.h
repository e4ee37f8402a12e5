// What elaboration makes of a model file: one graph per use, the tables of parameters, states and
// inputs, and what the `data` and `train` blocks say.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "support/diag.h"

namespace gradus::lang {

/// A parameter of the model, or a state: of the model (running means) or of an optimizer (Adam's
/// moments, whose path is the parameter's path, then "@", then the state's name: "fc.w@m"). With
/// `average =` in the train block each trained parameter has a state "fc.w@average", which evaluation
/// and prediction read in place of the parameter; weights are saved and loaded under the parameter's path.
struct Variable {
  std::string path;
  TensorType type;
  bool is_state = false;
  bool of_optimizer = false;  // needed by training alone
  bool frozen = false;
  Span span;
  std::string average_of;     // the parameter whose average this is
};

/// An input of the model, in order of declaration.
struct ModelInput {
  std::string name;
  TensorType type;  // a batch input has `batch` first
  Span span;
  /// i32 inputs that index an axis: its size (labels, tokens); 0 where none. For random data and for
  /// the range check of the generated code.
  int64_t index_limit = 0;
};

/// One metric over a whole pass: accumulators from the evaluate graph's Accumulate results by name,
/// and the graph that makes the metric's value of them. Inputs of `finish` are f64[] (f64[3] of
/// moments) named as the accumulators; "rows" is the number of rows of the pass. Its results are outputs named as metrics.
struct MetricFinish {
  std::vector<std::string> metrics;
  Graph finish;
};

// ---- data block ----

/// What an option of a source says: true is 1, a list of words is a list even of one.
using DataOption = std::variant<double, std::string, std::vector<std::string>>;
using DataOptions = std::map<std::string, DataOption>;

/// An expression of the data block: a tree as written. Calls keep their name: "csv" sources are
/// resolved, so leaves are numbers, column selections and whole arrays.
struct DataExpr {
  enum class Kind { Number, Columns, Array, Unary, Binary, Call };
  Kind kind = Kind::Number;
  Span span;
  double number = 0;
  /// Columns of the one table: positions [from, to) or names, in order. `single`: no column axis.
  struct Selection {
    std::optional<std::string> column;
    int64_t from = 0, to = 0;
  };
  std::vector<Selection> columns;
  bool single = false;
  bool window = false;                 // `window[...]`: time first, `from`/`to` in time_from/time_to
  int64_t time_from = 0, time_to = 0;
  /// Operator sign; Call: log standardize minmax fill_missing category; Array: idx, npy (option
  /// "path", and "validation", "test" where given) or linspace (options "from", "to", "count").
  std::string name;
  std::vector<DataExpr> operands;
  DataOptions options;  // "path", "validation", "test", "array", "unknown", "with" ...
};

struct DataSource {
  std::string kind;  // csv, text
  std::string path;
  DataOptions options;  // validation:, test:, window:, stride:, encoding:, header:, separator:, decimal:, missing:
  Span span;
};

struct DataBinding {
  std::string input;
  DataExpr value;
  Span span;
};

struct DataBlock {
  std::optional<DataSource> from;
  std::vector<DataBinding> bindings;
  double validation_share = 0;
  double test_share = 0;
  bool shuffle = true;
};

// ---- train block ----

struct EarlyStopping {
  int64_t patience = 10;
  double min_delta = 0;
  std::string monitor;  // empty: validation loss (training loss without a validation part)
  bool maximize = false;
};

struct TrainBlock {
  int64_t batch = 32;
  int64_t epochs = 0;   // 0: not given
  int64_t steps = 0;    // 0: not given
  uint64_t seed = 0;
  int64_t validate_every = 0;
  std::optional<bool> restore_best_weights;
  std::optional<EarlyStopping> early_stopping;
  /// `optimizer`, `gradient`, `average`, `group` and `freeze` as they are written, blanks made one: what a
  /// run that goes on compares with what it was begun with.
  std::map<std::string, std::string> texts;
};

/// An index that is computed where it could leave its axis: the step checks it, under its number.
struct ComputedIndex {
  Span span;          // in the user's text
  int64_t limit = 0;  // it is to be below
  bool of_rows = false;
  friend bool operator==(const ComputedIndex&, const ComputedIndex&) = default;
};

struct Model {
  std::string name;
  bool has_batch = true;             // some input has `batch`; else a step is an epoch
  std::vector<Variable> variables;   // parameters and states, in order of creation
  std::vector<ModelInput> inputs;
  std::vector<std::string> outputs;
  std::vector<std::string> metrics;
  bool has_loss = false;

  Graph init;        // no inputs; update "path" for every variable (also of the optimizer)
  Graph train;       // loss, update "path" per trained parameter and state; Source stage
  Graph evaluate;    // training = false: loss, accumulate_* for the metrics
  Graph predict;     // training = false: outputs
  MetricFinish metric_finish;
  std::vector<ComputedIndex> computed_indices;  // by the numbers of the graphs' checks

  DataBlock data;
  bool has_data = false;
  TrainBlock train_block;
};

struct ElaborateOptions {
  std::map<std::string, std::string> constants;      // --set NAME=VALUE
  std::optional<double> rate;                        // --rate: the optimizer's `rate` argument
  std::vector<std::string> outputs;                  // --output: these only; empty: all
  bool numbers_keep_digits = false;                  // f32 constants hold f64, for what is widened after
  bool f64_parameters = false;                       // for checks of derivatives: nothing trains these
};

/// Parses and elaborates the file `file` of `sources` (which gets the library's files and includes as
/// well). Nothing where `diags` has errors.
std::optional<Model> load_model(SourceMap& sources, int32_t file, const ElaborateOptions& options,
                                DiagEngine& diags);

/// The syntax tree as text, for --emit=ast.
std::optional<std::string> print_ast(SourceMap& sources, int32_t file, DiagEngine& diags);

/// The standard library's files: name and text.
struct LibraryFile {
  std::string_view name;
  std::string_view text;
};
std::vector<LibraryFile> library_files();

}  // namespace gradus::lang
