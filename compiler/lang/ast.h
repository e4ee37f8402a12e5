// The syntax tree: what the user wrote, with places, nothing resolved. Nodes are plain structs; a
// kind says which of the fields mean something.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/source.h"

namespace gradus::lang {

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Argument {
  std::string name;  // empty: by position
  Span name_span;
  ExprPtr value;
};

/// One index in brackets: `...`, an expression, or a slice from:to:step with parts left out.
struct Index {
  enum class Kind : uint8_t { Ellipsis, Single, Slice };
  Kind kind = Kind::Single;
  Span span;
  ExprPtr value;           // Single
  ExprPtr from, to, step;  // Slice; each may be absent
};

struct Expr {
  enum class Kind : uint8_t {
    Number,    // text, number, whole
    String,    // text
    Bool,      // whole: true or false
    Name,      // text
    Size,      // text
    Unary,     // text: - or not; operands[0]
    Binary,    // text: the operator; operands[0], operands[1]
    Call,      // text: the function's name; arguments
    Index,     // operands[0]; indices
    Member,    // operands[0] . text
    List,      // operands, with Ellipsis and Any among them
    Tuple,     // operands
    Ellipsis,  // `...` in a list or a type
    Any,       // `_` in a list or a type
  };
  Kind kind = Kind::Number;
  Span span;
  Span word;  // the operator, the called name or the member's name
  std::string text;
  double number = 0;
  bool whole = false;  // Number: written as an integer that fits; Bool: its value
  int64_t integer = 0;
  int depth = 1;  // of the tree below
  std::vector<ExprPtr> operands;
  std::vector<Argument> arguments;
  std::vector<Index> indices;
};

/// `float`, or `float[..., I]` with brackets.
struct TypeExpr {
  Span span;
  std::string word;
  bool tensor = false;
  std::vector<ExprPtr> dims;
};

struct Formal {
  std::string name;
  Span span;
  TypeExpr type;
  ExprPtr default_value;  // default; may be absent
};

struct Statement;
using Block = std::vector<std::unique_ptr<Statement>>;

struct Statement {
  enum class Kind : uint8_t {
    Let,
    LetTuple,
    Assign,
    Layer,
    Param,
    State,
    Repeat,
    If,
    Return,
    Output,
    Metric,
    Loss
  };
  Kind kind = Kind::Let;
  Span span;
  std::string name;  // what is declared or assigned; Repeat: the name after `as`
  Span name_span;
  std::vector<std::string> names;  // LetTuple
  std::vector<Span> name_spans;
  std::optional<TypeExpr> type;
  ExprPtr value;    // Repeat: count or list; If: the condition
  Block body;       // Repeat, If
  Block else_body;  // If
};

struct Function {
  std::string name;
  Span span;  // of the name
  std::vector<Formal> formals;
  std::vector<TypeExpr> results;  // empty: not written
  Block body;
  bool has_vjp = false;
  std::string seed;  // vjp(seed)
  Span vjp_span;
  Block vjp_body;
};

struct ModelDecl {
  std::string name;
  Span span;
  std::vector<Formal> inputs;
  Block body;
};

struct Constant {
  std::string name;
  Span span;
  ExprPtr value;
};

struct Include {
  std::string path;
  Span span;
};

/// A line of the data or train block: `name = value`, or a call on its own (`from` before it or
/// not).
struct Setting {
  enum class Kind : uint8_t { From, Call, Assign };
  Kind kind = Kind::Assign;
  std::string name;
  Span span;
  ExprPtr value;
};

struct SettingsBlock {
  Span span;
  std::vector<Setting> settings;
};

struct File {
  std::vector<Include> includes;
  std::vector<Constant> constants;
  std::vector<std::unique_ptr<Function>> functions;
  std::vector<ModelDecl> models;
  std::vector<SettingsBlock> data;
  std::vector<SettingsBlock> train;
};

/// The tree as indented text, one node a line.
std::string print_file(const File& file);

}  // namespace gradus::lang
