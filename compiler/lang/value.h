// What an expression is worth during elaboration. A number is known when compiling; a per-step
// number is an f64 (or bool) scalar of the graph; a tensor is a node.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "lang/ast.h"

namespace gradus::lang {

/// The graph a node stands in: the step's, the initialisers', or that which finishes the metrics.
enum class Place : uint8_t { Step, Init, Finish };
constexpr size_t kPlaces = 3;

/// An exact integer or an f64; with `batch`, that many times the rows of the step.
struct Number {
  double value = 0;
  int64_t integer = 0;
  bool exact = false;
  bool batch = false;

  static Number of(int64_t integer);
  static Number of_float(double value);
  static Number rows(int64_t each);
  static Number of_dim(const Dim& dim) { return dim.batch ? rows(dim.value) : of(dim.value); }
  /// The integer it is, exact or by value; nothing where it is none.
  std::optional<int64_t> whole() const;
};
std::string to_string(const Number& number);

struct Builtin;
struct LayerState;
struct Value;

/// A function with some arguments fixed; with `layer`, one that has its own parameters.
struct FunctionValue {
  const Function* function = nullptr;  // one of these two
  const Builtin* builtin = nullptr;
  std::string name;  // of its site and in messages
  Span span;
  std::vector<std::pair<std::string, Value>> fixed;
  std::shared_ptr<LayerState> layer;
};

struct Value {
  enum class Kind : uint8_t { Error, Number, Bool, String, List, Tensor, PerStep, Function, Tuple };
  Kind kind = Kind::Error;
  Number number;
  bool flag = false;
  std::string text;
  std::vector<Value> items;
  NodeId node;
  Place place = Place::Step;
  std::shared_ptr<FunctionValue> function;

  static Value of(Number number);
  static Value of_bool(bool flag);
  static Value of_string(std::string text);
  static Value of_list(std::vector<Value> items);
  static Value of_tuple(std::vector<Value> items);
  static Value tensor(Place place, NodeId node);
  static Value per_step(NodeId node);
  static Value of_function(FunctionValue function);

  bool is(Kind which) const { return kind == which; }
  bool in_graph() const { return kind == Kind::Tensor || kind == Kind::PerStep; }
};

/// A place on the way from the model to a variable: a call that makes variables, or a layer. The
/// name is settled when the statement that holds the call is done (paths.cpp).
struct Site {
  Site* parent = nullptr;
  std::string function;  // the called function's name, or the layer's
  std::string name;      // empty: not settled yet, or the model itself
  bool maker = false;
  size_t index = 0;  // in order of making
};
/// "block.0.wide.dense"; empty for the model.
std::string site_path(const Site& site);

/// Parameters that a layer made at its first call; later calls take them in the same order.
struct LayerState {
  Site* site = nullptr;
  bool made = false;
  std::vector<size_t> variables;  // indices into the elaborator's list
  Span span;
};

/// `float[batch, 64]`, `int[]`: a type as the user writes it.
std::string type_text(const TensorType& type);
std::string shape_text(const Shape& shape);
std::string_view dtype_word(DType dtype);
std::optional<DType> dtype_of_word(std::string_view word);
/// "a list", "a number": what a value is, for messages.
std::string kind_text(const Value& value);

}  // namespace gradus::lang
