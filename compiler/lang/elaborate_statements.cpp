// Statements of functions and of the model.
#include <fmt/format.h>

#include "lang/elaborator.h"

namespace gradus::lang {

/// A name stands for one thing; only what `let` binds is bound anew.
void Elaborator::expect_new(const std::string& name, Span span, bool rebinds) {
  if (const Binding* there = find(name)) {
    fail(Diag::Redefined, span,
         fmt::format("`{0}` is declared already; {1}", name,
                     rebinds ? "bind it anew with `" + name + " = ..`" : "take another name"),
         {{there->span, "it is declared here"}});
  }
}

void Elaborator::declare(const std::string& name, Span span, Value value, Binding::Kind kind,
                         size_t variable) {
  if (name == "_") return;
  expect_new(name, span, kind == Binding::Kind::Let);
  if (value.is(Value::Kind::Tuple))
    fail(Diag::TypeMismatch, span,
         fmt::format("{} results for one name; take them apart with `let (a, b) = ..`",
                     value.items.size()));
  frame().blocks.back()[name] = {std::move(value), kind, variable, span};
}

void Elaborator::exec_block(const Block& block) {
  for (const auto& statement : block) {
    if (frame().result) return;
    exec(*statement);
  }
}

namespace {

/// A block with its own names; they end with it, however it is left.
class Scoped {
 public:
  explicit Scoped(Frame& frame) : frame_(&frame) { frame.blocks.emplace_back(); }
  ~Scoped() { frame_->blocks.pop_back(); }
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;

