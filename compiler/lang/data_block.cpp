// Expressions of the data block are kept as trees; only numbers are evaluated here. Files are
// opened by whoever runs the model.
#include "lang/data_block.h"

#include <fmt/format.h>

#include <array>

#include "lang/data_options.h"
#include "lang/setting_numbers.h"

namespace gradus::lang {

namespace {

constexpr std::string_view kFrom = "Data, the table: from csv(..), from text(..)";
constexpr std::string_view kFile = "Data, whole arrays: input = idx(..)";
constexpr std::string_view kColumn = "Data, of columns and arrays: input = standardize(columns[0:4])";

constexpr Builtin kSources[] = {
    {kFrom, "csv",
     "path: string, window: int = none, stride: int = 1, validation: string = none, test: string = "
     "none, "
     "header: bool = none, separator: string = \",\", decimal: string = \".\", "
     "missing: string or list = none",
     "",
     "A table, whose `columns[0:4, \"name\"]` are inputs. With `window:` a row is so many lines of "
     "it, and `window[0:24, \"name\"]` takes of them; windows that are held out do not overlap. "
     "`validation:` and `test:` name files of these parts. Whether the first row is a header is "
     "guessed "
     "where `header:` does not say it. `separator:` is one character, or \"tab\". `missing:` are "
     "the words "
     "that stand for no value beside the empty cell; without it these are NA, NaN and nan among "
     "numbers, "
     "and none among words. Names of columns that are taken by position are kept with the "
     "weights."},
    {kFrom, "text",
     "path: string, window: int, stride: int = 1, validation: string = none, test: string = none, "
     "encoding: string = \"characters\"",
     "", "A text in windows of so many characters, or \"bytes\": `window[0:64]` takes of them."},
};
constexpr Builtin kFunctions[] = {
    {kFile, "idx", "path: string, validation: string = none, test: string = none", "tensor",
     "An IDX file, packed by gzip or not."},
    {kFile, "npy",
     "path: string, array: string = none, validation: string = none, test: string = none", "tensor",
     "A file of NumPy, .npy or .npz; of several arrays `array:` names one, else it is named as the "
     "input."},
    {kFile, "linspace", "from: float, to: float, count: int", "float[count]",
     "So many values evenly from one to the other, both included."},
    {kColumn, "log", "x: columns", "float[...]", "The natural logarithm."},
    {kColumn, "standardize", "x: columns", "float[...]",
     "Mean 0 and variance 1 in each column, as found in the training part; a constant column "
     "becomes 0."},
    {kColumn, "minmax", "x: columns", "float[...]",
     "From 0 to 1 in each column, as found in the training part; a constant column becomes 0."},
    {kColumn, "fill_missing", "x: columns, with: float or string", "float[...]",
     "A number in place of empty cells, or the column's \"median\" or \"mean\" in the training "
     "part."},
    {kColumn, "category", "x: columns, unknown: int = none", "int[...]",
     "The number of each value among the sorted values of the training part; others are an error, "
     "or "
     "get `unknown:`."},
};
static_assert(all_described(kSources) && all_described(kFunctions));
const std::vector<std::string> kSettings = {"validation", "test", "shuffle", "from"};

class DataReader {
 public:
  DataReader(Elaborator& e, Model& model) : e_(e), model_(model) {}

  void run(const SettingsBlock& block) {
    for (const Setting& setting : block.settings) {
      if (setting.kind != Setting::Kind::From) continue;
      bad_source_ = true;  // until it is read: what is taken from it says nothing more
      guarded([&] {
        from(setting);
        bad_source_ = false;
      });
    }
    for (const Setting& setting : block.settings) {
      if (setting.kind != Setting::Kind::From) guarded([&] { line(setting); });
    }
    double shares = model_.data.validation_share + model_.data.test_share;
    if (shares >= 1) {
      guarded([&] {
        e_.fail(Diag::BadSetting, block.span,
                fmt::format("validation and test take {} of the rows; nothing is left to train on",
                            shares));
      });
    }
  }

 private:
  template <typename F>
  void guarded(F f) {
    try {
      f();
    } catch (const Abandoned&) {
    }
  }

