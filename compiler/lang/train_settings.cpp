// The lines of the train block: keys with values, early stopping, groups and what is frozen.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lang/elaborator.h"
#include "lang/setting_numbers.h"

namespace gradus::lang {

namespace {

const std::vector<std::string> kKeys = {
    "optimizer", "batch",   "epochs", "steps",          "seed",
    "gradient",  "average", "validate_every", "restore_best_weights"};
constexpr std::string_view kGroup = "Training: lines of the `train` block";
constexpr Builtin kCalls[] = {
    {kGroup, "early_stopping",
     "patience: int = 10, min_delta: float = 0, monitor: string = \"loss\", mode: string = \"min\"", "",
     "Ends training after so many validations in which what is watched gained no more than min_delta. A "
     "metric needs `mode: \"max\"` or `mode: \"min\"`."},
    {kGroup, "group", "patterns: strings, arguments: by name", "",
     "Other arguments of the optimizer for matching parameters: group(\"*.b\", decay: 0)."},
    {kGroup, "freeze", "patterns: strings", "",
     "No update of matching parameters: freeze(\"token.*\"), where `*` is any characters."},
};
static_assert(all_described(kCalls));

/// Blanks and line ends in a row are one blank, and none stands within brackets or before a comma: how a
/// line was broken says nothing.
std::string on_one_line(std::string_view text) {
  std::string out;
  bool blank = false;
  for (char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      blank = true;
      continue;
    }
    bool tight = out.empty() || out.ends_with('(') || out.ends_with('[') || c == ')' || c == ']' || c == ',';
    if (blank && !tight) out += ' ';
    blank = false;
    out += c;
  }
  return out;
}

/// A schedule is a number of each step; --rate would make one number of it.
bool is_schedule(const Value& value) { return value.is(Value::Kind::PerStep); }

}  // namespace

std::span<const Builtin> train_builtins() { return kCalls; }

void Elaborator::train_settings() {
  if (program_->train) read_settings(program_->train->settings);
  // Without a word about it a loss is trained by Adam with its defaults.
  if (!optimizer_) optimizer_ = *find_function("adam");
  if (options_->rate) {
    std::erase_if(optimizer_->fixed, [](const auto& fixed) { return fixed.first == "rate"; });
    optimizer_->fixed.emplace_back("rate", Value::of(Number::of_float(*options_->rate)));
  }
}

void Elaborator::read_settings(const std::vector<Setting>& settings) {
  std::map<std::string, Span> seen;
  for (const Setting& setting : settings) {
    try {
      frame().statement.clear();
      if (setting.kind == Setting::Kind::Assign &&
          !seen.emplace(setting.name, setting.span).second) {
        fail(Diag::Redefined, setting.span, fmt::format("`{}` is set twice", setting.name),
             {{seen[setting.name], "the first is here"}});
      }
      if (setting.kind == Setting::Kind::From)
        fail(Diag::BadSetting, setting.span, "`from` names data; it stands in the `data` block");
      setting.kind == Setting::Kind::Call ? setting_call(setting) : setting_value(setting);
      keep_text(setting);
      if (setting.kind == Setting::Kind::Assign && seen.count("epochs") && seen.count("steps") &&
          (setting.name == "epochs" || setting.name == "steps"))
        fail(Diag::BadSetting, setting.span, "`epochs` and `steps` both say how long; keep one",
             {{seen[setting.name == "steps" ? "epochs" : "steps"], "the other is here"}});
    } catch (const Abandoned&) {
      frames_.resize(1);
      depth_ = 0;
    }
  }
}

void Elaborator::keep_text(const Setting& setting) {
  constexpr std::string_view kKept[] = {"optimizer", "gradient", "average", "group", "freeze"};
  if (std::ranges::find(kKept, setting.name) == std::end(kKept)) return;
  std::string& text = train_block_.texts[setting.name];
  if (!text.empty()) text += "; ";
  text += on_one_line(diags_->sources().text(setting.value->span));
}

