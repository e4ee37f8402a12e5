// Matching by position and name, then binding in three rounds: sizes, defaults, checks.
#include "lang/call_binder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lang/foreign_syntax.h"

namespace gradus::lang {

namespace {

struct FormalName {
  std::string name;
  bool optional;
  bool by_name = false;  // never by position
};

std::vector<FormalName> formal_names(const FunctionValue& function) {
  std::vector<FormalName> names;
  if (function.function) {
    for (const Formal& formal : function.function->formals)
      names.push_back({formal.name, formal.default_value != nullptr});
    return names;
  }
  for (BuiltinFormal& formal : formals_of(*function.builtin))
    names.push_back({std::move(formal.name), !formal.default_value.empty(), formal.by_name});
  return names;
}

/// max(x, 0) shall not be read as the larger of x and 0.
[[noreturn]] void refuse_position(Elaborator& e, const FunctionValue& function,
                                  const std::string& formal, Span span) {
  bool extremum = function.name == "max" || function.name == "min";
  std::string hint = extremum ? fmt::format("; of two values take `{}imum`", function.name) : "";
  e.fail(Diag::BadAxis, span,
         fmt::format("`{0}` names its `{1}:`, as in `{0}(x, {1}: 1)`{2}", function.name, formal,
                     hint));
}

}  // namespace

std::vector<std::optional<CallArgument>> match_arguments(Elaborator& e,
                                                         const FunctionValue& function,
                                                         std::vector<CallArgument> arguments,
                                                         Span span) {
  std::vector<FormalName> names = formal_names(function);
  std::vector<std::optional<CallArgument>> slots(names.size());
  auto slot_of = [&](const std::string& name) -> size_t {
    return static_cast<size_t>(std::ranges::find(names, name, &FormalName::name) - names.begin());
  };
  auto words_of = [&] {
    std::vector<std::string> words;
    for (const FormalName& name : names) words.push_back(name.name);
    return words;
  };
  for (const auto& [name, value] : function.fixed) {
    size_t slot = slot_of(name);
    if (slot < slots.size()) slots[slot] = CallArgument{name, function.span, function.span, value};
  }
  std::vector<bool> fixed;
  for (const auto& slot : slots) fixed.push_back(slot.has_value());
  size_t next = 0;
  for (CallArgument& argument : arguments) {
    size_t slot = slots.size();
    if (argument.name.empty()) {
      while (next < slots.size() && fixed[next]) ++next;
      slot = next++;
      if (slot >= slots.size()) {
        e.fail(Diag::BadArgument, argument.span,
               fmt::format("too many arguments: `{}` takes {}{}", function.name, names.size(),
                           names.empty() ? "" : fmt::format(" (`{}`)", fmt::join(words_of(), "`, `"))));
      }
      if (names[slot].by_name) refuse_position(e, function, names[slot].name, argument.span);
    } else {
      slot = slot_of(argument.name);
      if (slot >= slots.size()) {
        std::vector<std::string> words = words_of();
        std::string nearest = meant_argument(argument.name, words);
        std::string hint =
            nearest.empty()
                ? (words.empty() ? "" : fmt::format("; it takes `{}`", fmt::join(words, "`, `")))
                : "; did you mean `" + nearest + "`?";
        e.fail(Diag::BadArgument, argument.name_span,
               fmt::format("`{}` has no argument `{}`{}", function.name, argument.name, hint));
      }
    }
    if (slots[slot] && !fixed[slot])
      e.fail(Diag::BadArgument, argument.span,
             fmt::format("argument `{}` of `{}` is given twice", names[slot].name, function.name));
    fixed[slot] = false;
    slots[slot] = std::move(argument);
  }
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i] || names[i].optional) continue;
    std::vector<DiagNote> notes;
    if (function.function)
      notes.push_back({function.function->formals[i].span, "the argument is declared here"});
    e.fail(Diag::BadArgument, span,
           fmt::format("`{}` misses its argument `{}`", function.name, names[i].name),
           std::move(notes));
  }
  return slots;
}

std::string CallBinder::formal_text(const Formal& formal) const {
  std::string dims;
  for (const ExprPtr& dim : formal.type.dims) dims += (dims.empty() ? "" : ", ") + e_.source(*dim);
  return formal.type.tensor ? fmt::format("{}[{}]", formal.type.word, dims) : formal.type.word;
}

void CallBinder::refuse(Diag kind, const Formal& formal, Span span, std::string found) {
  e_.fail(kind, span.valid() ? span : call_,
          fmt::format("argument `{}` of `{}` is {}, expected {}", formal.name, function_.name,
                      found, formal_text(formal)),
          {{formal.span, "the argument is declared here"}});
}

