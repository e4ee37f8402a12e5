// Safetensors: what is read can be written, and reads back the same; a checkpoint is read from it.
#include <algorithm>

#include "fuzz/targets.h"
#include "runtime/file_error.h"
#include "runtime/train/checkpoint.h"
#include "runtime/train/safetensors.h"

namespace gradus::fuzz {

namespace {

using runtime::SafetensorsFile;
using runtime::TensorView;

void write_and_read(const SafetensorsFile& file) {
  std::string again;
  try {
    again = runtime::write_safetensors(file.tensors(), file.metadata());
  } catch (const runtime::FileError&) {
    return;  // shorter spellings may make a header that is too long when written out
  }
  SafetensorsFile second({again.begin(), again.end()}, "again");
  require(second.metadata() == file.metadata(), "metadata reads back");
  require(second.tensors().size() == file.tensors().size(), "tensors read back");
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const TensorView &a = file.tensors()[i], &b = second.tensors()[i];
    require(a.name == b.name && a.dtype == b.dtype && a.sizes == b.sizes, "tensors read back");
    require(std::ranges::equal(a.bytes, b.bytes), "bytes read back");
  }
}

}  // namespace

void fuzz_safetensors(Input input) {
  try {
    SafetensorsFile file({input.begin(), input.end()}, "file");
    write_and_read(file);
    runtime::read_checkpoint(file, {});
  } catch (const runtime::FileError&) {
    // Refused with a message.
  }
}

}  // namespace gradus::fuzz
