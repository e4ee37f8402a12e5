// Arguments are found twice, by the launch and by the function, with one walk over the kernel: that
// both see them in the same order is all that ties them together.
#include "codegen/launch_arguments.h"

#include "kernel/text.h"

namespace gradus::codegen {

std::vector<int64_t> launch_arguments(const kernel::Kernel& kernel) {
  std::vector<int64_t> arguments;
  for_arguments(kernel, [&](const auto& value) { arguments.push_back(launch_argument(value)); });
  return arguments;
}

/// The kernel with every argument set to 0, the places of its slots in their buffers among them:
/// kernels that differ in arguments alone have equal keys.
std::string function_key(const kernel::Kernel& kernel) {
  kernel::Kernel blank = kernel;
  for_arguments(blank, [](auto& value) { value = 0; });
  for (kernel::Slot& slot : blank.slots) {
    if (slot.space == kernel::SlotSpace::Buffer) slot.offset = 0;
  }
  if (kernel::Loop* items = fill_loop(blank)) {
    // How many items there are is the caller's affair.
    items->to.value.constant = 0;
    for (kernel::Slot& slot : blank.slots) slot.extents[0].value = 0;
  }
  return kernel::sharing_key(blank);
}

}  // namespace gradus::codegen
