// Calls: which function a name means, its frame, its body, its results; layers and functions with
// a custom vjp.
#include <fmt/format.h>

#include "lang/call_binder.h"
#include "lang/foreign_syntax.h"

namespace gradus::lang {

const FunctionValue* Elaborator::find_function(const std::string& name) {
  for (size_t i = frame().blocks.size(); i-- > 0;) {
    auto found = frame().blocks[i].find(name);
    if (found == frame().blocks[i].end()) continue;
    if (found->second.value.is(Value::Kind::Error)) throw Abandoned{};
    if (found->second.value.is(Value::Kind::Function)) return found->second.value.function.get();
  }
  auto& table = frame().in_library() ? library_functions_ : functions_;
  auto cached = table.find(name);
  if (cached != table.end()) return &cached->second;
  FunctionValue value;
  value.name = name;
  auto own = program_->functions.find(name);
  auto library = program_->library.find(name);
  bool use_own = own != program_->functions.end() && !frame().in_library();
  if (use_own) {
    value.function = own->second;
  } else if (library != program_->library.end()) {
    value.function = library->second;
  } else {
    value.builtin = find_builtin(name);
  }
  if (!value.function && !value.builtin) return nullptr;
  if (value.function) value.span = value.function->span;
  return &table.insert_or_assign(name, std::move(value)).first->second;
}

Value Elaborator::function_value(const Expr& expr) {
  bool called = expr.kind == Expr::Kind::Call;
  if (!called && expr.kind != Expr::Kind::Name) {
    fail(Diag::TypeMismatch, expr.span, "expected a function here: `f`, or `f(named: arguments)`");
  }
  const FunctionValue* found = find_function(expr.text);
  if (!found) unknown(expr.text, expr.word, "a function", true);
  FunctionValue value = *found;
  if (!called) {
    value.span = expr.span;
    return Value::of_function(std::move(value));
  }
  for (const Argument& argument : expr.arguments) {
    if (argument.name.empty()) {
      fail(
          Diag::BadArgument, argument.value->span,
          fmt::format(
              "a function is expected here, and arguments that are fixed are named: `{}(name: ..)`",
              expr.text));
    }
  }
  std::vector<CallArgument> arguments = call_arguments(expr, value);
  if (value.layer && !arguments.empty())
    fail(Diag::BadArgument, expr.span,
         fmt::format("`{}` is a layer; its arguments were fixed where it was made", expr.text));
  std::vector<std::string> names;
  if (value.function) {
    for (const Formal& formal : value.function->formals) names.push_back(formal.name);
    for (const CallArgument& argument : arguments) {
      if (std::find(names.begin(), names.end(), argument.name) != names.end()) continue;
      std::string nearest = meant_argument(argument.name, names);
      fail(Diag::BadArgument, argument.name_span,
           fmt::format("`{}` has no argument `{}`{}", expr.text, argument.name,
                       nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
    }
  }
  for (CallArgument& argument : arguments) {
    std::erase_if(value.fixed, [&](const auto& fixed) { return fixed.first == argument.name; });
    value.fixed.emplace_back(argument.name, std::move(argument.value));
  }
  value.span = expr.span;
  return Value::of_function(std::move(value));
}

std::vector<CallArgument> Elaborator::call_arguments(const Expr& expr,
                                                     const FunctionValue& function) {
  std::vector<CallArgument> arguments;
  std::set<std::string> fixed;
  for (const auto& [name, value] : function.fixed) fixed.insert(name);
  size_t next = 0;
  for (const Argument& argument : expr.arguments) {
    const Formal* formal = nullptr;
    if (function.function) {
      const std::vector<Formal>& formals = function.function->formals;
      if (argument.name.empty()) {
        while (next < formals.size() && fixed.count(formals[next].name)) ++next;
        if (next < formals.size()) formal = &formals[next++];
      } else {
        for (const Formal& candidate : formals) {
          if (candidate.name == argument.name) formal = &candidate;
        }
      }
    }
    bool wants_function = formal && formal->type.word == "fn";
    Value value = wants_function ? function_value(*argument.value) : eval(*argument.value);
    arguments.push_back(
        {argument.name, argument.name_span, argument.value->span, std::move(value)});
  }
  return arguments;
}

namespace {

/// Nodes from `first` on which a built-in function has made come from its call, as those of a
/// library function come from theirs.
void add_call_scope(Graph& graph, size_t first, const Frame& caller, const std::string& name,
                    Span call) {
  const int32_t parent = caller.scopes[static_cast<size_t>(Place::Step)];
  const auto made = static_cast<int32_t>(graph.scopes.size());
  bool any = false;
  for (size_t i = first; i < graph.size(); ++i) {
    Node& node = graph[NodeId(i)];
    if (node.scope != std::max(parent, -1)) continue;
    node.scope = made;
    any = true;
  }
  if (!any) return;
  const std::string full = caller.statement.empty() ? name : caller.statement + "." + name;
  graph.scopes.push_back({full, std::max(parent, -1), call});
}

}  // namespace

Value Elaborator::call(const Expr& expr, const TensorType* want) {
  const FunctionValue* found = find_function(expr.text);
  if (!found && find_row(derivative_builtins(), expr.text)) return gradient(expr);
  if (!found) unknown(expr.text, expr.word, "a function", true);
  FunctionValue function = *found;
  std::vector<CallArgument> arguments = call_arguments(expr, function);
  span_ = expr.word;
  return call_function(function, std::move(arguments), expr.span, want);
}

Value Elaborator::call_function(const FunctionValue& function, std::vector<CallArgument> arguments,
                                Span span, const TensorType* want, Site* site) {
  if (function.layer) return call_layer(function, std::move(arguments), span, want);
  if (function.function) return call_declared(function, std::move(arguments), span, want, site);
  auto slots = match_arguments(*this, function, std::move(arguments), span);
  BuiltinCall call{*this, span, {}, {}, want};
  for (const auto& slot : slots) {
    if (slot && slot->value.is(Value::Kind::Error)) throw Abandoned{};
    call.values.push_back(slot ? &slot->value : nullptr);
    call.spans.push_back(slot ? slot->span : span);
  }
  span_ = span;
  const size_t first = graph(Place::Step).size();
  Value result = function.builtin->run(call);
  if (!frame().in_library()) add_call_scope(graph(Place::Step), first, frame(), function.name, span);
  const bool is_argument = std::ranges::any_of(slots, [&](const auto& slot) {
    return slot && slot->value.is(Value::Kind::Tensor) && result.is(Value::Kind::Tensor) &&
           slot->value.place == result.place && slot->value.node == result.node;
  });
  return is_argument ? value_of_its_own(result) : result;
}

/// A node of its own for a value that is left as it is (reshaped to its own sizes, sliced as a
/// whole): a derivative by it does not count what comes from the original by other ways.
Value Elaborator::value_of_its_own(const Value& value) {
  const TensorType same = type(value);
  if (!is_float(same.dtype)) return value;
  return Value::tensor(value.place, make(value.place, OpKind::Reshape, {value.node}, {}, &same));
}

Value Elaborator::call_layer(const FunctionValue& function, std::vector<CallArgument> arguments,
                             Span span, const TensorType* want) {
  LayerState& layer = *function.layer;
  FunctionValue plain = function;
  plain.layer.reset();
  if (!layer.made) {
    layer.made = true;
    recorders_.push_back({layer.site, 0, &layer.variables});
    struct Stop {
      std::vector<Recorder>& recorders;
      ~Stop() { recorders.pop_back(); }
    } stop{recorders_};
    return call_declared(plain, std::move(arguments), span, want, layer.site);
  }
  Replay replay{&layer.variables, 0};
  Replay* outer = std::exchange(replay_, &replay);
  std::vector<Recorder> outer_recorders = std::exchange(recorders_, {});
  struct Back {
    Elaborator& e;
    Replay* replay;
    std::vector<Recorder>& recorders;
    ~Back() {
      e.replay_ = replay;
      e.recorders_ = std::move(recorders);
    }
  } back{*this, outer, outer_recorders};
  Value result = call_declared(plain, std::move(arguments), span, want, layer.site);
  if (replay.next != layer.variables.size()) {
    fail(Diag::LayerMismatch, span,
         fmt::format("this call of layer `{}` leaves out `{}`, which its first call made",
                     function.name, variables_[layer.variables[replay.next]].name));
  }
  return result;
}

Value Elaborator::call_declared(const FunctionValue& function, std::vector<CallArgument> arguments,
                                Span span, const TensorType* want, Site* site) {
  constexpr size_t kMaxFrames = 100;
  if (frames_.size() > kMaxFrames) {
    fail(Diag::Recursion, span,
         fmt::format("calls nest deeper than {}; a function cannot call itself", kMaxFrames));
  }
  for (const auto& open : frames_) {
    if (open->function == function.function && !open->takes_function) {
      fail(Diag::Recursion, span,
           fmt::format("`{}` calls itself; unroll with `repeat`", function.function->name));
    }
  }
  auto slots = match_arguments(*this, function, std::move(arguments), span);
  if (!site) {
    site = new_site(frame().site, function.name);
    frame().calls.push_back(site);
  }
  auto next = std::make_unique<Frame>();
  next->function = function.function;
  next->name = function.name;
  next->call = span;
  next->site = site;
  next->blocks.emplace_back();
  next->no_variables = frame().no_variables || function.function->has_vjp;
  next->library = program_->in_library(function.function->span);
  next->user_call = frame().in_library() ? frame().user_call : span;
  for (const Formal& formal : function.function->formals)
    next->takes_function |= formal.type.word == "fn";
  frames_.push_back(std::move(next));
  struct Pop {
    Elaborator& e;
    int depth;
    ~Pop() { e.frames_.pop_back(); }
  } pop{*this, depth_};
  CallBinder binder(*this, function, span);
  binder.bind(std::move(slots));
  binder.bind_result(want);
  return run_body(function, want);
}

Value Elaborator::run_body(const FunctionValue& function, const TensorType*) {
  const Function& declared = *function.function;
  auto arguments = frame().blocks.front();
  exec_block(declared.body);
  if (!frame().result) {
    fail(Diag::MissingReturn, declared.span,
         fmt::format("`{}` ends without `return`", declared.name));
  }
  Value result = std::move(*frame().result);
  check_results(declared, result, frame().call);
  if (!declared.has_vjp) return result;
  frame().blocks.assign(1, std::move(arguments));
  return custom_vjp(declared, result);
}

void Elaborator::check_results(const Function& function, Value& result, Span span) {
  if (function.results.empty()) return;
  if (function.results.size() == 1)
    return check_result(function.results[0], result, function, span);
  if (!result.is(Value::Kind::Tuple) || result.items.size() != function.results.size()) {
    fail(Diag::TypeMismatch, function.span,
         fmt::format("`{}` declares {} results and returns {}", function.name,
                     function.results.size(),
                     result.is(Value::Kind::Tuple) ? std::to_string(result.items.size()) : "one"));
  }
  for (size_t i = 0; i < function.results.size(); ++i)
    check_result(function.results[i], result.items[i], function, span);
}

void Elaborator::check_result(const TypeExpr& expr, Value& value, const Function& function, Span) {
  auto refuse = [&](const std::string& found, Diag kind) {
    fail(kind, expr.span,
         fmt::format("`{}` returns {}, declared as {}", function.name, found,
                     std::string(diags_->sources().text(expr.span))));
  };
  if (!expr.tensor) {
    using Kind = Value::Kind;
    bool number = value.is(Kind::Number) || value.is(Kind::PerStep) ||
                  (value.is(Kind::Tensor) && value.place == Place::Finish);
    bool fits = (expr.word == "float" && number) ||
                (expr.word == "int" && value.is(Kind::Number) && value.number.whole()) ||
                (expr.word == "bool" && value.is(Kind::Bool)) ||
                (expr.word == "list" && value.is(Kind::List));
    if (!fits)
      refuse(value.in_graph() ? type_text(type(value)) : kind_text(value), Diag::TypeMismatch);
    return;
  }
  DType dtype = *dtype_of_word(expr.word);
  bool number = value.is(Value::Kind::Number) || value.is(Value::Kind::PerStep) ||
                value.is(Value::Kind::Bool);
  if (number) value = as_tensor(value, expr.span, dtype);
  if (!value.is(Value::Kind::Tensor)) refuse(kind_text(value), Diag::TypeMismatch);
  const TensorType actual = type(value);
  if (actual.dtype != dtype && value.place != Place::Finish)
    refuse(type_text(actual), Diag::TypeMismatch);
  bool leading = !expr.dims.empty() && expr.dims[0]->kind == Expr::Kind::Ellipsis;
  size_t fixed = expr.dims.size() - (leading ? 1 : 0);
  if (leading ? actual.rank() < fixed : actual.rank() != fixed)
    refuse(type_text(actual), Diag::ShapeMismatch);
  size_t lead = actual.rank() - fixed;
  if (leading && frame().leading) {
    Shape have(actual.shape.begin(), actual.shape.begin() + static_cast<ptrdiff_t>(lead));
    if (have != *frame().leading) refuse(type_text(actual), Diag::ShapeMismatch);
  }
  for (size_t i = 0; i < fixed; ++i) {
    const Expr& dim = *expr.dims[i + (leading ? 1 : 0)];
    if (dim.kind != Expr::Kind::Any && dim_of_expr(dim) != actual.shape[lead + i])
      refuse(type_text(actual), Diag::ShapeMismatch);
  }
}

/// The function's value with the derivative that its second block gives. A seed stands for the
/// cotangent that will arrive.
Value Elaborator::custom_vjp(const Function& function, const Value& result) {
  if (!result.is(Value::Kind::Tensor) || !is_float(type(result).dtype)) {
    fail(Diag::TypeMismatch, function.vjp_span,
         fmt::format("`{}` has a custom vjp and returns one float tensor, found {}", function.name,
                     kind_text(result)));
  }
  if (result.place != Place::Step) return result;
  const TensorType result_type = type(result);
  span_ = function.vjp_span;
  NodeId seed = make(Place::Step, OpKind::Seed, {}, {}, &result_type);
  std::vector<Value> arguments;
  for (const Formal& formal : function.formals) {
    const Value& value = frame().blocks.front()[formal.name].value;
    if (formal.type.tensor && is_float(*dtype_of_word(formal.type.word)))
      arguments.push_back(value);
  }
  frame().blocks.front()["result"] = {result, Binding::Kind::Let, SIZE_MAX, function.vjp_span};
  frame().blocks.front()[function.seed] = {Value::tensor(Place::Step, seed), Binding::Kind::Let,
                                           SIZE_MAX, function.vjp_span};
  frame().result.reset();
  exec_block(function.vjp_body);
  if (!frame().result)
    fail(Diag::MissingReturn, function.vjp_span, "the custom vjp ends without `return`");
  Value returned = std::move(*frame().result);
  std::vector<Value> cotangents = returned.is(Value::Kind::Tuple)
                                      ? std::move(returned.items)
                                      : std::vector<Value>{std::move(returned)};
  if (cotangents.size() != arguments.size()) {
    fail(Diag::ShapeMismatch, function.vjp_span,
         fmt::format("the custom vjp of `{}` returns {} cotangents, expected {}: one for each "
                     "float tensor argument",
                     function.name, cotangents.size(), arguments.size()));
  }
  std::vector<NodeId> operands = {result.node, seed};
  for (const Value& argument : arguments) operands.push_back(argument.node);
  for (size_t i = 0; i < cotangents.size(); ++i) {
    operands.push_back(fit(cotangents[i], type(arguments[i]), function.vjp_span,
                           fmt::format("cotangent {} of `{}`", i + 1, function.name))
                           .node);
  }
  span_ = function.vjp_span;
  return Value::tensor(Place::Step, make(Place::Step, OpKind::CustomVjp, std::move(operands),
                                         {{AttrName::Name, function.name}}));
}

}  // namespace gradus::lang