/// One rate for all steps cannot stand for a schedule; which of its numbers is meant is not guessed.
void Elaborator::check_rate(const Expr& expr) {
  const auto& fixed = optimizer_->fixed;
  auto rate = std::ranges::find(fixed, "rate", [](const auto& argument) { return argument.first; });
  if (rate == fixed.end() || !is_schedule(rate->second)) return;
  Span span = expr.span;
  for (const Argument& argument : expr.arguments) {
    if (argument.name == "rate") span = argument.value->span;
  }
  fail(Diag::BadSetting, span,
       fmt::format("--rate is {}, one rate for all steps, but the rate here is a schedule; make its "
                   "`peak` a `const` and give that by --set",
                   *options_->rate));
}

void Elaborator::setting_value(const Setting& setting) {
  const std::string& name = setting.name;
  const Expr& expr = *setting.value;
  auto whole = [&](const limits::Range& range) {
    return whole_within(*this, expr, fmt::format("`{}`", name), range);
  };
  if (name == "optimizer") {
    optimizer_ = *function_value(expr).function;
    if (options_->rate) check_rate(expr);
  } else if (name == "gradient") {
    gradient_function_ = *function_value(expr).function;
  } else if (name == "average") {
    average_ = *function_value(expr).function;
  } else if (name == "batch") {
    if (!has_batch_)
      fail(Diag::BadSetting, setting.span,
           "`batch` is set, but no input has the size `batch`: a step takes all rows");
    train_block_.batch = whole(limits::kBatch);
  } else if (name == "epochs") {
    train_block_.epochs = whole(limits::kEpochs);
  } else if (name == "steps") {
    train_block_.steps = whole(limits::kSteps);
  } else if (name == "seed") {
    train_block_.seed = static_cast<uint64_t>(whole(limits::kSeed));
  } else if (name == "validate_every") {
    train_block_.validate_every = whole(limits::kValidateEvery);
  } else if (name == "restore_best_weights") {
    train_block_.restore_best_weights =
        compile_time_bool(eval(expr), expr.span, "`restore_best_weights`");
  } else if (name == "memory") {
    fail(Diag::BadSetting, setting.span,
         "`memory` is no limit that this version keeps; leave it out, `gradus show --emit=plan` tells what "
         "a step takes");
  } else {
    unknown_setting(setting);
  }
}

/// A setting that is not known, or one of the other form: `name = value` for `name(..)`, or the
/// other way round.
void Elaborator::unknown_setting(const Setting& setting) {
  const std::string& name = setting.name;
  bool call = setting.kind == Setting::Kind::Call;
  std::string hint;
  if (!call && find_row(kCalls, name)) {
    hint = fmt::format("; it is written `{}(..)`", name);
  } else if (call && std::ranges::find(kKeys, name) != kKeys.end()) {
    hint = fmt::format("; it is written `{} = ..`", name);
  } else if (call && find_function(name)) {
    hint = fmt::format("; an optimizer is set by `optimizer = {}(..)`", name);
  } else {
    std::vector<std::string> names = kKeys;
    for (const std::string& known : names_of(kCalls)) names.push_back(known);
    std::string nearest = nearest_name(name, names);
    if (!nearest.empty()) hint = fmt::format("; did you mean `{}`?", nearest);
  }
  fail(Diag::BadSetting, setting.span,
       fmt::format("`{}{}` is no setting of `train`{}", name, call ? "(..)" : "", hint));
}

void Elaborator::setting_call(const Setting& setting) {
  if (setting.name == "early_stopping") return early_stopping(setting);
  if (setting.name == "freeze") return freeze(setting);
  if (setting.name == "group") return group(setting);
  unknown_setting(setting);
}

/// The patterns stand before the arguments: those have names, and what has a name comes last.
std::span<const Argument> Elaborator::patterns(const Setting& setting) {
  const std::vector<Argument>& arguments = setting.value->arguments;
  size_t count = 0;
  while (count < arguments.size() && arguments[count].name.empty()) {
    if (arguments[count].value->kind != Expr::Kind::String) break;
    ++count;
  }
  if (count == 0)
    fail(Diag::BadSetting, setting.span,
         fmt::format("`{0}` begins with a pattern of paths, as in `{0}(\"*.b\"..)`", setting.name));
  return {arguments.data(), count};
}

