// Loops, loads and stores, each dtype, tails of every length: compiled code gives the bits of the
// interpreter on every vector extension of this host.
#include <fmt/format.h>

#include "kernel_check.h"

namespace gradus::codegen {
namespace {

TEST(Pointwise, TailsOfEveryLength) {
  for (int64_t length = 1; length <= 35; ++length) {
    expect_equal(fmt::format(R"(kernel @bias_relu pointwise {{unroll=2}}:
  x: in f32[n,{0}]
  b: in f32[{0}]
  y: out f32[n,{0}]
  par r 0..n
    lanes c 0..{0}
      %0 = load x[r,c] : f32
      %1 = load b[c] : f32
      %2 = add %0, %1 : f32
      %3 = less_equal %2, 0.0 : bool
      %4 = select %3, 0.0, %2 : f32
      store y[r,c], %4
)",
                             length),
                 {.n = 3, .capacity = 5, .specials = true});
  }
}

TEST(Pointwise, FlatBlocksOfRunTimeLength) {
  const std::string text = R"(kernel @gelu pointwise {block=128 unroll=4}:
  x: in f32[n,10]
  s: in f32[]
  y: inout f32[n,10]
  m: out bool[n,10]
  par b 0..ceil(n*10 / 128)
    %0 = load s[] : f32
    lanes c b*128..b*128+128 max n*10
      %1 = load x[0,c] : f32
      %2 = mul %1, %0 : f32
      %3 = exp %2 : f32
      %4 = load y[0,c] : f32
      %5 = fma %3, %1, %4 : f32
      %6 = less %5, %1 : bool
      store y[0,c], %5
      store m[0,c], %6
)";
  kernel::Kernel kernel = kernel_of(text);
  for (kernel::Slot& slot : kernel.slots) {
    if (slot.extents.size() == 2) slot.extents = {Dim::batches(10)}, slot.strides = {1};
  }
  kernel::Kernel flat = kernel;
  std::string flat_text = kernel::print_kernel(kernel);
  size_t at;
  while ((at = flat_text.find("[0,c]")) != std::string::npos) flat_text.replace(at, 5, "[c]");
  for (int64_t n : {1, 2, 12, 13, 25, 26, 77}) expect_equal(flat_text, {.n = n, .capacity = 80});
}

}  // namespace
}  // namespace gradus::codegen
