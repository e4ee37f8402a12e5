// NumPy's .npy files.
#include "fuzz/array_target.h"

namespace gradus::fuzz {

void fuzz_npy(Input input) { fuzz_array(runtime::read_npy, input); }

}  // namespace gradus::fuzz
