// Where a cotangent is 0 because an operator took another operand there: `select`, `maximum`, `max`.
//
// Such a 0 must stay 0 whatever the slopes behind it: `where(s > 0, sqrt(s), 0)` has the derivative 0
// at s = 0, though sqrt's slope is infinite there and 0 times infinity is NaN. So the walk carries the
// condition beside the cotangent, and where a slope that may not be finite was passed, it selects once
// more before the cotangent meets others:
//
//   %3 = select %m, %c, 0.0                 cotangent of sqrt(s)
//   %4 = div (mul %3, 0.5), %sqrt           NaN where s = 0
//   %5 = select %m, %4, 0.0                 cotangent of s
#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "graph/builder.h"

namespace gradus::autodiff {

/// A condition outside of which a cotangent is 0. Its nodes are made when it is asked for: most never
/// are.
struct Mask {
  enum class Kind : uint8_t {
    If,      // `nodes[0]`
    Unless,  // not `nodes[0]`
    Either,  // `left` or `right`
    Both,    // `left` and `right`
    Moved,   // `left` as the layout operators `nodes` move their operands
  };
  Kind kind = Kind::If;
  std::vector<NodeId> nodes = {};
  std::shared_ptr<Mask> left = nullptr, right = nullptr;
  Shape shape = {};  // of the condition, none where that is one element; it is broadcast to what it masks
  int depth = 1;     // of masks in masks
  NodeId built = {};

  bool is_scalar() const;
};
using MaskRef = std::shared_ptr<Mask>;

/// Whether the mask says one thing for all elements that an element of `shape` stands for.
bool fits(const Mask& mask, const Shape& shape);

/// The masks of one walk; equal ones are one.
class Masks {
 public:
  explicit Masks(GraphBuilder& builder) : builder_(&builder) {}

  MaskRef of(Mask::Kind kind, NodeId condition);
  /// What holds where `left` and `right` hold (Both), or one of them (Either).
  MaskRef joined(Mask::Kind kind, MaskRef left, MaskRef right);
  /// The mask, where what it masks is moved by these operators, in order.
  MaskRef moved(MaskRef mask, std::vector<NodeId> moves);
  /// The condition as a node.
  NodeId build(Mask& mask);

 private:
  MaskRef only(Mask mask);
  NodeId move(NodeId mask, const std::vector<NodeId>& moves);

  using Key = std::tuple<Mask::Kind, std::vector<NodeId>, const Mask*, const Mask*>;
  GraphBuilder* builder_;
  std::map<Key, MaskRef> known_;
};

/// How a derivative rule's answers hang on the cotangent it was given, read off the nodes it made.
class Passage {
 public:
  /// Of the nodes from `first` to the last of `graph`.
  Passage(const Graph& graph, NodeId cotangent, size_t first);

  /// A cotangent of 0 gives 0, whatever the other operands hold.
  bool keeps_zeros(NodeId part) const { return at(part).keeps_zeros; }
  /// Each element hangs on that at the same place alone.
  bool in_place(NodeId part) const { return at(part).in_place; }
  /// The part where it is moved from the cotangent by layout operators alone, in order; else empty.
  std::vector<NodeId> moves(NodeId part) const;
  /// The condition outside of which the rule itself answers 0; nothing where it does not choose.
  MaskRef choice(Masks& masks, NodeId part) const;

 private:
  struct Found {
    bool depends = false, keeps_zeros = false, in_place = false;
  };
  Found at(NodeId id) const;
  Found find(const Node& node) const;

  const Graph* graph_;
  NodeId cotangent_;
  size_t first_;
  std::vector<Found> found_;
};

}  // namespace gradus::autodiff
