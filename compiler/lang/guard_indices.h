// Keeps indices that a model computes inside of the axes they index, and notes the first row of each
// step that breaks it.
//
//   %1 = gather %table, %index         ->     %1 = minimum (maximum %index, 0), 65
//                                             %2 = gather %table, %1
//                                             %3 = select (equal %index, %1), %2, nan
//                                             %4 = select (equal %index, %1), none, row
//                                             %5 = min %4 {dims=[0]}
//                                             return .., check "0" %5
//
// An index that is an input is left alone: the step tests the input before it computes anything.
// So is one that cannot leave the axis (`argmax`, `range`). A constant that leaves it is an error of
// the model. Any other that leaves it gives NaN, whole numbers of the last place at hand, or no 1 of
// `one_hot`: nothing outside is ever read, and the step returns the number of the check. Where parts
// of one input index axes of several sizes (columns of a table), or one part is an index and another
// a number, a test of the whole input would refuse what is right: the parts are guarded instead.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "lang/model.h"
#include "support/diag.h"

namespace gradus::lang {

/// Stage Source in and out, of all graphs of a model: one that reads a part of an input guards it if
/// the others ask it to. What is guarded at one place of the user's text has one number in all graphs.
/// `in_library` says which places are none of the user's. Linear.
std::vector<ComputedIndex> guard_indices(std::span<Graph* const> graphs,
                                         const std::function<bool(Span)>& in_library,
                                         DiagEngine& diags);

}  // namespace gradus::lang