 private:
  Frame* frame_;
};

}  // namespace

void Elaborator::exec(const Statement& s) {
  deeper(s.span);
  frame().statement.clear();
  switch (s.kind) {
    case Statement::Kind::Let:
      return exec_let(s);
    case Statement::Kind::LetTuple:
      return exec_let_tuple(s);
    case Statement::Kind::Assign:
      return exec_assign(s);
    case Statement::Kind::Layer:
      return exec_layer(s);
    case Statement::Kind::Param:
    case Statement::Kind::State:
      return exec_variable(s);
    case Statement::Kind::Repeat:
      return exec_repeat(s);
    case Statement::Kind::If:
      return exec_if(s);
    case Statement::Kind::Return:
      return exec_return(s);
    case Statement::Kind::Output:
      return exec_output(s);
    case Statement::Kind::Metric:
      return exec_metric(s);
    case Statement::Kind::Loss:
      return exec_loss(s);
  }
}

void Elaborator::exec_let(const Statement& s) {
  frame().statement = s.name;
  Value value;
  if (s.type && s.type->tensor) {
    bool any = false;
    for (const ExprPtr& dim : s.type->dims) any |= dim->kind == Expr::Kind::Any;
    if (any) {
      value = eval(*s.value);
      if (!value.is(Value::Kind::Tensor))
        fail(Diag::TypeMismatch, s.value->span,
             fmt::format("`{}` is a tensor, found {}", s.name, kind_text(value)));
      TensorType actual = type(value);
      value = fit(value, type_of(*s.type, &actual), s.value->span, fmt::format("`{}`", s.name));
    } else {
      TensorType want = type_of(*s.type);
      value = fit(eval(*s.value, &want), want, s.value->span, fmt::format("`{}`", s.name));
    }
  } else {
    value = eval(*s.value);
    if (s.type) check_bare(*s.type, value, s.value->span, s.name);
  }
  settle_sites(s.name);
  declare(s.name, s.name_span, std::move(value), Binding::Kind::Let);
}

void Elaborator::check_bare(const TypeExpr& expr, const Value& value, Span span,
                            const std::string& name) {
  using Kind = Value::Kind;
  bool fits = (expr.word == "float" && (value.is(Kind::Number) || value.is(Kind::PerStep))) ||
              (expr.word == "int" && value.is(Kind::Number) && value.number.whole()) ||
              (expr.word == "bool" && value.is(Kind::Bool)) ||
              (expr.word == "list" && value.is(Kind::List));
  if (!fits)
    fail(Diag::TypeMismatch, span,
         fmt::format("`{}` is {}, found {}", name, expr.word,
                     value.in_graph() ? type_text(type(value)) : kind_text(value)));
}

void Elaborator::exec_let_tuple(const Statement& s) {
  Value value = eval(*s.value);
  settle_sites("");
  if (!value.is(Value::Kind::Tuple) || value.items.size() != s.names.size()) {
    fail(Diag::TypeMismatch, s.value->span,
         fmt::format("{} names for {}", s.names.size(),
                     value.is(Value::Kind::Tuple) ? fmt::format("{} results", value.items.size())
                                                  : "one result"));
  }
  for (size_t i = 0; i < s.names.size(); ++i)
    declare(s.names[i], s.name_spans[i], value.items[i], Binding::Kind::Let);
}

void Elaborator::exec_assign(const Statement& s) {
  Value value = eval(*s.value);
  settle_sites("");
  if (is_predefined(s.name))
    fail(Diag::BadAssignment, s.name_span,
         fmt::format("`{}` has a meaning of its own and is never assigned", s.name));
  Binding* binding = find(s.name);
  if (!binding) {
    if (constants_.count(s.name))
      fail(Diag::BadAssignment, s.name_span,
           fmt::format("`{}` is a constant; it keeps its value", s.name));
    std::vector<std::string> names;
    for (const auto& block : frame().blocks) {
      for (const auto& [name, known] : block) names.push_back(name);
    }
    std::string nearest = nearest_name(s.name, names);
    fail(Diag::UnknownName, s.name_span,
         fmt::format("`{0}` is not declared; {1}", s.name,
                     nearest.empty() ? "write `let " + s.name + " = ..`"
                                     : "did you mean `" + nearest + "`?"));
  }
  if (binding->value.is(Value::Kind::Error)) throw Abandoned{};
  switch (binding->kind) {
    case Binding::Kind::Param:
      fail(Diag::BadAssignment, s.name_span,
           fmt::format("`{}` is a parameter; only training changes it, a `state` is assigned",
                       s.name));
    case Binding::Kind::Layer:
      fail(Diag::BadAssignment, s.name_span,
           fmt::format("`{}` is a layer and cannot be assigned", s.name));
    case Binding::Kind::Round:
      fail(Diag::BadAssignment, s.name_span,
           fmt::format("`{}` is set by `repeat` and cannot be assigned", s.name));
    case Binding::Kind::State: {
      VariableRecord& variable = variables_[binding->variable];
      value = fit(value, variable.type, s.value->span, fmt::format("state `{}`", s.name));
      variable.current = value.node;
      break;
    }
    case Binding::Kind::Let:
    case Binding::Kind::Argument:
    case Binding::Kind::Input:
      break;
  }
  if (value.is(Value::Kind::Tuple))
    fail(Diag::TypeMismatch, s.value->span,
         fmt::format("{} results for one name", value.items.size()));
  binding->value = std::move(value);
}

void Elaborator::exec_layer(const Statement& s) {
  if (s.value->kind != Expr::Kind::Call) {
    fail(
        Diag::BadStatement, s.value->span,
        fmt::format(
            "a layer is a call with its fixed arguments named, as in `layer {} = dense(units: 32)`",
            s.name));
  }
  Value value = function_value(*s.value);
  if (value.function->layer)
    fail(Diag::BadStatement, s.value->span, fmt::format("`{}` is a layer already", s.value->text));
  auto layer = std::make_shared<LayerState>();
  layer->site = new_site(frame().site, s.name);
  layer->site->name = with_rounds(free_name(s.name));
  layer->span = s.name_span;
  value.function->layer = std::move(layer);
  value.function->name = s.name;
  declare(s.name, s.name_span, std::move(value), Binding::Kind::Layer);
}

void Elaborator::exec_variable(const Statement& s) {
  std::string_view word = s.kind == Statement::Kind::Param ? "param" : "state";
  if (frame().no_variables)
    fail(Diag::BadStatement, s.span,
         fmt::format("`{}` in a function with a custom vjp, which makes no parameters", word));
  if (training_part_ && s.kind == Statement::Kind::Param) {
    fail(Diag::BadStatement, s.span,
         "`param` in a function of the `train` block; keep values between steps in a `state`");
  }
  if (!s.type->tensor) {
    fail(Diag::TypeMismatch, s.type->span,
         fmt::format("a `{}` is a tensor: `{}[]` has rank 0", word, s.type->word));
  }
  TensorType type = type_of(*s.type);
  for (const Dim& dim : type.shape) {
    if (dim.batch)
      fail(Diag::BatchMisuse, s.type->span,
           fmt::format("a `{}` cannot have the size `batch`, which is known at run time only{}", word,
                       frame().function ? "; `reshape(x, [batch, 1])` makes a column of rows" : ""));
  }
  if (s.kind == Statement::Kind::Param && !is_float(type.dtype)) {
    fail(Diag::TypeMismatch, s.type->span,
         fmt::format("a `param` is float, found {}; whole numbers fit a `state`", s.type->word));
  }
  if (s.kind == Statement::Kind::Param && type.dtype == DType::F64 && !options_->f64_parameters) {
    fail(Diag::TypeMismatch, s.type->span,
         fmt::format("`param {}` of f64; parameters are float of 32 bits, as initialisers, losses and "
                     "optimizers are; compute with `f64({})` where 32 bits are too few",
                     s.name, s.name));
  }
  size_t index = replay_ ? take_recorded(s, type) : make_variable(s, type);
  Binding::Kind kind =
      s.kind == Statement::Kind::Param ? Binding::Kind::Param : Binding::Kind::State;
  declare(s.name, s.name_span, Value::tensor(Place::Step, variables_[index].current), kind, index);
}

void Elaborator::exec_repeat(const Statement& s) {
  constexpr int64_t kMaxRounds = 10'000, kMaxRoundsInAll = 1'000'000;
  Value value = eval(*s.value);
  std::vector<Value> rounds;
  if (value.is(Value::Kind::List)) {
    rounds = std::move(value.items);
  } else {
    int64_t count = whole_number(value, s.value->span, "the count of `repeat`");
    if (count < 0 || count > kMaxRounds)
      fail(Diag::TooLarge, s.value->span,
           fmt::format("`repeat` takes 0 to {} rounds, found {}", kMaxRounds, count));
    for (int64_t i = 0; i < count; ++i) rounds.push_back(Value::of(Number::of(i)));
  }
  rounds_ += static_cast<int64_t>(rounds.size());
  if (rounds_ > kMaxRoundsInAll)
    fail(Diag::TooLarge, s.value->span,
         fmt::format("the rounds of all `repeat`s are more than {}", kMaxRoundsInAll));
  std::set<std::string> before = frame().site_names, after = before;
  frame().rounds.push_back(0);
  for (size_t i = 0; i < rounds.size() && !frame().result; ++i) {
    frame().rounds.back() = static_cast<int64_t>(i);
    frame().site_names = before;  // the same names in each round, told apart by its number
    Scoped scoped(frame());
    if (!s.name.empty()) declare(s.name, s.name_span, rounds[i], Binding::Kind::Round);
    exec_block(s.body);
    after.insert(frame().site_names.begin(), frame().site_names.end());
  }
  frame().rounds.pop_back();
  frame().site_names = std::move(after);
}

void Elaborator::exec_if(const Statement& s) {
  Value value = eval(*s.value);
  bool taken = compile_time_bool(value, s.value->span, "the condition of `if`");
  Scoped scoped(frame());
  exec_block(taken ? s.body : s.else_body);
}

void Elaborator::exec_return(const Statement& s) {
  if (!frame().function)
    fail(Diag::BadStatement, s.span,
         "`return` in the model; it stands in functions, a model has `output`");
  Value value;
  if (s.value->kind == Expr::Kind::Tuple) {
    std::vector<Value> items;
    for (const ExprPtr& operand : s.value->operands) items.push_back(eval(*operand));
    value = Value::of_tuple(std::move(items));
  } else {
    TensorType want;
    bool wanted = want_of_return(want);
    value = eval(*s.value, wanted ? &want : nullptr);
  }
  if (value.is(Value::Kind::Error)) throw Abandoned{};
  settle_sites("");
  frame().result = std::move(value);
}

/// The declared result, where all its sizes are known: an initialiser may call another.
bool Elaborator::want_of_return(TensorType& want) {
  const Function& function = *frame().function;
  if (function.results.size() != 1 || !function.results[0].tensor) return false;
  for (const ExprPtr& dim : function.results[0].dims) {
    bool known = dim->kind == Expr::Kind::Ellipsis ? frame().leading.has_value()
                 : dim->kind == Expr::Kind::Size   ? frame().sizes.count(dim->text) != 0
                                                   : dim->kind != Expr::Kind::Any;
    if (!known) return false;
  }
  want = type_of(function.results[0]);
  return true;
}

void Elaborator::model_only(const Statement& s, std::string_view word) {
  if (frame().function)
    fail(Diag::BadStatement, s.span,
         fmt::format("`{}` in a function; it stands in the model's body", word));
  if (!frame().rounds.empty() || frame().blocks.size() > 1) {
    fail(Diag::BadStatement, s.span,
         fmt::format("`{}` inside `repeat` or `if`; it stands in the model's body itself", word));
  }
}

namespace {

/// Whether anything of the step's rows goes into the value.
bool made_of_rows(const Graph& graph, NodeId value) {
  std::vector<bool> seen(graph.size());
  std::vector<NodeId> open = {value};
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    if (seen[id.index()]) continue;
    seen[id.index()] = true;
    const Node& node = graph[id];
    if (node.op == OpKind::BatchSize) return true;
    for (const Dim& dim : node.type.shape) {
      if (dim.batch) return true;
    }
    open.insert(open.end(), node.operands.begin(), node.operands.end());
  }
  return false;
}

}  // namespace

