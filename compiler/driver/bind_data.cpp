// Sources become trees of runtime::DataNode, once for the main files and once for each part with files of
// its own; parts follow one another in the data set.
#include "driver/bind_data.h"

#include <algorithm>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>

#include "runtime/data/text.h"
#include "runtime/file_error.h"

namespace gradus::driver {

namespace {

using lang::DataExpr;
using runtime::DataExpression;
using runtime::DataNode;

/// Which files a source reads: the main ones, or those named by `validation:` or `test:`.
enum class Part { Main, Validation, Test };

/// Where the fitted constants keep the characters of the text; no input's place has a blank.
constexpr const char* kVocabulary = "from text";

/// The series that the main sources' windows are cut from.
struct Windows {
  int64_t length = 0, window = 0, stride = 1;
};

const char* part_option(Part part) { return part == Part::Validation ? "validation" : "test"; }

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> rows(static_cast<size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  return rows;
}

class Binder {
 public:
  Binder(Session& session, const Options& options, const SavedData* saved) : session_(session), options_(options) {
    if (saved) {
      auto found = saved->fitted.categories.find(kVocabulary);
      vocabulary_ = found == saved->fitted.categories.end() ? runtime::Vocabulary{} : found->second;
    }
    for (const std::string& item : options.data) {
      size_t equals = item.find('=');
      bool named = equals != std::string::npos && has_input(item.substr(0, equals));
      if (named) replaced_[item.substr(0, equals)] = item.substr(equals + 1);
      else replacement_ = item;
    }
  }

  bool replaced() const { return replacement_.has_value() || !replaced_.empty(); }

  /// The expression of an input over the files of `part`; nothing where the part has no files of its own.
  std::optional<DataExpression> expression(const std::string& input, Part part) {
    if (part != Part::Main && (replaced() || !has_part(input, part))) return std::nullopt;
    part_ = part;
    input_ = input;
    const lang::DataBinding* binding = find_binding(input);
    if (binding) return DataExpression(input, convert(binding->value));
    auto file = replaced_.find(input);
    if (file == replaced_.end()) missing(input);
    return DataExpression(input, node_of(open_array(file->second)));
  }

  /// Of the main sources, where an input is cut from windows.
  const std::optional<Windows>& windows() const { return windows_; }
  /// The characters of the text, where one was read by them.
  const std::optional<runtime::Vocabulary>& vocabulary() const { return vocabulary_; }
  /// Whether the input's numbers are places in the vocabulary.
  bool indexes_vocabulary(const std::string& input) const {
    const lang::DataBinding* binding = find_binding(input);
    return binding && binding->value.kind == DataExpr::Kind::Columns && from().kind == "text" && !in_bytes();
  }

  bool has_part(const std::string& input, Part part) const {
    if (part == Part::Main) return true;
    const lang::DataBinding* binding = find_binding(input);
    return binding && expression_has(binding->value, part);
  }

 private:
  bool has_input(const std::string& name) const {
    return std::any_of(session_.model.inputs.begin(), session_.model.inputs.end(),
                       [&](const lang::ModelInput& input) { return input.name == name; });
  }

  const lang::DataBinding* find_binding(const std::string& input) const {
    for (const lang::DataBinding& binding : session_.model.data.bindings) {
      if (binding.input == input) return &binding;
    }
    return nullptr;
  }

  bool expression_has(const DataExpr& expr, Part part) const {
    if (expr.kind == DataExpr::Kind::Columns) {
      return from().options.count(part_option(part)) > 0;
    }
    if (expr.kind == DataExpr::Kind::Array && expr.options.count(part_option(part)) > 0) return true;
    return std::any_of(expr.operands.begin(), expr.operands.end(),
                       [&](const DataExpr& operand) { return expression_has(operand, part); });
  }

  [[noreturn]] void missing(const std::string& input) {
    const lang::ModelInput* found = nullptr;
    for (const lang::ModelInput& candidate : session_.model.inputs) {
      if (candidate.name == input) found = &candidate;
    }
    session_.diags.error(Diag::NoData, found ? found->span : Span{},
                         fmt::format("input `{0}` has no data; bind it in the `data` block or with --data {0}=FILE", input));
    session_.stop_on_errors();
    throw CommandError(kBadFile, "no data");
  }

