// Inputs become expressions, once for the main files and once for each part with files of its own; parts
// follow one another in the data set.
#include "driver/bind_data.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driver/data_binder.h"
#include "driver/fitted_expressions.h"
#include "runtime/file_error.h"

namespace gradus::driver {

namespace {

using runtime::DataExpression;
using runtime::Rows;

runtime::ElementKind element_kind(DType dtype) {
  switch (dtype) {
    case DType::Bool: return runtime::ElementKind::Bool;
    case DType::I32: return runtime::ElementKind::Int32;
    case DType::I64: return runtime::ElementKind::Int64;
    case DType::F32: return runtime::ElementKind::Float32;
    case DType::F64: return runtime::ElementKind::Float64;
  }
  return runtime::ElementKind::Float32;
}

bool has_batch(const lang::ModelInput& input) { return !input.type.shape.empty() && input.type.shape[0].batch; }

std::string sizes_text(const std::vector<int64_t>& sizes) { return fmt::format("[{}]", fmt::join(sizes, ", ")); }

/// The row of a batch input has the sizes that its type says, or these merged or parted in their order; any other
/// input is given whole.
void check_sizes(Session& session, const lang::ModelInput& input, const DataExpression& expression) {
  const bool rows = has_batch(input);
  std::vector<int64_t> expected, found = expression.row_sizes();
  for (const Dim& dim : std::span(input.type.shape).subspan(rows ? 1 : 0)) expected.push_back(dim.value);
  if (!rows) found.insert(found.begin(), std::max<int64_t>(expression.rows(), 1));
  if (runtime::same_order(found, expected)) return;
  int64_t count = std::accumulate(found.begin(), found.end(), int64_t{1}, std::multiplies<>());
  int64_t wanted = element_count(input.type.shape, 1);
  std::string message = fmt::format("input `{}` is {}, {} numbers{}; its data have {}", input.name, to_string(input.type), wanted,
                                    rows ? " a row" : "", count);
  if (count == wanted) {
    message = fmt::format("input `{}` is {}; its data are {}{}, as many numbers in another order; declare it as they are, and "
                          "`permute` or `reshape` it in the model",
                          input.name, to_string(input.type), rows ? "rows of " : "", sizes_text(found));
  }
  session.diags.error(Diag::DataMismatch, input.span, message);
  session.stop_on_errors();
}

/// Rows of all inputs agree within a part.
class PartRows {
 public:
  void add(const std::string& input, int64_t rows) {
    if (!first_.empty() && rows != rows_) {
      throw runtime::FileError(fmt::format("inputs `{}` and `{}` have {} and {} rows", first_, input, rows_, rows));
    }
    first_ = input;
    rows_ = rows;
  }
  int64_t rows() const { return rows_; }

 private:
  std::string first_;
  int64_t rows_ = 0;
};

class DataBuilder {
 public:
  DataBuilder(Session& session, const Options& options, const std::vector<std::string>& inputs, const SavedData* saved, bool whole)
      : session_(session), binder_(session, options, saved), saved_(saved), whole_(whole) {
    for (const lang::ModelInput& input : session.model.inputs) {
      if (std::find(inputs.begin(), inputs.end(), input.name) != inputs.end()) inputs_.push_back(&input);
    }
  }

  BoundData build(uint64_t seed) {
    if (saved_) check_saved();
    open();
    if (!session_.model.has_batch) rows_[0].add("", 1);  // all data are one step's
    out_.source_rows = rows_[0].rows();
    out_.rows = rows_[0].rows() + rows_[1].rows() + rows_[2].rows();
    split(seed);
    if (saved_) out_.fitted = saved_->fitted;
    else if (binder_.vocabulary()) out_.fitted.categories[kVocabulary] = *binder_.vocabulary();
    if (!saved_) out_.fitted.columns = binder_.column_names();
    out_.windows = binder_.windows().has_value();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!saved_) fit(expressions_[0][i], *inputs_[i]);
      check_indices(*inputs_[i]);
      evaluate(i);
    }
    return std::move(out_);
  }

 private:
  static constexpr Part kParts[] = {Part::Main, Part::Validation, Part::Test};

  void check_saved() {
    check_encoding(session_, saved_->fitted, saved_->path);
    for (const lang::ModelInput* input : inputs_) {
      if (const lang::DataBinding* binding = binder_.find_binding(input->name)) {
        check_expressions(session_, *binding, saved_->fitted, saved_->path);
      }
    }
  }

  void open() {
    for (size_t p = 0; p < 3; ++p) {
      for (const lang::ModelInput* input : inputs_) {
        std::optional<DataExpression> expression = binder_.expression(input->name, kParts[p]);
        if (!expression) continue;
        check_sizes(session_, *input, *expression);
        if (has_batch(*input)) rows_[p].add(input->name, expression->rows());
        else out_.whole.insert(input->name);
        expressions_[p].push_back(std::move(*expression));
      }
    }
    check_memory();
  }

  /// Elements, and the numbers of the rows in their split and in the order of an epoch.
  void check_memory() {
    constexpr int64_t kNumbersOfARow = 2;
    int64_t bytes = 0;
    for (size_t p = 0; p < 3; ++p) {
      bytes += kNumbersOfARow * rows_[p].rows() * static_cast<int64_t>(sizeof(int64_t));
      for (size_t i = 0; i < expressions_[p].size(); ++i) {
        bytes += runtime::input_bytes(expressions_[p][i], element_kind(inputs_[i]->type.dtype));
      }
    }
    refuse_beyond_memory(bytes, "the data set in memory");
  }

