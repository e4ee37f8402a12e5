// The rows of each class, and what they share. Included by the files of this folder and op.cpp alone.
#pragma once

#include <string>

#include "graph/op.h"

namespace gradus {

std::span<const OpDef> leaf_rows();
std::span<const OpDef> pointwise_rows();
std::span<const OpDef> reduce_rows();
std::span<const OpDef> contract_rows();
std::span<const OpDef> layout_rows();
std::span<const OpDef> indexed_rows();
std::span<const OpDef> derivative_rows();

inline const AttrSpec kAxisAttrs[] = {{AttrName::Axis}};

/// The type where its count fits, else the problem.
ShapeResult checked_type(TensorType type);
/// `given` itself, checked; the problem where there is none.
ShapeResult given_or_problem(const TensorType* given);

}  // namespace gradus
