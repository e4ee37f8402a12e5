// Elaboration of one mode: the syntax tree, with actual sizes, to graphs. Each mode (training step,
// evaluation, prediction) is elaborated by an Elaborator of its own; the training one also fills
// the graph of the initialisers.
//
// Parts: elaborate_model.cpp the model's body and results · elaborate_statements.cpp ·
// elaborate_expr.cpp names, literals, indices · arithmetic.cpp operators · calls.cpp binding of
// arguments and sizes · paths.cpp names of variables · metrics.cpp accumulators ·
// train_step.cpp gradients and optimizer · builtins_*.cpp the functions that are not library text.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "graph/builder.h"
#include "lang/builtins.h"
#include "lang/lexer.h"
#include "lang/program.h"
#include "lang/value.h"

namespace gradus::lang {

enum class Mode : uint8_t { Train, Evaluate, Predict };

/// Unwinds to the statement of the model in which a message was given.
struct Abandoned {};

struct Binding {
  enum class Kind : uint8_t { Let, Argument, Input, Param, State, Layer, Round };
  Value value;
  Kind kind = Kind::Let;
  size_t variable = SIZE_MAX;  // Param, State
  Span span;
  Span given = {};  // Argument: where the call gives it
};

/// A parameter or state while its mode is elaborated.
struct VariableRecord {
  Site* site = nullptr;
  std::string name;
  TensorType type;
  bool is_state = false;
  bool of_optimizer = false;
  Span span;
  NodeId leaf;     // in the step's graph
  NodeId current;  // latest value in this step
  NodeId initial;  // in the initialisers' graph
  std::string path;
  std::string average_of;  // path of the parameter whose average this is
};

/// One call under way: its names, sizes and sites.
struct Frame {
  const Function* function = nullptr;  // none: the model
  std::string name;
  Span call;
  Site* site = nullptr;
  std::vector<std::map<std::string, Binding, std::less<>>> blocks;
  std::map<std::string, Dim, std::less<>> sizes;
  std::optional<Shape> leading;      // what `...` stands for
  std::set<std::string> site_names;  // taken in this body
  std::vector<int64_t> rounds;       // of the repeats around
  std::vector<Site*> calls;          // of the statement under way
  std::string statement;             // its name, for scopes
  std::optional<Value> result;
  int32_t scopes[kPlaces] = {-2, -2, -2};
  bool no_variables = false;  // in a function with a custom vjp
  bool library = false;
  bool takes_function = false;  // may stand on the stack twice: residual(x, residual(..))
  Span user_call;               // the call in the user's file that led here

  bool in_library() const { return library; }
};

/// One argument of a call, evaluated.
struct CallArgument {
  std::string name;
  Span name_span;
  Span span;
  Value value;
};

class Elaborator {
 public:
  Elaborator(const Program& program, const ElaborateOptions& options, Mode mode, DiagEngine& diags);

  /// The model's body and, for training, the update of the parameters.
  void run();
  /// Writes what was made to `model`: tables from the training mode, graphs from each.
  void finish(Model& model);
  const std::vector<VariableRecord>& variables() const { return variables_; }

  Frame& frame() { return *frames_.back(); }

  // ---- messages ----
  [[noreturn]] void fail(Diag kind, Span span, std::string message,
                         std::vector<DiagNote> notes = {}, std::vector<Span> also = {});

  /// The argument of the call under way that `span` names, if it names one: what a message of its value points at.
  const Binding* argument_at(Span span);
  std::string_view source_text(Span span) const { return diags_->sources().text(span); }

  // ---- expressions ----
  Value eval(const Expr& expr, const TensorType* want = nullptr);
  Value eval_list(const Expr& expr);
  std::string source(const Expr& expr) const;
  Number compile_time_number(const Value& value, Span span, std::string_view what);
  int64_t whole_number(const Value& value, Span span, std::string_view what);
  bool compile_time_bool(const Value& value, Span span, std::string_view what);
  Dim dim_of(const Value& value, Span span);
  Shape shape_of_list(const Value& list, Span span);
  int64_t axis_of(const Value& value, size_t rank, Span span);

