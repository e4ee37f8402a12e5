// Sources become trees of runtime::DataNode. A file is read once, whoever asks for it.
//
//     data {
//       from csv("a.csv", validation: "b.csv")
//       x = standardize(columns["age"])
//     }
//
//     input x, part Main        standardize <- columns of a.csv         fits mean and deviation
//     input x, part Validation  standardize <- columns of b.csv         takes those of Main
//
// The expression is the same for each part; only the files differ. --data replaces files: by name
// that of one input, without a name that of the block's one source. Then there are no other parts,
// as nothing says which rows of the new file they would be.
//
// Invariant: positions of columns, the vocabulary and the cut of windows are decided by the files
// of this call (or by the saved weights) before any row is read, so all rows of an input are alike.
#include "driver/data_binder.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "runtime/data/format.h"
#include "runtime/data/zip.h"
#include "runtime/file_error.h"

namespace gradus::driver {

namespace {

using lang::DataExpr;
using runtime::DataExpression;
using runtime::DataNode;

const char* part_option(Part part) { return part == Part::Validation ? "validation" : "test"; }

runtime::CsvOptions csv_options(const lang::DataOptions& options) {
  runtime::CsvOptions out;
  auto with = [&](const char* name, auto take) {
    if (auto found = options.find(name); found != options.end()) take(found->second);
  };
  with("header", [&](const lang::DataOption& value) { out.header = std::get<double>(value) != 0; });
  with("separator", [&](const lang::DataOption& value) { out.separator = std::get<std::string>(value)[0]; });
  with("decimal", [&](const lang::DataOption& value) { out.decimal = std::get<std::string>(value)[0]; });
  with("missing", [&](const lang::DataOption& value) { out.missing = std::get<std::vector<std::string>>(value); });
  return out;
}

}  // namespace

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> rows(static_cast<size_t>(end - begin));
  std::iota(rows.begin(), rows.end(), begin);
  return rows;
}

DataBinder::DataBinder(Session& session, const Options& options, const SavedData* saved) : session_(session), options_(options) {
  if (saved) {
    auto found = saved->fitted.categories.find(kVocabulary);
    vocabulary_ = found == saved->fitted.categories.end() ? runtime::Vocabulary{} : found->second;
    column_names_ = saved->fitted.columns;
  }
  for (const std::string& item : options.data) {
    size_t equals = item.find('=');
    bool named = equals != std::string::npos && has_input(item.substr(0, equals));
    if (named) replaced_[item.substr(0, equals)] = item.substr(equals + 1);
    else replace_source(item, equals);
  }
}