  double number(const Expr& expr, std::string_view what) {
    return e_.compile_time_number(e_.eval(expr), expr.span, what).value;
  }

  void from(const Setting& setting) {
    const Expr& call = *setting.value;
    if (model_.data.from)
      e_.fail(Diag::Redefined, setting.span, "a second `from`; one table gives the columns",
              {{model_.data.from->span, "the first is here"}});
    bool called = call.kind == Expr::Kind::Call;
    const Builtin* row = called ? find_row(kSources, call.text) : nullptr;
    if (!row) {
      std::string nearest = called ? nearest_name(call.text, names_of(kSources)) : std::string();
      e_.fail(Diag::BadSetting, call.span,
              fmt::format("`from` takes csv(\"path\") or text(\"path\"), found `{}`{}",
                          e_.source(call),
                          nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
    }
    DataSource source{call.text, {}, {}, call.span};
    source.path = read_source_options(e_, call, *row, source.options);
    if (call.text == "text" && !source.options.count("window"))
      e_.fail(Diag::BadSetting, call.span, "a text needs `window:`, the characters of a row");
    model_.data.from = std::move(source);
  }

  void line(const Setting& setting) {
    if (setting.kind == Setting::Kind::Call) {
      e_.fail(
          Diag::BadSetting, setting.span,
          fmt::format("`{}(..)` alone in the data block; write `input = {}(..)`, or `from {}(..)`",
                      setting.name, setting.name, setting.name));
    }
    for (const ModelInput& input : model_.inputs) {
      if (input.name == setting.name) return binding(setting, input);
    }
    if (setting.name == "validation" || setting.name == "test") {
      double share = number(*setting.value, fmt::format("`{}`", setting.name));
      if (!(share >= 0 && share < 1))
        e_.fail(Diag::BadSetting, setting.value->span,
                fmt::format("`{}` is a share from 0 to 1, found {}", setting.name, share));
      (setting.name == "test" ? model_.data.test_share : model_.data.validation_share) = share;
      return;
    }
    if (setting.name == "shuffle") {
      model_.data.shuffle =
          e_.compile_time_bool(e_.eval(*setting.value), setting.value->span, "`shuffle`");
      return;
    }
    std::vector<std::string> names = kSettings;
    for (const ModelInput& input : model_.inputs) names.push_back(input.name);
    std::string nearest = nearest_name(setting.name, names);
    e_.fail(Diag::BadSetting, setting.span,
            fmt::format("`{}` is no input of the model and no setting of `data`{}", setting.name,
                        nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
  }

  void binding(const Setting& setting, const ModelInput& input) {
    for (const DataBinding& other : model_.data.bindings) {
      if (other.input == input.name)
        e_.fail(Diag::Redefined, setting.span, fmt::format("`{}` is bound twice", input.name),
                {{other.span, "the first is here"}});
    }
    DataExpr value = expr(*setting.value);
    model_.data.bindings.push_back({input.name, std::move(value), setting.span});
  }

  DataExpr node(DataExpr::Kind kind, const Expr& e, std::string name = {}) {
    DataExpr made;
    made.kind = kind;
    made.span = e.span;
    made.name = std::move(name);
    return made;
  }

  DataExpr expr(const Expr& e) {
    switch (e.kind) {
      case Expr::Kind::Unary:
        if (e.text == "-") {
          DataExpr made = node(DataExpr::Kind::Unary, e, "-");
          made.operands.push_back(expr(*e.operands[0]));
          return made;
        }
        break;
      case Expr::Kind::Binary:
        if (e.text == "+" || e.text == "-" || e.text == "*" || e.text == "/") {
          DataExpr made = node(DataExpr::Kind::Binary, e, e.text);
          made.operands.push_back(expr(*e.operands[0]));
          made.operands.push_back(expr(*e.operands[1]));
          return made;
        }
        break;
      case Expr::Kind::Call:
        return call(e);
      case Expr::Kind::Index:
        return selection(e);
      case Expr::Kind::Number:
      case Expr::Kind::Name: {
        if (e.kind == Expr::Kind::Name && (e.text == "columns" || e.text == "window")) {
          e_.fail(Diag::BadSetting, e.span,
                  fmt::format("`{0}` alone; choose with `{0}[..]`", e.text));
        }
        DataExpr made = node(DataExpr::Kind::Number, e);
        made.number = number(e, "a number of the data block");
        return made;
      }
      case Expr::Kind::String:
      case Expr::Kind::Bool:
      case Expr::Kind::Size:
      case Expr::Kind::Member:
      case Expr::Kind::List:
      case Expr::Kind::Tuple:
      case Expr::Kind::Ellipsis:
      case Expr::Kind::Any:
        break;
    }
    e_.fail(Diag::BadSetting, e.span,
            fmt::format("`{}` in the data block, which takes columns, files, numbers, `+ - * /` "
                        "and functions as `standardize`",
                        e_.source(e)));
  }

  DataExpr call(const Expr& e) {
    const Builtin* row = find_row(kFunctions, e.text);
    if (!row) {
      std::string nearest = nearest_name(e.text, names_of(kFunctions));
      e_.fail(Diag::UnknownName, e.word,
              fmt::format("`{}` is no function of the data block{}", e.text,
                          nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
    }
    if (e.text == "idx" || e.text == "npy") {
      DataExpr made = node(DataExpr::Kind::Array, e, e.text);
      made.options["path"] = read_source_options(e_, e, *row, made.options);
      return made;
    }
    if (e.text == "linspace") return linspace(e);
    DataExpr made = node(DataExpr::Kind::Call, e, e.text);
    if (e.arguments.empty() || !e.arguments[0].name.empty())
      e_.fail(Diag::BadArgument, e.span, fmt::format("`{}` misses the values it is of", e.text));
    made.operands.push_back(expr(*e.arguments[0].value));
    for (size_t i = 1; i < e.arguments.size(); ++i) option(e, e.arguments[i], made);
    if (e.text == "fill_missing" && !made.options.count("with"))
      e_.fail(Diag::BadArgument, e.span,
              "`fill_missing` misses what to fill with: \"median\", \"mean\" or a number");
    return made;
  }

  void option(const Expr& e, const Argument& argument, DataExpr& made) {
    const Expr& value = *argument.value;
    bool with = e.text == "fill_missing" && (argument.name.empty() || argument.name == "with");
    bool unknown = e.text == "category" && argument.name == "unknown";
    if (!with && !unknown) {
      std::string takes = e.text == "category"       ? "; it takes `unknown:`"
                          : e.text == "fill_missing" ? "; it takes `with:`"
                                                     : "";
      e_.fail(Diag::BadArgument, argument.name.empty() ? value.span : argument.name_span,
              fmt::format("`{}` takes no argument `{}` here{}", e.text,
                          argument.name.empty() ? e_.source(value) : argument.name, takes));
    }
    if (with && value.kind == Expr::Kind::String) {
      if (value.text != "median" && value.text != "mean")
        e_.fail(
            Diag::BadSetting, value.span,
            fmt::format("`fill_missing` fills with \"median\", \"mean\" or a number, found \"{}\"",
                        value.text));
      made.options["with"] = value.text;
    } else {
      made.options[with ? "with" : "unknown"] = number(value, "what is filled in");
    }
  }

  DataExpr linspace(const Expr& e) {
    DataExpr made = node(DataExpr::Kind::Array, e, "linspace");
    const std::vector<BuiltinFormal> names = formals_of(*find_row(kFunctions, "linspace"));
    if (e.arguments.size() != 3)
      e_.fail(Diag::BadArgument, e.span,
              fmt::format("`linspace` takes (from, to, count), found {} arguments",
                          e.arguments.size()));
    for (size_t i = 0; i < 3; ++i) {
      const Expr& value = *e.arguments[i].value;
      made.options[names[i].name] = number(value, fmt::format("`{}`", names[i].name));
      if (i == 2) whole_within(e_, value, "`count` of `linspace`", limits::kPoints);
    }
    return made;
  }

  /// columns[0:5, 7], columns["age"], window[0:24, "load"].
  DataExpr selection(const Expr& e) {
    const Expr& base = *e.operands[0];
    bool window = base.kind == Expr::Kind::Name && base.text == "window";
    if (!window && !(base.kind == Expr::Kind::Name && base.text == "columns")) {
      std::string nearest = base.kind == Expr::Kind::Name
                                ? nearest_name(base.text, {"columns", "window"})
                                : std::string();
      e_.fail(Diag::BadSetting, base.span,
              "only `columns` and `window` are indexed in the data block" +
                  (nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
    }
    if (bad_source_) throw Abandoned{};
    if (!model_.data.from)
      e_.fail(Diag::BadSetting, base.span,
              fmt::format("`{}` without `from csv(..)`: no table to take them from", base.text));
    if (!window && model_.data.from->kind == "text")
      e_.fail(Diag::BadSetting, base.span,
              "a text has no columns; `window[..]` takes its characters");
    if (window && model_.data.from->kind == "text" && e.indices.size() > 1)
      e_.fail(Diag::BadSetting, e.span,
              "a text has no columns: `window` takes time alone, as in `window[0:64]`");
    if (!window && model_.data.from->options.count("window"))
      e_.fail(Diag::BadSetting, base.span,
              "rows are windows here; `window[..]` takes time first, as in `window[24, \"load\"]`");
    if (window && !model_.data.from->options.count("window"))
      e_.fail(Diag::BadSetting, base.span, "`window[..]` needs `window:` in `from`");
    DataExpr made = node(DataExpr::Kind::Columns, e);
    made.window = window;
    size_t first = 0;
    if (window) {
      DataExpr::Selection time = one(e.indices[0], limits::kTime);
      if (time.column)
        e_.fail(Diag::BadSetting, e.indices[0].span,
                "`window` takes time first, as in `window[0:24, \"load\"]`");
      made.time_from = time.from;
      made.time_to = time.to;
      auto length = static_cast<int64_t>(std::get<double>(model_.data.from->options["window"]));
      if (time.to > length)
        e_.fail(Diag::BadIndex, e.indices[0].span,
                fmt::format("time {} of a window of {}", time.to - 1, length));
      first = 1;
    }
    for (size_t i = first; i < e.indices.size(); ++i) made.columns.push_back(one(e.indices[i], limits::kPosition));
    made.single = e.indices.size() == first + 1 && e.indices[first].kind == Index::Kind::Single;
    return made;
  }

  DataExpr::Selection one(const Index& index, const limits::Range& positions) {
    DataExpr::Selection made;
    if (index.kind == Index::Kind::Single && index.value->kind == Expr::Kind::String) {
      made.column = index.value->text;
      return made;
    }
    auto position = [&](const ExprPtr& e) {
      int64_t value = e_.whole_number(e_.eval(*e), e->span, "a position");
      if (value < 0)
        e_.fail(Diag::BadIndex, e->span, fmt::format("positions count from 0, found {}", value));
      if (!positions.holds(value))
        e_.fail(Diag::BadIndex, e->span, limits::message("a position", value, positions));
      return value;
    };
    if (index.kind == Index::Kind::Single) {
      made.from = position(index.value);
      made.to = made.from + 1;
      return made;
    }
    if (index.kind == Index::Kind::Ellipsis || index.step || !index.to) {
      e_.fail(Diag::BadIndex, index.span, "columns are chosen by position, name or `from:to`");
    }
    made.from = index.from ? position(index.from) : 0;
    made.to = position(index.to);
    if (made.to <= made.from)
      e_.fail(Diag::BadIndex, index.span,
              fmt::format("`{}:{}` chooses nothing", made.from, made.to));
    return made;
  }

  Elaborator& e_;
  Model& model_;
  bool bad_source_ = false;
};

constexpr auto kDataBuiltins = [] {
  std::array<Builtin, std::size(kSources) + std::size(kFunctions)> rows;
  std::ranges::copy(kFunctions, std::ranges::copy(kSources, rows.begin()).out);
  return rows;
}();

}  // namespace

std::span<const Builtin> data_builtins() { return kDataBuiltins; }

void read_data_block(Elaborator& e, const SettingsBlock& block, Model& model) {
  model.has_data = true;
  DataReader(e, model).run(block);
}

}  // namespace gradus::lang