  // ---- the graph ----
  NodeId make(Place place, OpKind kind, std::vector<NodeId> operands, Attrs attrs = {},
              const TensorType* given = nullptr);
  /// With the span and scope that hold now.
  GraphBuilder& builder(Place place);
  Graph& graph(Place place) { return graphs_[static_cast<size_t>(place)]; }
  const TensorType& type(const Value& value) { return graph(value.place).type(value.node); }
  Place place() const { return place_; }
  Mode mode() const { return mode_; }
  void check_type(const TensorType& type, Span span);
  NodeId constant(Place place, const TensorType& type, double value);
  /// A number (or bool) as a constant of a graph: float, f64 where a metric is finished.
  NodeId constant_of(const Value& value, Place place, Span span) {
    DType dtype = value.is(Value::Kind::Bool) ? DType::Bool
                  : place == Place::Finish    ? DType::F64
                                              : DType::F32;
    return to_place(value, place, dtype, span);
  }

  // ---- arithmetic ----
  struct Operands {
    Place place = Place::Step;
    DType dtype = DType::F32;
    bool per_step = false;  // every operand is a number, one at least per-step
    std::vector<NodeId> nodes;
  };
  /// Brings numbers and tensors to one graph and one element type.
  Operands unify_operands(std::vector<const Value*> values, const std::vector<Span>& spans);
  Value pointwise(OpKind kind, std::vector<const Value*> values, const std::vector<Span>& spans);
  Value wrap(const Operands& operands, NodeId node);
  Value binary(std::string_view op, const Value& a, const Value& b, Span span,
               const std::vector<Span>& spans);
  Value power(const Value& base, const Value& exponent, Span span, const std::vector<Span>& spans);
  Value matmul(const Value& a, const Value& b, Span span, const std::vector<Span>& spans);
  Value negate(const Value& value, Span span);
  /// A tensor in the graph; numbers become constants of `like` (float where there is none).
  Value as_tensor(const Value& value, Span span, std::optional<DType> like = std::nullopt);
  Value as_per_step(const Value& value, Span span);
  Value convert(const Value& value, DType to, Span span);
  void check_broadcast(Place place, const std::vector<NodeId>& nodes,
                       const std::vector<Span>& spans);
  /// `value` made to fit a declared type: numbers become tensors of it; else an error that says
  /// `what`.
  Value fit(const Value& value, const TensorType& type, Span span, std::string_view what);

  // ---- indices ----
  Value index_tensor(const Value& x, const Expr& expr);
  /// A slice of one axis: first index, step, and how many.
  struct SliceRange {
    int64_t start = 0, step = 1, count = 0;
  };
  SliceRange slice_range(const Index& index, int64_t size);
  Value list_index(const Value& list, int64_t size, Span span);
  Value slice(const Value& x, const std::vector<int64_t>& start, const std::vector<int64_t>& step,
              Shape shape);
  Value gather(const Value& table, const Value& index, int64_t axis);
  void note_index(const Value& index, int64_t limit);

  // ---- calls ----
  Value call(const Expr& expr, const TensorType* want);
  Value call_function(const FunctionValue& function, std::vector<CallArgument> arguments, Span span,
                      const TensorType* want, Site* site = nullptr);
  Value value_of_its_own(const Value& value);
  /// The function that `expr` names where one is expected: `f`, or `f(named: arguments)`.
  Value function_value(const Expr& expr);
  const FunctionValue* find_function(const std::string& name);

  // ---- reductions and metrics ----
  Value reduce(OpKind kind, const Value& x, std::vector<int64_t> dims, bool keep, Span span);
  Value mean(const Value& x, std::vector<int64_t> dims, bool keep, Span span);
  Value variance(const Value& x, std::vector<int64_t> dims, bool keep, Span span);
  bool in_metric() const { return metric_ != nullptr; }
  /// In the statement of a metric, for each step and over the pass alike: counts are floats there.
  bool of_metric() const { return of_metric_; }

  // ---- derivatives, draws, steps ----
  Value gradient(const Expr& call);
  Value forward_derivative(const Value& y, const std::vector<Value>& xs, const Expr& tangents,
                           Span span);
  Value derivative_argument(const Expr& expr, std::string_view word);
  Value draw(const Shape& shape, Span span);
  Value sum_over_parameters(const Value& value, Span span);

