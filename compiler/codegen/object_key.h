// What an object is made from, as one hash: two keys are equal only where the same compiler would
// write the same bytes. Hashed are the kernels' texts, all that the step functions are emitted from
// (blocks, offsets, checks, capacity, symbols), the target with the numbers of its cost model, and
// the compiler itself.
//
// The compiler is its linker's build id, a hash of the whole program file: it changes with every
// change of the emitter, of a flag or of a library that is linked in, and is the same for a program
// built twice from the same text. Time stamps and version numbers do neither. libLLVM is a file of
// its own and stands beside it with its version and its own build id.
#pragma once

#include <string>
#include <vector>

#include "codegen/codegen.h"

namespace gradus::codegen {

/// The compiler in this process; empty where a build id is missing: then nothing may be kept.
const std::string& compiler_identity();

/// SHA-256 in 64 hexadecimal digits.
std::string object_key(const std::vector<Unit>& units, const Target& target,
                       const std::string& compiler = compiler_identity());

}  // namespace gradus::codegen