void CallBinder::bind(std::vector<std::optional<CallArgument>> arguments) {
  const std::vector<Formal>& formals = function_.function->formals;
  Frame& frame = e_.frame();
  for (size_t i = 0; i < formals.size(); ++i) {
    if (!arguments[i]) continue;
    const CallArgument& argument = *arguments[i];
    if (argument.value.is(Value::Kind::Error)) throw Abandoned{};
    Value value = formals[i].type.tensor ? bind_tensor(formals[i], argument)
                                         : bind_bare(formals[i], argument);
    frame.blocks.front()[formals[i].name] = {std::move(value), Binding::Kind::Argument, SIZE_MAX,
                                             formals[i].span, argument.span};
  }
  for (size_t i = 0; i < formals.size(); ++i) {  // defaults may use sizes and the arguments before
    if (arguments[i]) continue;
    CallArgument argument{formals[i].name, {}, call_, {}};
    argument.value = formals[i].type.word == "fn" ? e_.function_value(*formals[i].default_value)
                                                  : e_.eval(*formals[i].default_value);
    Value value = formals[i].type.tensor ? bind_tensor(formals[i], argument)
                                         : bind_bare(formals[i], argument);
    frame.blocks.front()[formals[i].name] = {std::move(value), Binding::Kind::Argument, SIZE_MAX,
                                             formals[i].span, argument.span};
  }
  run_checks();
}

Value CallBinder::bind_tensor(const Formal& formal, const CallArgument& argument) {
  Value value = argument.value;
  DType dtype = *dtype_of_word(formal.type.word);
  if (!value.is(Value::Kind::Tensor)) {
    bool number = value.is(Value::Kind::Number) || value.is(Value::Kind::PerStep) ||
                  value.is(Value::Kind::Bool) || value.is(Value::Kind::List);
    bool fits_kind = value.is(Value::Kind::Bool) == (dtype == DType::Bool) ||
                     value.is(Value::Kind::List) || value.in_graph();
    if (!number || !fits_kind) refuse(Diag::TypeMismatch, formal, argument.span, kind_text(value));
    value = e_.as_tensor(value, argument.span, dtype);
  }
  TensorType type = e_.type(value);
  bool over_pass = value.place == Place::Finish && is_float(dtype);
  if (type.dtype != dtype && !over_pass) {
    std::string hint =
        is_float(dtype) && !is_float(type.dtype) ? "; convert it with `float(..)`" : "";
    e_.fail(Diag::TypeMismatch, argument.span,
            fmt::format("argument `{}` of `{}` is {}, expected {}{}", formal.name, function_.name,
                        type_text(type), formal_text(formal), hint),
            {{formal.span, "the argument is declared here"}});
  }
  bind_dims(formal, type, argument.span);
  return value;
}

void CallBinder::bind_dims(const Formal& formal, const TensorType& type, Span span) {
  const std::vector<ExprPtr>& dims = formal.type.dims;
  bool leading = !dims.empty() && dims[0]->kind == Expr::Kind::Ellipsis;
  size_t fixed = dims.size() - (leading ? 1 : 0);
  if (leading ? type.rank() < fixed : type.rank() != fixed)
    refuse(Diag::ShapeMismatch, formal, span, type_text(type));
  size_t lead = type.rank() - fixed;
  if (leading)
    bind_leading(formal, {type.shape.begin(), type.shape.begin() + static_cast<ptrdiff_t>(lead)},
                 type, span);
  for (size_t i = 0; i < fixed; ++i) {
    const Expr& dim = *dims[i + (leading ? 1 : 0)];
    Dim actual = type.shape[lead + i];
    if (dim.kind == Expr::Kind::Any) continue;
    bool bare = dim.kind == Expr::Kind::Size;
    if (bare && e_.frame().sizes.emplace(dim.text, actual).second) {
      origins_[dim.text] = {&formal, span};
    } else {
      checks_.push_back({&dim, actual, &formal, span});
    }
  }
}

namespace {

/// [batch, 1] is a column of [batch].
bool is_column_of(const Shape& shape, const Shape& rows) {
  return shape.size() == rows.size() + 1 && shape.back() == Dim::fixed(1) &&
         std::equal(rows.begin(), rows.end(), shape.begin());
}

}  // namespace