  std::string resolve(const std::string& path) const {
    std::filesystem::path given(path);
    if (given.is_absolute() || options_.input == "-") return path;
    return (std::filesystem::path(options_.input).parent_path() / given).lexically_normal().string();
  }

  static std::string text_option(const std::map<std::string, std::variant<double, std::string>>& options, const std::string& name) {
    auto found = options.find(name);
    if (found == options.end() || !std::holds_alternative<std::string>(found->second)) return "";
    return std::get<std::string>(found->second);
  }

  /// The file that this source reads now.
  std::string choose_path(const std::string& main, const std::map<std::string, std::variant<double, std::string>>& options) {
    auto named = replaced_.find(input_);
    if (named != replaced_.end()) return named->second;
    if (replacement_) return *replacement_;
    return resolve(part_ == Part::Main ? main : text_option(options, part_option(part_)));
  }

  static DataNode node_of(std::shared_ptr<const runtime::RowSource> source) {
    DataNode node;
    node.kind = DataNode::Kind::Source;
    node.source = std::move(source);
    return node;
  }

  static std::shared_ptr<const runtime::RowSource> open_array(const std::string& path) {
    runtime::Bytes bytes = runtime::read_bytes(path);
    bool npy = bytes.size() > 6 && bytes[0] == 0x93 && bytes[1] == 'N';
    if (npy) return runtime::read_npy(std::move(bytes), path);
    return runtime::read_idx(std::move(bytes), path);
  }

  std::shared_ptr<const runtime::CsvTable> open_table(const std::string& path) {
    auto& table = tables_[path];
    if (!table) table = std::make_shared<runtime::CsvTable>(runtime::read_bytes(path), path);
    return table;
  }

  DataNode convert(const DataExpr& expr) {
    switch (expr.kind) {
      case DataExpr::Kind::Number: {
        DataNode node;
        node.number = expr.number;
        return node;
      }
      case DataExpr::Kind::Columns: return columns(expr);
      case DataExpr::Kind::Array: return array(expr);
      case DataExpr::Kind::Unary:
      case DataExpr::Kind::Binary:
      case DataExpr::Kind::Call: break;
    }
    static const std::map<std::string, DataNode::Kind> kinds = {
        {"+", DataNode::Kind::Add}, {"*", DataNode::Kind::Mul}, {"/", DataNode::Kind::Div},
        {"log", DataNode::Kind::Log}, {"standardize", DataNode::Kind::Standardize}, {"minmax", DataNode::Kind::MinMax},
        {"fill_missing", DataNode::Kind::FillMissing}, {"category", DataNode::Kind::Category}};
    DataNode node;
    if (expr.name == "-") node.kind = expr.operands.size() == 1 ? DataNode::Kind::Neg : DataNode::Kind::Sub;
    else node.kind = kinds.at(expr.name);
    for (const DataExpr& operand : expr.operands) node.operands.push_back(convert(operand));
    if (node.kind == DataNode::Kind::FillMissing) set_fill(node, expr);
    if (auto unknown = expr.options.find("unknown"); unknown != expr.options.end()) {
      node.unknown = std::get<double>(unknown->second);
    }
    return node;
  }

  /// fill_missing(x, "median"), fill_missing(x, "mean") or fill_missing(x, 0).
  static void set_fill(DataNode& node, const DataExpr& expr) {
    auto with = expr.options.find("with");
    if (with == expr.options.end()) return;
    if (std::holds_alternative<std::string>(with->second)) node.strategy = std::get<std::string>(with->second);
    else node.number = std::get<double>(with->second);
  }

  const lang::DataSource& from() const { return *session_.model.data.from; }
  bool in_bytes() const { return text_option(from().options, "encoding") == "bytes"; }

