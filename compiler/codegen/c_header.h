// The C header of a compiled model: memory sizes, the variables as a struct, and one inline function per
// step that fills the frame. C99 and C++11, no library, no allocation.
#pragma once

#include <string>
#include <vector>

#include "codegen/codegen.h"

namespace gradus::codegen {

struct HeaderVariable {
  std::string path;
  TensorType type;
};

struct HeaderStep {
  std::string name;           // init, train_step, predict
  std::string summary;        // one sentence
  const Unit* unit = nullptr;
};

/// An index that the model computes, by its number.
struct HeaderIndex {
  std::string place;  // file:line:column
  int64_t limit = 0;
};

struct HeaderSpec {
  std::string model;
  std::string cpu;
  std::vector<HeaderVariable> variables;  // params and states, in this order in memory
  std::vector<HeaderStep> steps;
  std::vector<HeaderIndex> indices;
};

std::string print_c_header(const HeaderSpec& spec);

}  // namespace gradus::codegen