 private:
  friend class CallBinder;
  struct Metric {
    std::string name;
    int count = 0;
    size_t first = 0;  // its nodes of the step's graph are from here on
    std::map<NodeId, NodeId> wide = {};  // in f64, of nodes in f32
  };

  // Model and statements.
  void inputs();
  void constants();
  void command_line_constants();
  void statement_of_model(const Statement& s);
  void bind_errors(const Statement& s);
  void bind_assigned(const Statement& s);
  void constant(const Constant& constant);
  int32_t scope(Place place, size_t depth);
  void finish_tables(Model& model);
  void exec_block(const Block& block);
  void exec(const Statement& s);
  void exec_let(const Statement& s);
  void exec_let_tuple(const Statement& s);
  void exec_assign(const Statement& s);
  void exec_layer(const Statement& s);
  void exec_variable(const Statement& s);
  void exec_repeat(const Statement& s);
  void exec_if(const Statement& s);
  void exec_return(const Statement& s);
  void exec_output(const Statement& s);
  void exec_metric(const Statement& s);
  void exec_loss(const Statement& s);
  void check_bare(const TypeExpr& expr, const Value& value, Span span, const std::string& name);
  bool want_of_return(TensorType& want);
  void model_only(const Statement& s, std::string_view word);
  void expect_new(const std::string& name, Span span, bool rebinds);
  void declare(const std::string& name, Span span, Value value, Binding::Kind kind,
               size_t variable = SIZE_MAX);
  Binding* find(std::string_view name);

  // Expressions.
  Value eval_name(const Expr& expr);
  Value predefined(const Expr& expr);
  Value step_leaf(OpKind kind, const Expr& expr);
  Value eval_size(const Expr& expr);
  Value eval_member(const Expr& expr);
  Value eval_unary(const Expr& expr);
  Value eval_binary(const Expr& expr);
  Value logic(const Expr& expr);
  Value eval_index(const Expr& expr);
  [[noreturn]] void unknown(const std::string& name, Span span, std::string_view what,
                            bool functions);
  TensorType type_of(const TypeExpr& type, const TensorType* any = nullptr);
  Dim dim_of_expr(const Expr& expr);

  // Arithmetic.
  Value numbers(std::string_view op, const Number& a, const Number& b, Span span);
  NodeId to_place(const Value& value, Place place, DType dtype, Span span);
  NodeId number_node(const Number& number, Place place, DType dtype, Span span);

  // Calls.
  Value call_declared(const FunctionValue& function, std::vector<CallArgument> arguments, Span span,
                      const TensorType* want, Site* site);
  Value call_layer(const FunctionValue& function, std::vector<CallArgument> arguments, Span span,
                   const TensorType* want);
  Value run_body(const FunctionValue& function, const TensorType* want);
  Value custom_vjp(const Function& function, const Value& result);
  void check_results(const Function& function, Value& result, Span span);
  void check_result(const TypeExpr& type, Value& value, const Function& function, Span span);
  std::vector<CallArgument> call_arguments(const Expr& expr, const FunctionValue& function);
  void deeper(Span span);

  // Sites and variables.
  Site* new_site(Site* parent, std::string function);
  std::string free_name(const std::string& base);
  std::string with_rounds(std::string name) const;
  void settle_sites(const std::string& statement);
  void mark_makers(Site* site);
  size_t take_recorded(const Statement& s, const TensorType& type);
  size_t make_variable(const Statement& s, const TensorType& type);
  size_t record_variable(VariableRecord record);
  void settle_paths();

  // Metrics.
  Value accumulate(OpKind kind, const Value& x, Span span);
  NodeId accumulate_scalar(ResultKind kind, NodeId value);
  Value accumulate_each(ResultKind kind, const std::vector<Value>& values, Span span);
  Value moments(const Value& x, std::vector<int64_t> dims, bool keep, Span span);
  NodeId widened(NodeId value);
  Value average_of_step(const Value& value, Span span);
  NodeId finish_rows();
  void over_pass(const Statement& s, std::vector<size_t>& made);

