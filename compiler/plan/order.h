// The order in which a program's launches run. Any order is right that keeps, for each buffer,
// writes and reads in their sequence; among them the one with the lowest peak is taken.
#pragma once

#include "plan/program.h"

namespace gradus::plan {

/// For each launch, the launches that must run before it: they conflict on a buffer.
std::vector<std::vector<size_t>> launch_dependences(const Program& program);
/// Reorders the launches if that lowers the arena; ties keep the order at hand. Deterministic.
void choose_order(Program& program);

}  // namespace gradus::plan
