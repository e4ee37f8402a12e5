// The sources of the data block, opened: which file each part reads, how its rows are cut, the input's expression over them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "driver/bind_data.h"
#include "runtime/data/text.h"

namespace gradus::driver {

/// Which files a source reads: the main ones, or those named by `validation:` or `test:`.
enum class Part { Main, Validation, Test };

/// Where the fitted constants keep the characters of the text; no input's place has a blank.
constexpr const char* kVocabulary = "from text";

/// The series that the main sources' windows are cut from.
struct Windows {
  int64_t length = 0, window = 0, stride = 1;
};

/// begin, begin + 1 .. end - 1
std::vector<int64_t> range(int64_t begin, int64_t end);

class DataBinder {
 public:
  DataBinder(Session& session, const Options& options, const SavedData* saved);
  bool replaced() const { return replacement_.has_value() || !replaced_.empty(); }

  /// The expression of an input over the files of `part`; nothing where the part has no files of its own.
  std::optional<runtime::DataExpression> expression(const std::string& input, Part part);
  /// Of the main sources, where an input is cut from windows.
  const std::optional<Windows>& windows() const { return windows_; }
  /// The characters of the text, where one was read by them.
  const std::optional<runtime::Vocabulary>& vocabulary() const { return vocabulary_; }
  /// Whether the input's numbers are places in the vocabulary.
  bool indexes_vocabulary(const std::string& input) const;
  /// The names of columns taken by position: those that training saw.
  const std::map<int64_t, std::string>& column_names() const { return column_names_; }
  bool has_part(const std::string& input, Part part) const;
  /// What the data block says of the input, if anything.
  const lang::DataBinding* find_binding(const std::string& input) const;

 private:
  void replace_source(const std::string& item, size_t equals);
  bool has_input(const std::string& name) const;
  bool expression_has(const lang::DataExpr& expr, Part part) const;
  std::string outputs_that_read(const std::string& input) const;
  [[noreturn]] void missing(const std::string& input);
  std::string resolve(const std::string& path) const;
  static std::string text_option(const lang::DataOptions& options, const std::string& name);
  /// The file that this source reads now.
  std::string choose_path(const std::string& main, const lang::DataOptions& options);
  static runtime::DataNode node_of(std::shared_ptr<const runtime::RowSource> source);
  /// By what the file is, whether `function` asked for it (idx, npy) or an option.
  std::shared_ptr<const runtime::RowSource> open_array(const std::string& path, const std::string& function,
                                                       const std::string& array) const;
  std::shared_ptr<const runtime::CsvTable> open_table(const std::string& path);
  runtime::DataNode convert(const lang::DataExpr& expr);
  /// fill_missing(x, "median"), fill_missing(x, "mean") or fill_missing(x, 0).
  static void set_fill(runtime::DataNode& node, const lang::DataExpr& expr);
  const lang::DataSource& from() const { return *session_.model.data.from; }
  bool in_bytes() const { return text_option(from().options, "encoding") == "bytes"; }
  std::shared_ptr<const runtime::TextFile> open_text(const std::string& path);
  /// How windows are cut from a series of this length: those of files for validation and test follow one another.
  Windows cut(int64_t length);
  runtime::DataNode columns(const lang::DataExpr& expr);
  std::vector<int64_t> positions_of(const runtime::CsvTable& table, const lang::DataExpr& expr);
  int64_t by_position(const runtime::CsvTable& table, int64_t position, Span span);
  /// Notes the names of columns taken by position, or compares them with those that were noted.
  void check_names(const runtime::CsvTable& table, int64_t position, Span span);
  [[noreturn]] void no_column(const runtime::CsvTable& table, const std::string& name, Span span);
  [[noreturn]] void fail(Span span, const std::string& message);
  runtime::DataNode array(const lang::DataExpr& expr);

  Session& session_;
  const Options& options_;
  std::map<std::string, std::string> replaced_;
  std::optional<std::string> replacement_;
  std::map<std::string, std::shared_ptr<const runtime::CsvTable>> tables_;
  std::map<std::string, std::shared_ptr<const runtime::TextFile>> texts_;
  std::optional<runtime::Vocabulary> vocabulary_;
  std::optional<Windows> windows_;
  std::map<int64_t, std::string> column_names_;
  Part part_ = Part::Main;
  std::string input_;
};

}  // namespace gradus::driver
