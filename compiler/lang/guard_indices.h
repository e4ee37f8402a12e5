// Keeps indices that a model computes inside of the axes they index.
//
//   %1 = gather %table, %index         ->     %1 = minimum (maximum %index, 0), 65
//                                             %2 = gather %table, %1
//                                             %3 = select (equal %index, %1), %2, nan
//
// An index that is an input is left alone: the step tests the input before it computes anything.
// So is one that cannot leave the axis (`argmax`, `range`, constants). Any other that leaves it
// gives NaN, and whole numbers of the last place at hand: nothing outside is ever read, and a loss
// that it reaches ends the run. Where parts of one input index axes of several sizes (columns of a
// table), or one part is an index and another a number, a test of the whole input would refuse what is
// right: the parts are guarded instead.
#pragma once

#include <span>

#include "graph/graph.h"

namespace gradus::lang {

/// Stage Source in and out, of all graphs of a model: one that reads a part of an input guards it if
/// the others ask it to. Linear.
void guard_indices(std::span<Graph* const> graphs);

}  // namespace gradus::lang
