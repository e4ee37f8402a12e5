// NumPy's .npy files, and .npz archives of them.
#include "fuzz/array_target.h"
#include "runtime/data/zip.h"

namespace gradus::fuzz {

namespace {

/// Packed arrays may be larger than their file, so only reading is tried.
void fuzz_npz(const runtime::Bytes& bytes) {
  try {
    auto source = runtime::read_npz(bytes, "archive", "", "x");
    std::vector<double> row(static_cast<size_t>(source->width()));
    for (int64_t i : {int64_t{0}, source->rows() - 1}) source->read(i, row.data());
  } catch (const runtime::FileError&) {
    // Refused with a message.
  }
}

}  // namespace

void fuzz_npy(Input input) {
  if (runtime::is_zip(input)) return fuzz_npz({input.begin(), input.end()});
  fuzz_array(runtime::read_npy, input);
}

}  // namespace gradus::fuzz