void Elaborator::exec_output(const Statement& s) {
  model_only(s, "output");
  frame().statement = s.name;
  Value value = as_tensor(eval(*s.value), s.value->span);
  settle_sites(s.name);
  const TensorType output = type(value);
  bool has_batch = false;
  for (const Dim& dim : output.shape) has_batch |= dim.batch;
  if (has_batch && output.shape[0] != Dim::batches()) {
    fail(Diag::BatchMisuse, s.value->span,
         fmt::format("output `{}` is {}; an output has `batch` first", s.name, type_text(output)));
  }
  if (!has_batch && made_of_rows(graph(Place::Step), value.node)) {
    fail(Diag::BatchMisuse, s.value->span,
         fmt::format("output `{}` is {}, but is made of the rows of a batch: an output has `batch` first; what "
                     "is of all rows is a `metric`",
                     s.name, type_text(output)));
  }
  expect_new(s.name, s.name_span, false);
  declare(s.name, s.name_span, value, Binding::Kind::Let);
  outputs_.emplace_back(s.name, value.node);
}

void Elaborator::exec_loss(const Statement& s) {
  model_only(s, "loss");
  if (loss_)
    fail(Diag::Redefined, s.span, "a second `loss`; add the two in one",
         {{loss_span_, "the first is here"}});
  Value value = as_tensor(eval(*s.value), s.value->span);
  settle_sites("");
  if (!is_float(type(value).dtype))
    fail(Diag::TypeMismatch, s.value->span,
         fmt::format("a loss is a float, found {}", type_text(type(value))));
  if (!type(value).is_scalar()) {
    fail(Diag::NotScalar, s.value->span,
         fmt::format("a loss has rank 0, found {}; reduce it with `mean` or `sum`",
                     type_text(type(value))));
  }
  loss_ = convert(value, DType::F32, s.value->span);  // what a step answers
  loss_span_ = s.value->span;
}

}  // namespace gradus::lang
