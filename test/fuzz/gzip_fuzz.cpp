// Gzip streams: what they unpack to is bounded by their size.
#include "fuzz/targets.h"
#include "runtime/data/bytes.h"
#include "runtime/file_error.h"

namespace gradus::fuzz {

void fuzz_gzip(Input input) {
  try {
    runtime::Bytes bytes = runtime::unpack(input, "f.gz");
    require(bytes.size() <= std::max(size_t{64} << 20, 100 * input.size()), "no bomb is unpacked");
  } catch (const runtime::FileError&) {
    // Refused with a message.
  }
}

}  // namespace gradus::fuzz
