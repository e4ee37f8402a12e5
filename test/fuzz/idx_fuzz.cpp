// IDX files.
#include "fuzz/array_target.h"

namespace gradus::fuzz {

void fuzz_idx(Input input) { fuzz_array(runtime::read_idx, input); }

}  // namespace gradus::fuzz