/// --data FILE: the file of the one source. What looks like NAME=FILE and is no file was meant for
/// an input.
void DataBinder::replace_source(const std::string& item, size_t equals) {
  std::error_code error;
  if (equals != std::string::npos && !std::filesystem::exists(item, error)) {
    std::vector<std::string> names;
    for (const lang::ModelInput& input : session_.model.inputs) names.push_back(input.name);
    std::string name = item.substr(0, equals), near = nearest_name(name, names);
    throw CommandError(kBadFlags, fmt::format("--data is `{}`, but the model has no input `{}`{}", item, name,
                                              near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
  }
  if (session_.model.data.bindings.empty()) {
    throw CommandError(kBadFlags, fmt::format("--data is `{}`, but no data block says which inputs it gives; write NAME={}", item, item));
  }
  replacement_ = item;
}

/// Sets what the conversion below asks for (part_, input_): which file a source reads depends on
/// both, and a source may stand anywhere in the expression.
std::optional<DataExpression> DataBinder::expression(const std::string& input, Part part) {
  if (part != Part::Main && (replaced() || !has_part(input, part))) return std::nullopt;
  part_ = part;
  input_ = input;
  const lang::DataBinding* binding = find_binding(input);
  if (binding) return DataExpression(input, convert(binding->value));
  auto file = replaced_.find(input);
  if (file == replaced_.end()) missing(input);
  session_.read_files.push_back(file->second);
  return DataExpression(input, node_of(open_array(file->second, "", "")));
}

bool DataBinder::indexes_vocabulary(const std::string& input) const {
  const lang::DataBinding* binding = find_binding(input);
  return binding && binding->value.kind == DataExpr::Kind::Columns && from().kind == "text" && !in_bytes();
}

bool DataBinder::has_part(const std::string& input, Part part) const {
  if (part == Part::Main) return true;
  const lang::DataBinding* binding = find_binding(input);
  return binding && expression_has(binding->value, part);
}

bool DataBinder::has_input(const std::string& name) const {
  return std::any_of(session_.model.inputs.begin(), session_.model.inputs.end(),
                     [&](const lang::ModelInput& input) { return input.name == name; });
}

const lang::DataBinding* DataBinder::find_binding(const std::string& input) const {
  for (const lang::DataBinding& binding : session_.model.data.bindings) {
    if (binding.input == input) return &binding;
  }
  return nullptr;
}

/// An input has a part if any source in its expression names a file for it.
bool DataBinder::expression_has(const DataExpr& expr, Part part) const {
  if (expr.kind == DataExpr::Kind::Columns) {
    return from().options.count(part_option(part)) > 0;
  }
  if (expr.kind == DataExpr::Kind::Array && expr.options.count(part_option(part)) > 0) return true;
  return std::any_of(expr.operands.begin(), expr.operands.end(),
                     [&](const DataExpr& operand) { return expression_has(operand, part); });
}

/// ", which output `sample` reads,"
std::string DataBinder::outputs_that_read(const std::string& input) const {
  const Graph& graph = session_.model.predict;
  IdVector<NodeId, bool> reads(graph.size());
  for (size_t i = 0; i < graph.size(); ++i) {
    const Node& node = graph[NodeId(i)];
    reads[NodeId(i)] = (node.op == OpKind::Input && leaf_name(node) == input) ||
                       std::any_of(node.operands.begin(), node.operands.end(), [&](NodeId x) { return reads[x]; });
  }
  std::vector<std::string> names;
  for (const Result& result : graph.results) {
    if (reads[result.value]) names.push_back("`" + result.name + "`");
  }
  if (names.empty()) return "";
  return fmt::format(", which output{} {} read{},", names.size() == 1 ? "" : "s", fmt::join(names, ", "), names.size() == 1 ? "s" : "");
}

/// A prediction needs data only for the outputs that are asked for: the message names those that
/// read this input, so that one can leave them out.
void DataBinder::missing(const std::string& input) {
  const lang::ModelInput* found = nullptr;
  for (const lang::ModelInput& candidate : session_.model.inputs) {
    if (candidate.name == input) found = &candidate;
  }
  std::string readers = options_.command == "predict" ? outputs_that_read(input) : "";
  std::string others = readers.empty() || session_.model.outputs.size() < 2 ? "" : ", or name other outputs with --output";
  session_.diags.error(Diag::NoData, found ? found->span : Span{},
                       fmt::format("input `{0}`{1} has no data; bind it in the `data` block or with --data {0}=FILE{2}", input,
                                   readers, others));
  session_.stop_on_errors();
  throw CommandError(kBadFile, "no data");
}

/// Paths of a model file are relative to the file, those of the command line to the folder that it
/// runs in. A model from standard input has no folder.
std::string DataBinder::resolve(const std::string& path) const {
  std::filesystem::path given(path);
  if (given.is_absolute() || options_.input == "-") return path;
  return (std::filesystem::path(options_.input).parent_path() / given).lexically_normal().string();
}

std::string DataBinder::text_option(const lang::DataOptions& options, const std::string& name) {
  auto found = options.find(name);
  if (found == options.end() || !std::holds_alternative<std::string>(found->second)) return "";
  return std::get<std::string>(found->second);
}

std::string DataBinder::choose_path(const std::string& main, const lang::DataOptions& options) {
  auto named = replaced_.find(input_);
  std::string path = named != replaced_.end() ? named->second
                     : replacement_           ? *replacement_
                     : resolve(part_ == Part::Main ? main : text_option(options, part_option(part_)));
  session_.read_files.push_back(path);
  return path;
}

DataNode DataBinder::node_of(std::shared_ptr<const runtime::RowSource> source) {
  DataNode node;
  node.kind = DataNode::Kind::Source;
  node.source = std::move(source);
  return node;
}

/// By content, not by name: a file that was renamed is still what it is.
std::shared_ptr<const runtime::RowSource> DataBinder::open_array(const std::string& path, const std::string& function,
                                                                 const std::string& array) const {
  runtime::Bytes bytes = runtime::read_bytes(path);
  if (runtime::is_zip(bytes)) return runtime::read_npz(bytes, path, array, input_);
  bool npy = bytes.size() > 6 && bytes[0] == 0x93 && bytes[1] == 'N';
  if (npy || function == "npy") return runtime::read_npy(std::move(bytes), path);
  bool idx = bytes.size() > 2 && bytes[0] == 0 && bytes[1] == 0;
  if (idx || function == "idx") return runtime::read_idx(std::move(bytes), path);
  std::string format = runtime::describe_format(bytes);
  throw runtime::FileError(runtime::FileProblem::Array,
                           fmt::format("{}: {}, expected an IDX, .npy or .npz file{}", path,
                                       format.empty() ? "an unknown format" : format,
                                       format == "text" ? "; a table is read by `from csv(..)` in the data block" : ""));
}

std::shared_ptr<const runtime::CsvTable> DataBinder::open_table(const std::string& path) {
  auto& table = tables_[path];
  if (table) return table;
  table = std::make_shared<runtime::CsvTable>(runtime::read_bytes(path), path, csv_options(from().options));
  for (const std::string& remark : table->remarks()) std::fputs(fmt::format("gradus: note: {}\n", remark).c_str(), stderr);
  return table;
}

DataNode DataBinder::convert(const DataExpr& expr) {
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

void DataBinder::set_fill(DataNode& node, const DataExpr& expr) {
  auto with = expr.options.find("with");
  if (with == expr.options.end()) return;
  if (std::holds_alternative<std::string>(with->second)) node.strategy = std::get<std::string>(with->second);
  else node.number = std::get<double>(with->second);
}

/// The first text read by characters makes the vocabulary, that of the training part or of the
/// saved weights: an index must mean the same character in all parts.
std::shared_ptr<const runtime::TextFile> DataBinder::open_text(const std::string& path) {
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

/// Windows for training overlap as the stride says. Those for validation and test do not but for
/// the one element that is input of the next and target of this: every element counts once.
///
///     stride 1   [0..8) [1..9) [2..10)       validation   [0..8) [7..15) [14..22)
Windows DataBinder::cut(int64_t length) {
  auto number = [&](const char* name) {
    auto found = from().options.find(name);
    return found == from().options.end() ? 1 : static_cast<int64_t>(std::get<double>(found->second));
  };
  Windows windows{length, number("window"), number("stride")};
  if (part_ == Part::Main) windows_ = windows;
  else windows.stride = std::max(windows.stride, windows.window - 1);
  return windows;
}

DataNode DataBinder::columns(const DataExpr& expr) {
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

/// Names are resolved once, here: rows are then read by position. A name that two columns bear is
/// refused, as either choice would be a guess.
std::vector<int64_t> DataBinder::positions_of(const runtime::CsvTable& table, const DataExpr& expr) {
  std::vector<int64_t> positions;
  for (const DataExpr::Selection& selection : expr.columns) {
    if (selection.column) {
      int64_t found = table.find(*selection.column);
      if (found < 0) no_column(table, *selection.column, expr.span);
      if (auto same = std::count(table.header().begin(), table.header().end(), *selection.column); same > 1) {
        fail(expr.span, fmt::format("`{}` has {} columns `{}`; take one by its number, the first is `columns[{}]`", table.name(),
                                    same, *selection.column, found));
      }
      positions.push_back(found);
      continue;
    }
    for (int64_t i = selection.from; i < selection.to; ++i) positions.push_back(by_position(table, i, expr.span));
  }
  if (!expr.columns.empty()) return positions;
  positions = range(0, table.columns());
  for (int64_t position : positions) check_names(table, position, expr.span);
  return positions;
}

int64_t DataBinder::by_position(const runtime::CsvTable& table, int64_t position, Span span) {
  if (position >= table.columns()) {
    fail(span, fmt::format("column {} of `{}`, which has {}", position, table.name(), table.columns()));
  }
  check_names(table, position, span);
  return position;
}

void DataBinder::check_names(const runtime::CsvTable& table, int64_t position, Span span) {
  if (table.header().empty()) return;
  const std::string& name = table.header()[static_cast<size_t>(position)];
  auto [known, is_new] = column_names_.emplace(position, name);
  if (is_new || known->second == name) return;
  int64_t elsewhere = table.find(known->second);
  session_.diags.error(Diag::ColumnsDiffer, span,
                       fmt::format("column {} of `{}` is `{}`, in training it was `{}`{}", position, table.name(), name, known->second,
                                   elsewhere < 0 ? "; its columns are taken by position"
                                                 : fmt::format(", which is column {} here; names in place of positions find it", elsewhere)));
  session_.stop_on_errors();
}

void DataBinder::no_column(const runtime::CsvTable& table, const std::string& name, Span span) {
  std::string near = nearest_name(name, table.header());
  fail(span, fmt::format("`{}` has no column `{}`{}", table.name(), name,
                         table.header().empty() ? "; it has no header, columns are numbered from 0"
                         : near.empty()         ? fmt::format("; its first is `{}`", table.header()[0])
                                                : fmt::format("; did you mean `{}`?", near)));
}

void DataBinder::fail(Span span, const std::string& message) {
  session_.diags.error(Diag::NoColumn, span, message);
  session_.stop_on_errors();
  throw CommandError(kBadFile, message);
}

DataNode DataBinder::array(const DataExpr& expr) {
  if (expr.name == "linspace") {
    auto number = [&](const char* name) { return std::get<double>(expr.options.at(name)); };
    return node_of(runtime::make_linspace(number("from"), number("to"), static_cast<int64_t>(number("count"))));
  }
  return node_of(open_array(choose_path(text_option(expr.options, "path"), expr.options), expr.name,
                            text_option(expr.options, "array")));
}

}  // namespace gradus::driver