  std::shared_ptr<const runtime::TextFile> open_text(const std::string& path) {
    auto& text = texts_[path];
    if (text) return text;
    runtime::Bytes bytes = runtime::read_bytes(path);
    if (in_bytes()) {
      text = std::make_shared<runtime::TextFile>(runtime::TextFile::of_bytes(std::move(bytes), path));
    } else if (vocabulary_) {
      if (vocabulary_->empty()) throw runtime::FileError(fmt::format("{}: the weights were trained on no text, its characters have no numbers", path));
      text = std::make_shared<runtime::TextFile>(runtime::TextFile::of_characters(std::move(bytes), path, *vocabulary_));
    } else {
      text = std::make_shared<runtime::TextFile>(runtime::TextFile::of_characters(std::move(bytes), path));
      vocabulary_ = text->vocabulary();
    }
    return text;
  }

  /// How windows are cut from a series of this length: those of files for validation and test follow one another.
  Windows cut(int64_t length) {
    auto number = [&](const char* name) {
      auto found = from().options.find(name);
      return found == from().options.end() ? 1 : static_cast<int64_t>(std::get<double>(found->second));
    };
    Windows windows{length, number("window"), number("stride")};
    if (part_ == Part::Main) windows_ = windows;
    else windows.stride = std::max(windows.stride, windows.window - 1);
    return windows;
  }

  DataNode columns(const DataExpr& expr) {
    std::string path = choose_path(from().path, from().options);
    if (from().kind == "text") {
      std::shared_ptr<const runtime::TextFile> text = open_text(path);
      Windows windows = cut(text->length());
      return node_of(runtime::make_text_windows(text, windows.window, windows.stride, expr.time_from, expr.time_to));
    }
    std::shared_ptr<const runtime::CsvTable> table = open_table(path);
    std::vector<int64_t> positions = positions_of(*table, expr);
    if (!expr.window) return node_of(runtime::make_columns(table, positions, expr.single));
    Windows windows = cut(table->rows());
    return node_of(runtime::make_table_windows(table, positions, expr.single, windows.window, windows.stride,
                                               expr.time_from, expr.time_to));
  }

  std::vector<int64_t> positions_of(const runtime::CsvTable& table, const DataExpr& expr) {
    std::vector<int64_t> positions;
    for (const DataExpr::Selection& selection : expr.columns) {
      if (selection.column) {
        int64_t found = table.find(*selection.column);
        if (found < 0) no_column(table, *selection.column, expr.span);
        positions.push_back(found);
        continue;
      }
      for (int64_t i = selection.from; i < selection.to; ++i) positions.push_back(i);
    }
    if (expr.columns.empty()) positions = range(0, table.columns());
    for (int64_t position : positions) {
      if (position < 0 || position >= table.columns()) {
        fail(expr.span, fmt::format("column {} of `{}`, which has {}", position, table.name(), table.columns()));
      }
    }
    return positions;
  }

  [[noreturn]] void no_column(const runtime::CsvTable& table, const std::string& name, Span span) {
    std::string near = nearest_name(name, table.header());
    fail(span, fmt::format("`{}` has no column `{}`{}", table.name(), name,
                           table.header().empty() ? "; it has no header, columns are numbered from 0"
                           : near.empty()         ? std::string()
                                                  : fmt::format("; did you mean `{}`?", near)));
  }

  [[noreturn]] void fail(Span span, const std::string& message) {
    session_.diags.error(Diag::NoColumn, span, message);
    session_.stop_on_errors();
    throw CommandError(kBadFile, message);
  }

  DataNode array(const DataExpr& expr) {
    if (expr.name == "linspace") {
      auto number = [&](const char* name) { return std::get<double>(expr.options.at(name)); };
      return node_of(runtime::make_linspace(number("from"), number("to"), static_cast<int64_t>(number("count"))));
    }
    return node_of(open_array(choose_path(text_option(expr.options, "path"), expr.options)));
  }