void CallBinder::bind_leading(const Formal& formal, Shape leading, const TensorType& type,
                              Span span) {
  Frame& frame = e_.frame();
  if (!frame.leading) {
    frame.leading = std::move(leading);
    leading_origin_ = Origin{&formal, span};
    return;
  }
  if (*frame.leading == leading) return;
  std::string hint;
  if (leading_origin_ && is_column_of(*frame.leading, leading))
    hint = fmt::format("; index `{}` with `[..., 0]` to drop its last size", leading_origin_->formal->name);
  if (is_column_of(leading, *frame.leading))
    hint = fmt::format("; index `{}` with `[..., 0]` to drop its last size", formal.name);
  std::vector<DiagNote> notes;
  if (leading_origin_)
    notes.push_back(
        {leading_origin_->span, fmt::format("`...` is {} by `{}`", shape_text(*frame.leading),
                                            leading_origin_->formal->name)});
  notes.push_back(
      {formal.span, fmt::format("`{}` is declared as {}", formal.name, formal_text(formal))});
  e_.fail(
      Diag::ShapeMismatch, span,
      fmt::format("argument `{}` of `{}` is {}: leading sizes {}, expected {}{}", formal.name,
                  function_.name, type_text(type), shape_text(leading), shape_text(*frame.leading),
                  hint),
      std::move(notes));
}

Value CallBinder::bind_bare(const Formal& formal, const CallArgument& argument) {
  const Value& value = argument.value;
  const std::string& word = formal.type.word;
  using Kind = Value::Kind;
  if (word == "float" && (value.is(Kind::Number) || value.is(Kind::PerStep))) {
    if (value.is(Kind::PerStep) && e_.type(value).dtype == DType::Bool)
      refuse(Diag::TypeMismatch, formal, argument.span, "a bool of each step");
    return value;
  }
  if (word == "float" && value.is(Kind::Tensor) && value.place == Place::Finish &&
      e_.type(value).is_scalar())
    return value;
  if (word == "bool" && value.is(Kind::Bool)) return value;
  if (word == "list" && value.is(Kind::List)) return value;
  if (word == "int" && value.is(Kind::Number)) {
    if (!value.number.whole()) {
      std::string found =
          value.text.empty() ? " is " + to_string(value.number) : ": " + value.text;
      e_.fail(Diag::NotWhole, argument.span,
              fmt::format("argument `{}` of `{}`{}, not whole", formal.name, function_.name, found),
              {{formal.span, "the argument is declared here"}});
    }
    return value.number.batch ? value : Value::of(Number::of(*value.number.whole()));
  }
  if (word == "fn" && value.is(Kind::Function)) {
    Value named = Value::of_function(*value.function);
    named.function->name = formal.name;  // the site of its calls
    return named;
  }
  std::string found = value.in_graph() ? (value.is(Kind::PerStep) ? "a number of each step"
                                                                  : type_text(e_.type(value)))
                                       : kind_text(value);
  refuse(Diag::TypeMismatch, formal, argument.span, found);
}

void CallBinder::run_checks() {
  for (const Check& check : checks_) {
    Dim expected = e_.dim_of_expr(*check.dim);
    if (expected == check.actual) continue;
    std::vector<DiagNote> notes;
    auto origin = origins_.find(check.dim->text);
    if (check.dim->kind == Expr::Kind::Size && origin != origins_.end()) {
      notes.push_back({origin->second.span, fmt::format("`{}` is {} by `{}`", check.dim->text,
                                                        to_string(Number::of_dim(expected)),
                                                        origin->second.formal->name)});
    }
    notes.push_back({check.formal->span, fmt::format("`{}` is declared as {}", check.formal->name,
                                                     formal_text(*check.formal))});
    e_.fail(
        Diag::ShapeMismatch, check.span,
        fmt::format("size `{}` of argument `{}` of `{}` is {}, expected {}", e_.source(*check.dim),
                    check.formal->name, function_.name, to_string(Number::of_dim(check.actual)),
                    to_string(Number::of_dim(expected))),
        std::move(notes));
  }
}

void CallBinder::bind_result(const TensorType* want) {
  const Function& function = *function_.function;
  if (!want || function.results.size() != 1 || !function.results[0].tensor) return;
  const std::vector<ExprPtr>& dims = function.results[0].dims;
  bool leading = !dims.empty() && dims[0]->kind == Expr::Kind::Ellipsis;
  size_t fixed = dims.size() - (leading ? 1 : 0);
  if (want->rank() < fixed || (!leading && want->rank() != fixed)) {
    e_.fail(Diag::ShapeMismatch, call_,
            fmt::format("`{}` gives {} sizes, but {} is filled", function_.name, fixed,
                        type_text(*want)),
            {{function.span, "the function is declared here"}});
  }
  Frame& frame = e_.frame();
  size_t lead = want->rank() - fixed;
  if (leading && !frame.leading)
    frame.leading = Shape(want->shape.begin(), want->shape.begin() + static_cast<ptrdiff_t>(lead));
  for (size_t i = 0; i < fixed; ++i) {
    const Expr& dim = *dims[i + (leading ? 1 : 0)];
    if (dim.kind == Expr::Kind::Size) frame.sizes.emplace(dim.text, want->shape[lead + i]);
  }
}

}  // namespace gradus::lang
