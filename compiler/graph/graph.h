// The graph: a list of nodes in topological order (operands stand before their users), and the
// results that it is for. Values are immutable and pure; parameters and states change only by the
// results of kind Update, stored after the step.
//
//   graph @mlp.train {
//     %x = input "image" : f32[batch,784]
//     %w = param "fc.w" : f32[784,10]
//     %0 = matmul %x, %w : f32[batch,10]
//     %1 = sum %0 {dims=[1], keep=true} : f32[batch,1]
//     %2 = div %0, %1 : f32[batch,10]
//     return output "share" %2, update "fc.w" %w
//   }
//
// Meaning: pointwise operands broadcast as in NumPy; float arithmetic is IEEE 754 with NaN and
// infinity as the formulas say. A rank-0 constant prints in its user's place: with `.` or `e` (or
// inf, nan) it is f32, without it is i32. Leaves keep their names (`%fc.w`); all other values are
// numbered densely at each print, so equal graphs print equal bytes.
#pragma once

#include <deque>
#include <limits>
#include <string>
#include <vector>

#include "graph/op.h"
#include "support/source.h"

namespace gradus {

struct Node {
  OpKind op = OpKind::Input;
  TensorType type;
  std::vector<NodeId> operands;
  Attrs attrs;
  Span span;           // where the user wrote it; backward nodes inherit the primal's
  NodeId of;           // the primal node a backward node was made for; invalid otherwise
  int32_t scope = -1;  // index into Graph::scopes: the library or user call it came from
};

/// One call on the way from the model to a node: "hidden.relu" within its parent.
struct Scope {
  std::string name;
  int32_t parent = -1;
  Span call;
};

enum class ResultKind : uint8_t {
  Value,          // return %3                       tests
  Output,         // return output "class" %3
  Loss,           // return loss %3
  Update,         // return update "fc.w" %3         new value of the param or state of this name
  AccumulateSum,  // return accumulate_sum "r2.0" %3 f32[] per step, added in f64 over the pass
  AccumulateMax,
  AccumulateMin,
  AccumulateMoments,  // f64[3]: how many, their mean, the sum of squared distances from it
  Check,              // return check "0" %3         i32[]: the first row that has broken it, or none
};
/// What a check holds where no row has broken it.
inline constexpr int32_t kNoRow = std::numeric_limits<int32_t>::max();
std::string_view result_kind_name(ResultKind kind);

struct Result {
  ResultKind kind = ResultKind::Value;
  std::string name;
  NodeId value;
};

/// Source: as elaborated, with gradient and custom-vjp nodes. Joint: those are gone. Ordered:
/// every rounding is fixed (after form-fma and split-reductions).
enum class Stage : uint8_t { Source, Joint, Ordered };

class Graph {
 public:
  std::string name;
  /// A deque: rules hold types and shapes of nodes while they add others.
  IdVector<NodeId, Node, std::deque<Node>> nodes;
  std::vector<Result> results;
  std::vector<Scope> scopes;

  const Node& operator[](NodeId id) const { return nodes[id]; }
  Node& operator[](NodeId id) { return nodes[id]; }
  const TensorType& type(NodeId id) const { return nodes[id].type; }
  size_t size() const { return nodes.size(); }
};

/// For each node, how many operands and results refer to it.
IdVector<NodeId, int> count_uses(const Graph& graph);
/// The name a leaf was given: of an input, param or state.
const std::string& leaf_name(const Node& node);
bool is_leaf(const Node& node);
inline OpClass class_of(const Node& node) { return op_def(node.op).cls; }
inline bool is_fold(const Node& node) { return class_of(node) == OpClass::Reduce; }

}  // namespace gradus