  /// On the training part; an input that is given whole has no parts.
  void fit(const DataExpression& expression, const lang::ModelInput& input) {
    bool whole = out_.whole.count(input.name) > 0;
    expression.fit(whole ? Rows::stretch(0, expression.rows()) : fit_rows_, out_.fitted);
    if (const lang::DataBinding* binding = binder_.find_binding(input.name)) record_expressions(*binding, out_.fitted);
  }

  /// More words than the table that the input indexes has rows.
  void check_indices(const lang::ModelInput& input) {
    auto categories = out_.fitted.categories.find(input.name);
    bool text = binder_.indexes_vocabulary(input.name);
    if (!text && categories == out_.fitted.categories.end()) return;
    size_t count = text ? binder_.vocabulary()->size() : categories->second.size();
    if (input.index_limit == 0 || count <= static_cast<size_t>(input.index_limit)) return;
    session_.diags.error(Diag::DataMismatch, input.span,
                         fmt::format("input `{}` is an index below {}; its data have {} {}", input.name, input.index_limit,
                                     count, text ? "characters" : "categories"));
    session_.stop_on_errors();
  }

  void split(uint64_t seed) {
    const lang::DataBlock& data = session_.model.data;
    int64_t main = rows_[0].rows(), validation = rows_[1].rows(), test = rows_[2].rows();
    bool same_run = saved_ && saved_->same_run;
    if (same_run && saved_->rows != main) {
      throw runtime::FileError(fmt::format("the data have {} rows, those of the run to go on with had {}", main, saved_->rows));
    }
    bool other_data = saved_ && !same_run && (binder_.replaced() || saved_->rows != main);
    bool all = whole_ || other_data;
    if (other_data) out_.kept_rows = saved_->rows;
    if (all) {
      out_.split.train = Rows::stretch(0, main);
    } else {
      out_.validation_share = saved_ ? saved_->validation_share.value_or(data.validation_share) : data.validation_share;
      out_.test_share = saved_ ? saved_->test_share.value_or(data.test_share) : data.test_share;
      if (!session_.model.has_batch && out_.validation_share + out_.test_share > 0) {
        throw runtime::FileError("no input has the size `batch`, so there are no rows to hold out for `validation` or `test`");
      }
      if (binder_.windows() && session_.model.has_batch) split_windows(*binder_.windows());
      else out_.split = runtime::split_by_seed(main, out_.validation_share, out_.test_share, saved_ ? saved_->seed : seed);
    }
    fit_rows_ = out_.split.train;
    if (validation > 0) out_.split.validation = Rows::stretch(main, main + validation);
    if (test > 0) out_.split.test = Rows::stretch(main + validation, main + validation + test);
  }

  void split_windows(const Windows& windows) {
    out_.split = runtime::split_windows(windows.length, windows.window, windows.stride, out_.validation_share, out_.test_share);
    auto check = [&](double share, const Rows& rows, const char* part) {
      if (share == 0 || !rows.empty()) return;
      throw runtime::FileError(fmt::format("the {} part, {} of a series of {}, holds no window of {}", part, share,
                                           windows.length, windows.window));
    };
    check(out_.validation_share, out_.split.validation, "validation");
    check(out_.test_share, out_.split.test, "test");
  }

  void evaluate(size_t i) {
    const lang::ModelInput& input = *inputs_[i];
    runtime::InputArray array;
    for (const std::vector<DataExpression>& part : expressions_) {
      if (part.empty()) continue;
      runtime::InputArray more = runtime::evaluate_input(input.name, part[i], out_.fitted, element_kind(input.type.dtype));
      if (array.rows == 0) array = std::move(more);
      else array.append(more);
    }
    out_.dataset.add(input.name, std::move(array));
  }

  Session& session_;
  DataBinder binder_;
  const SavedData* saved_;
  bool whole_;
  std::vector<const lang::ModelInput*> inputs_;
  std::vector<DataExpression> expressions_[3];
  PartRows rows_[3];
  Rows fit_rows_;
  BoundData out_;
};

}  // namespace

Diag diag_of(runtime::FileProblem problem, Diag fallback) {
  switch (problem) {
    case runtime::FileProblem::Content: return fallback;
    case runtime::FileProblem::Unreadable: return Diag::UnreadableFile;
    case runtime::FileProblem::Archive: return Diag::BadArchive;
    case runtime::FileProblem::Table: return Diag::BadTable;
    case runtime::FileProblem::Array: return Diag::BadArray;
    case runtime::FileProblem::Value: return Diag::BadValue;
  }
  return fallback;
}

BoundData bind_data(Session& session, const Options& options, const std::vector<std::string>& inputs,
                    uint64_t seed, const SavedData* saved, bool whole) {
  try {
    return DataBuilder(session, options, inputs, saved, whole).build(seed);
  } catch (const runtime::FileError& error) {
    session.diags.error(diag_of(error.problem(), Diag::DataMismatch), {}, error.what());
    session.stop_on_errors();
    throw;
  }
}

}  // namespace gradus::driver
