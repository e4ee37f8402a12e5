// Walks over the statements of a kernel in the order of its text.
#pragma once

#include "kernel/kernel.h"

namespace gradus::kernel {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

/// Calls `visit` on each statement, outer ones first. Statement may be const.
template <typename Body, typename Visit>
void walk(Body& body, Visit&& visit) {
  for (auto& stmt : body) {
    visit(stmt);
    if (auto* loop = std::get_if<Loop>(&stmt.body)) walk(loop->body, visit);
    if (auto* tile = std::get_if<Tile>(&stmt.body)) walk(tile->epilogue, visit);
    if (auto* branch = std::get_if<If>(&stmt.body)) walk(branch->body, visit);
  }
}

}  // namespace gradus::kernel
