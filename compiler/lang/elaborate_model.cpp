// The model as a whole: constants, inputs, body, results; messages and node making for all parts.
#include <fmt/format.h>

#include <charconv>
#include <utility>

#include "lang/elaborator.h"
#include "lang/parser_state.h"
#include "opt/dce.h"

namespace gradus::lang {

Elaborator::Elaborator(const Program& program, const ElaborateOptions& options, Mode mode,
                       DiagEngine& diags)
    : program_(&program), options_(&options), mode_(mode), diags_(&diags) {
  for (Graph& graph : graphs_) builders_.emplace_back(graph);
  auto model = std::make_unique<Frame>();
  model->name = program.model->name;
  model->site = &root_;
  model->blocks.emplace_back();
  frames_.push_back(std::move(model));
}

// ---- messages and nodes ----

/// A message about library text is shown at the user's call, with the library's line as a note.
void Elaborator::fail(Diag kind, Span span, std::string message, std::vector<DiagNote> notes,
                      std::vector<Span> also) {
  if (!span.valid()) span = span_;
  if (program_->in_library(span)) {
    Span user;
    for (size_t i = frames_.size(); i-- > 0;) {
      if (program_->in_library(frames_[i]->call) || !frames_[i]->call.valid()) continue;
      user = frames_[i]->call;
      break;
    }
    notes.insert(notes.begin(), {span, "in the library, here"});
    also.clear();
    span = user;
  }
  const Frame& at = frame();
  if (at.function && !at.library && at.call.valid() && !(at.call == span)) {
    notes.push_back({at.call, fmt::format("in this call of `{}`", at.name)});
  }
  if (!at.rounds.empty()) message += fmt::format(" (round {} of `repeat`)", at.rounds.back());
  auto handle = diags_->error(kind, span, std::move(message));
  for (Span other : also) {
    if (other.valid()) handle.also(other);
  }
  for (DiagNote& note : notes) handle.note(note.span, std::move(note.message));
  throw Abandoned{};
}

const Binding* Elaborator::argument_at(Span span) {
  const auto& arguments = frame().blocks.front();
  auto found = arguments.find(source_text(span));
  if (found == arguments.end() || found->second.kind != Binding::Kind::Argument) return nullptr;
  return &found->second;
}

GraphBuilder& Elaborator::builder(Place place) {
  GraphBuilder& b = builders_[static_cast<size_t>(place)];
  const Frame& at = *frames_.back();
  b.set_span(at.in_library() ? at.user_call : span_);
  b.set_scope(scope(place, frames_.size() - 1));
  return b;
}

NodeId Elaborator::make(Place place, OpKind kind, std::vector<NodeId> operands, Attrs attrs,
                        const TensorType* given) {
  constexpr size_t kMaxNodes = 2'000'000;
  GraphBuilder& b = builder(place);
  Graph& g = graph(place);
  if (g.size() > kMaxNodes)
    fail(Diag::TooLarge, span_,
         fmt::format("the model unrolls to more than {} operations", kMaxNodes));
  ShapeResult result = b.infer(kind, operands, attrs, given);
  if (auto* problem = std::get_if<ShapeProblem>(&result))
    fail(Diag::ShapeMismatch, span_, problem->message);
  const NodeId id =
      b.add(kind, std::get<TensorType>(std::move(result)), std::move(operands), attrs);
  // The builder has rounded a constant to its type.
  if (options_->numbers_keep_digits) g[id].attrs = std::move(attrs);
  return id;
}

int32_t Elaborator::scope(Place place, size_t depth) {
  if (depth == 0) return -1;
  int32_t& id = frames_[depth]->scopes[static_cast<size_t>(place)];
  if (id != -2) return id;
  int32_t parent = scope(place, depth - 1);
  const std::string& statement = frames_[depth - 1]->statement;
  std::string name =
      statement.empty() ? frames_[depth]->name : statement + "." + frames_[depth]->name;
  graph(place).scopes.push_back({std::move(name), parent, frames_[depth]->call});
  id = static_cast<int32_t>(graph(place).scopes.size()) - 1;
  return id;
}

// ---- constants and inputs ----

namespace {

/// A number, `true`, `false`, or a list of such, as the command line writes it.
std::optional<Value> constant_from_text(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text == "true" || text == "false") return Value::of_bool(text == "true");
  const char* end = text.data() + text.size();
  double number = 0;
  int64_t integer = 0;
  auto whole = std::from_chars(text.data(), end, integer);
  if (whole.ec == std::errc() && whole.ptr == end) return Value::of(Number::of(integer));
  auto real = std::from_chars(text.data(), end, number);
  if (real.ec == std::errc() && real.ptr == end) return Value::of(Number::of_float(number));
  if (!text.starts_with('[') || !text.ends_with(']')) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<Value> items;
  while (!text.empty()) {
    size_t comma = std::min(text.find(','), text.size());
    std::optional<Value> item = constant_from_text(text.substr(0, comma));
    if (!item || item->is(Value::Kind::List)) return std::nullopt;
    items.push_back(std::move(*item));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return Value::of_list(std::move(items));
}

}  // namespace

void Elaborator::command_line_constants() {
  for (const auto& [name, text] : options_->constants) {
    auto found = program_->constants.find(name);
    if (found == program_->constants.end()) {
      std::vector<std::string> names;
      for (const auto& [known, constant] : program_->constants) names.push_back(known);
      std::string nearest = nearest_name(name, names);
      diags_->error(Diag::BadConstant, {},
                    fmt::format("`--set {}`: the model has no constant `{}`{}", name, name,
                                nearest.empty() ? "" : "; did you mean `" + nearest + "`?"));
      continue;
    }
    Expr::Kind declared = found->second->value->kind;
    std::optional<Value> value = constant_from_text(text);
    bool of_list = declared == Expr::Kind::List, of_bool = declared == Expr::Kind::Bool;
    bool of_number = declared == Expr::Kind::Number;
    bool fits = value && (!of_list || value->is(Value::Kind::List)) &&
                (!of_bool || value->is(Value::Kind::Bool)) &&
                (!of_number || value->is(Value::Kind::Number));
    if (fits) {
      constants_[name] = std::move(*value);
      continue;
    }
    std::string expected = of_list     ? "a list as in `[256, 128]`"
                           : of_bool   ? "`true` or `false`"
                           : of_number ? "a number"
                                       : "a number, `true`, `false` or a list";
    diags_->error(Diag::BadConstant, {},
                  fmt::format("`--set {}={}`: expected {}", name, text, expected));
  }
}

namespace {

template <typename Visit>
void for_names(const Expr& expr, const Visit& visit) {
  if (expr.kind == Expr::Kind::Name) visit(expr.text);
  for (const ExprPtr& operand : expr.operands) for_names(*operand, visit);
  for (const Argument& argument : expr.arguments) for_names(*argument.value, visit);
}

}  // namespace

/// In the order of the file, but after those that they need: the first that can be known is next.
void Elaborator::constants() {
  command_line_constants();
  std::vector<const Constant*> open;
  std::map<std::string_view, size_t> places;  // in `open`
  for (const Constant* constant : program_->constant_order) {
    if (constants_.count(constant->name)) continue;
    places.emplace(constant->name, open.size());
    open.push_back(constant);
  }
  std::vector<std::set<size_t>> needs(open.size());
  std::vector<std::vector<size_t>> needed_by(open.size());
  std::set<size_t> ready;
  for (size_t i = 0; i < open.size(); ++i) {
    for_names(*open[i]->value, [&](const std::string& name) {
      const auto found = places.find(name);
      if (found != places.end() && needs[i].insert(found->second).second) {
        needed_by[found->second].push_back(i);
      }
    });
    if (needs[i].empty()) ready.insert(i);
  }
  while (!ready.empty()) {
    const size_t next = ready.extract(ready.begin()).value();
    constant(*std::exchange(open[next], nullptr));
    for (size_t later : needed_by[next]) {
      needs[later].erase(next);
      if (needs[later].empty()) ready.insert(later);
    }
  }
  std::erase(open, nullptr);
  if (open.empty()) return;
  diags_->error(Diag::Recursion, open[0]->span,
                fmt::format("constant `{}` needs its own value", open[0]->name));
  for (const Constant* constant : open) constants_[constant->name] = Value();
}

void Elaborator::constant(const Constant& constant) {
  try {
    Value value = eval(*constant.value);
    bool fits = value.is(Value::Kind::Bool) || value.is(Value::Kind::List) ||
                (value.is(Value::Kind::Number) && !value.number.batch);
    if (!fits)
      fail(Diag::NotConstant, constant.value->span,
           fmt::format("a constant is a number, a bool or a list, found {}", kind_text(value)));
    constants_[constant.name] = std::move(value);
  } catch (const Abandoned&) {
    constants_[constant.name] = Value();
  }
}

void Elaborator::inputs() {
  for (const Formal& formal : program_->model->inputs) {
    try {
      span_ = formal.span;
      if (!formal.type.tensor) {
        fail(Diag::TypeMismatch, formal.type.span,
             fmt::format(
                 "input `{0}` is a tensor, as in `{0}: {1}[batch, 10]`; a bare number is a `const`",
                 formal.name, formal.type.word));
      }
      if (formal.default_value)
        fail(Diag::BadArgument, formal.default_value->span,
             "an input has no default; the `data` block gives its values");
      TensorType type = type_of(formal.type);
      for (size_t i = 0; i < type.rank(); ++i) {
        if (!type.shape[i].batch) continue;
        has_batch_ = true;
        if (i > 0)
          fail(Diag::BatchMisuse, formal.type.span,
               fmt::format("input `{}` is {}; `batch` comes first", formal.name, type_text(type)));
        if (type.shape[i].value != 1)
          fail(Diag::BatchMisuse, formal.type.span,
               fmt::format("input `{}` is {}; an input has `batch` rows, one each", formal.name,
                           type_text(type)));
      }
      NodeId node = make(Place::Step, OpKind::Input, {}, {{AttrName::Name, formal.name}}, &type);
      input_of_node_[node] = inputs_.size();
      inputs_.push_back({formal.name, type, formal.span, 0});
      declare(formal.name, formal.span, Value::tensor(Place::Step, node), Binding::Kind::Input);
    } catch (const Abandoned&) {
      frame().blocks.back()[formal.name] = {Value(), Binding::Kind::Input, SIZE_MAX, formal.span};
    }
  }
}

// ---- body ----

void Elaborator::bind_errors(const Statement& s) {
  auto bind = [&](const std::string& name, Span span) {
    if (!name.empty() && !find(name))
      frame().blocks.back()[name] = {Value(), Binding::Kind::Let, SIZE_MAX, span};
  };
  if (s.kind == Statement::Kind::Repeat || s.kind == Statement::Kind::If) {
    for (const auto& inner : s.body) bind_assigned(*inner);
    for (const auto& inner : s.else_body) bind_assigned(*inner);
    return;
  }
  bind_assigned(s);
  bind(s.name, s.name_span);
  for (size_t i = 0; i < s.names.size(); ++i) bind(s.names[i], s.name_spans[i]);
}

/// After an error the value of what was assigned is not known: later uses say nothing.
void Elaborator::bind_assigned(const Statement& s) {
  if (s.kind == Statement::Kind::Assign) {
    Binding* binding = find(s.name);
    if (binding && binding->kind == Binding::Kind::Let) binding->value = Value();
  }
  for (const auto& inner : s.body) bind_assigned(*inner);
  for (const auto& inner : s.else_body) bind_assigned(*inner);
}

void Elaborator::statement_of_model(const Statement& s) {
  try {
    exec(s);
  } catch (const Abandoned&) {
    frames_.resize(1);
    frame().blocks.resize(1);
    frame().rounds.clear();
    frame().calls.clear();
    place_ = Place::Step;
    replay_ = nullptr;
    recorders_.clear();
    metric_ = nullptr;
    of_metric_ = false;
    depth_ = 0;
    bind_errors(s);
  }
}

void Elaborator::run() {
  constexpr size_t kMaxErrors = 20;
  for (size_t i = 0; i < kPlaces; ++i) graphs_[i].name = program_->model->name;
  constants();
  inputs();
  for (const auto& statement : program_->model->body) {
    statement_of_model(*statement);
    if (diags_->count() > kMaxErrors) return;
  }
  if (diags_->has_errors()) return;
  try {
    if (mode_ == Mode::Train) train_step();
  } catch (const Abandoned&) {
    return;
  }
  settle_paths();
}

// ---- results ----

void Elaborator::finish(Model& model) {
  Graph& step = graph(Place::Step);
  auto add = [&](ResultKind kind, const std::string& name, NodeId value) {
    step.results.push_back({kind, name, value});
  };
  switch (mode_) {
    case Mode::Train:
      finish_tables(model);
      step.name += ".train";
      model.train = std::move(step);
      opt::dce(model.train);
      graph(Place::Init).name += ".init";
      model.init = std::move(graph(Place::Init));
      opt::dce(model.init);
      return;
    case Mode::Evaluate:
      step.name += ".eval";
      if (loss_) add(ResultKind::Loss, "", loss_->node);
      opt::dce(step);
      model.evaluate = std::move(step);
      graph(Place::Finish).name += ".metrics";
      opt::dce(graph(Place::Finish));
      model.metric_finish = {metrics_, std::move(graph(Place::Finish))};
      return;
    case Mode::Predict:
      step.name += ".predict";
      for (const auto& [name, node] : outputs_) {
        bool wanted = options_->outputs.empty() ||
                      std::find(options_->outputs.begin(), options_->outputs.end(), name) !=
                          options_->outputs.end();
        if (wanted) add(ResultKind::Output, name, node);
      }
      opt::dce(step);
      model.predict = std::move(step);
      return;
  }
}

void Elaborator::finish_tables(Model& model) {
  model.name = program_->model->name;
  model.has_batch = has_batch_;
  model.inputs = inputs_;
  model.has_loss = loss_.has_value();
  model.metrics = metrics_;
  model.train_block = train_block_;
  for (const auto& [name, node] : outputs_) model.outputs.push_back(name);
  Graph& init = graph(Place::Init);
  for (const VariableRecord& record : variables_) {
    model.variables.push_back({record.path, record.type, record.is_state, record.of_optimizer,
                               frozen(record.path), record.span, record.average_of});
    init.results.push_back({ResultKind::Update, record.path, record.initial});
  }
}

}  // namespace gradus::lang