  Session& session_;
  const Options& options_;
  std::map<std::string, std::string> replaced_;
  std::optional<std::string> replacement_;
  std::map<std::string, std::shared_ptr<const runtime::CsvTable>> tables_;
  std::map<std::string, std::shared_ptr<const runtime::TextFile>> texts_;
  std::optional<runtime::Vocabulary> vocabulary_;
  std::optional<Windows> windows_;
  Part part_ = Part::Main;
  std::string input_;
};

runtime::ElementKind element_kind(DType dtype) {
  if (dtype == DType::Bool) return runtime::ElementKind::Bool;
  return is_integer(dtype) ? runtime::ElementKind::Int32 : runtime::ElementKind::Float32;
}

bool has_batch(const lang::ModelInput& input) { return !input.type.shape.empty() && input.type.shape[0].batch; }

/// The row of a batch input has as many numbers as its type says; any other input is given whole.
void check_width(Session& session, const lang::ModelInput& input, const DataExpression& expression) {
  bool rows = has_batch(input);
  int64_t expected = element_count(input.type.shape, 1);
  int64_t found = rows ? expression.width() : expression.width() * std::max<int64_t>(expression.rows(), 1);
  if (expected == found) return;
  session.diags.error(Diag::DataMismatch, input.span,
                      fmt::format("input `{}` is {}, {} numbers{}; its data have {}", input.name, to_string(input.type),
                                  expected, rows ? " a row" : "", found));
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
    open();
    if (!session_.model.has_batch) rows_[0].add("", 1);  // all data are one step's
    out_.source_rows = rows_[0].rows();
    out_.rows = rows_[0].rows() + rows_[1].rows() + rows_[2].rows();
    split(seed);
    if (saved_) out_.fitted = saved_->fitted;
    else if (binder_.vocabulary()) out_.fitted.categories[kVocabulary] = *binder_.vocabulary();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!saved_) fit(expressions_[0][i], *inputs_[i]);
      check_indices(*inputs_[i]);
      evaluate(i);
    }
    return std::move(out_);
  }

 private:
  static constexpr Part kParts[] = {Part::Main, Part::Validation, Part::Test};

  void open() {
    for (size_t p = 0; p < 3; ++p) {
      for (const lang::ModelInput* input : inputs_) {
        std::optional<DataExpression> expression = binder_.expression(input->name, kParts[p]);
        if (!expression) continue;
        check_width(session_, *input, *expression);
        if (has_batch(*input)) rows_[p].add(input->name, expression->rows());
        else out_.whole.insert(input->name);
        expressions_[p].push_back(std::move(*expression));
      }
    }
  }

  /// On the training part; an input that is given whole has no parts.
  void fit(const DataExpression& expression, const lang::ModelInput& input) {
    bool whole = out_.whole.count(input.name) > 0;
    expression.fit(whole ? range(0, expression.rows()) : fit_rows_, out_.fitted);
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
    if (all) {
      out_.split.train = range(0, main);
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
    if (validation > 0) out_.split.validation = range(main, main + validation);
    if (test > 0) out_.split.test = range(main + validation, main + validation + test);
  }

  void split_windows(const Windows& windows) {
    out_.split = runtime::split_windows(windows.length, windows.window, windows.stride, out_.validation_share, out_.test_share);
    auto check = [&](double share, const std::vector<int64_t>& rows, const char* part) {
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
  Binder binder_;
  const SavedData* saved_;
  bool whole_;
  std::vector<const lang::ModelInput*> inputs_;
  std::vector<DataExpression> expressions_[3];
  PartRows rows_[3];
  std::vector<int64_t> fit_rows_;
  BoundData out_;
};

}  // namespace

Diag diag_of(runtime::FileProblem problem, Diag otherwise) {
  switch (problem) {
    case runtime::FileProblem::Content: return otherwise;
    case runtime::FileProblem::Unreadable: return Diag::UnreadableFile;
    case runtime::FileProblem::Archive: return Diag::BadArchive;
    case runtime::FileProblem::Table: return Diag::BadTable;
    case runtime::FileProblem::Array: return Diag::BadArray;
    case runtime::FileProblem::Value: return Diag::BadValue;
  }
  return otherwise;
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
