// What libFuzzer calls; GRADUS_FUZZ_TARGET is the function of one target.
#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  gradus::fuzz::GRADUS_FUZZ_TARGET({data, size});
  return 0;
}