void Elaborator::group(const Setting& setting) {
  const std::vector<Argument>& arguments = setting.value->arguments;
  const size_t first = patterns(setting).size();
  if (first == arguments.size())
    fail(Diag::BadSetting, setting.span,
         "`group` changes nothing here; arguments of the optimizer follow the patterns, as in "
         "`group(\"*.b\", decay: 0)`");
  if (arguments[first].name.empty())
    fail(Diag::BadSetting, arguments[first].value->span,
         "`group` takes patterns, then arguments of the optimizer by name");
  groups_.push_back(&setting);
}

void Elaborator::freeze(const Setting& setting) {
  (void)patterns(setting);
  for (const Argument& argument : setting.value->arguments) {
    if (argument.value->kind != Expr::Kind::String)
      fail(Diag::BadSetting, argument.value->span, "`freeze` takes patterns of paths");
    bool any = false;
    std::vector<std::string> paths;
    for (const VariableRecord& variable : variables_) {
      any |= matches(argument.value->text, variable.path);
      paths.push_back(variable.path);
    }
    std::string nearest = nearest_name(argument.value->text, paths);
    if (!any)
      fail(Diag::BadPattern, argument.value->span,
           fmt::format("\"{}\" matches no parameter{}", argument.value->text,
                       nearest.empty() ? "" : "; did you mean \"" + nearest + "\"?"));
    freeze_patterns_.push_back(argument.value->text);
  }
}

void Elaborator::early_stopping(const Setting& setting) {
  EarlyStopping stopping;
  std::vector<std::string> names;
  for (const BuiltinFormal& formal : formals_of(*find_row(kCalls, setting.name))) names.push_back(formal.name);
  size_t position = 0;
  bool mode_given = false;
  for (const Argument& argument : setting.value->arguments) {
    std::string name = argument.name.empty() ? (position < names.size() ? names[position++] : "")
                                             : argument.name;
    Value value = eval(*argument.value);
    Span span = argument.value->span;
    if (name == "patience") {
      stopping.patience = whole_within(*this, value, span, "`patience`", limits::kPatience);
    } else if (name == "min_delta") {
      stopping.min_delta = compile_time_number(value, span, "`min_delta`").value;
      if (!(stopping.min_delta >= 0 && stopping.min_delta < INFINITY))
        fail(Diag::BadSetting, span,
             fmt::format("`min_delta` is {}, expected a number from 0", stopping.min_delta));
    } else if (name == "monitor" && value.is(Value::Kind::String)) {
      bool known = value.text == "loss" ||
                   std::find(metrics_.begin(), metrics_.end(), value.text) != metrics_.end();
      if (!known) {
        std::string nearest = nearest_name(value.text, metrics_);
        fail(Diag::BadSetting, span,
             fmt::format("the model has no metric `{}`{}", value.text,
                         nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
      }
      stopping.monitor = value.text == "loss" ? "" : value.text;
    } else if (name == "mode" && value.is(Value::Kind::String) &&
               (value.text == "max" || value.text == "min")) {
      mode_given = true;
      stopping.maximize = value.text == "max";
    } else {
      bool known = std::find(names.begin(), names.end(), name) != names.end();
      std::string nearest = known ? "" : nearest_name(name, names);
      fail(Diag::BadSetting, argument.name.empty() || known ? span : argument.name_span,
           "`early_stopping` takes patience, min_delta, monitor (a metric's name) and mode "
           "(\"max\" or \"min\")" +
               (nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
    }
  }
  if (!stopping.monitor.empty() && !mode_given)
    fail(Diag::BadSetting, setting.span,
         fmt::format("watching metric `{}` needs `mode: \"max\"` or `mode: \"min\"`",
                     stopping.monitor));
  train_block_.early_stopping = stopping;
}

}  // namespace gradus::lang