  // Training.
  /// A trained parameter on its way through the step.
  struct Update {
    size_t variable = 0;
    NodeId w, g, updated;
    std::optional<FunctionValue> optimizer;
  };
  /// One elaboration of a function for all parameters; see sum_over_parameters.
  struct Pass {
    std::vector<Value> totals;  // of the sums that are known
    std::vector<Value> terms;   // of the next one
    size_t index = 0;           // within the call under way
  };
  void train_settings();
  void read_settings(const std::vector<Setting>& settings);
  void setting_call(const Setting& setting);
  [[noreturn]] void unknown_setting(const Setting& setting);
  void group(const Setting& setting);
  void setting_value(const Setting& setting);
  void keep_text(const Setting& setting);
  void check_rate(const Expr& expr);
  void early_stopping(const Setting& setting);
  void freeze(const Setting& setting);
  std::span<const Argument> patterns(const Setting& setting);
  void apply_groups(std::vector<Update>& updates);
  void apply_group(std::vector<Update>& updates, const Setting& group);
  void change(FunctionValue& optimizer, std::span<const Argument> arguments);
  void expect_match(std::span<const Update> updates, const Expr& pattern);
  void train_step();
  std::vector<Update> trained();
  std::vector<NodeId> for_all(std::vector<Update>& updates, const FunctionValue* function,
                              const std::string& site, bool with_gradient);
  Value apply(const FunctionValue& function, Update& update, const std::string& site,
              bool with_gradient, std::vector<size_t>& made, bool again);
  void add_average(const Update& update, NodeId value);
  void check_argument(const FunctionValue& function, const Argument& argument);
  bool frozen(const std::string& path) const;

  const Program* program_;
  const ElaborateOptions* options_;
  Mode mode_;
  DiagEngine* diags_;
  Graph graphs_[kPlaces];
  std::vector<GraphBuilder> builders_;
  Place place_ = Place::Step;
  Span span_;

  std::vector<std::unique_ptr<Frame>> frames_;
  std::deque<Site> sites_;
  Site root_;
  std::map<std::string, Value, std::less<>> constants_;
  std::map<std::string, FunctionValue, std::less<>> functions_;  // values of those found by name
  std::map<std::string, FunctionValue, std::less<>>
      library_functions_;  // as library text sees them
  std::vector<VariableRecord> variables_;
  struct Replay {
    std::vector<size_t>* variables = nullptr;
    size_t next = 0;
  };
  Replay* replay_ = nullptr;
  /// Collects what is made below `site`; what a layer from before `start` makes belongs to that
  /// layer.
  struct Recorder {
    const Site* site = nullptr;
    size_t start = 0;
    std::vector<size_t>* variables = nullptr;
  };
  std::vector<Recorder> recorders_;
  void add_to_recorders(size_t variable, const Site* site);

  struct InitialDraw {
    NodeId node;
    size_t variable;
    int draw;
  };
  std::vector<InitialDraw> initial_draws_;
  int draws_of_variable_ = 0;
  int64_t draws_ = 0;

  std::map<NodeId, size_t> input_of_node_;
  std::vector<ModelInput> inputs_;
  std::vector<std::pair<std::string, NodeId>> outputs_;
  std::vector<std::string> metrics_;
  std::optional<Value> loss_;
  Span loss_span_;
  Metric* metric_ = nullptr;
  bool of_metric_ = false;
  NodeId rows_;
  NodeId batch_size_;
  std::set<std::string> output_names_;
  bool has_batch_ = false;
  bool training_part_ = false;  // the optimizer's functions are elaborated
  Pass* pass_ = nullptr;
  std::vector<std::string> freeze_patterns_;
  TrainBlock train_block_;
  std::optional<FunctionValue> optimizer_, gradient_function_, average_;
  std::vector<const Setting*> groups_;
  int depth_ = 0;
  int64_t work_ = 0;
  int64_t rounds_ = 0;  // of all repeats
};

/// A call of a function that is written in C++, its arguments in the order of the row's formals.
struct BuiltinCall {
  Elaborator& e;
  Span span;
  std::vector<const Value*> values;  // null: left out
  std::vector<Span> spans;
  const TensorType* want;

  bool has(size_t i) const { return values[i] != nullptr; }
  const Value& operator[](size_t i) const { return *values[i]; }
};

/// `*` in `pattern` stands for any characters.
bool matches(std::string_view pattern, std::string_view path);

}  // namespace gradus::lang
