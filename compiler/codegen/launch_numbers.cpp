#include "codegen/launch_numbers.h"

#include "kernel/text.h"

namespace gradus::codegen {

std::vector<int64_t> launch_numbers(const kernel::Kernel& kernel) {
  std::vector<int64_t> numbers;
  for_numbers(kernel, [&](const auto& value) { numbers.push_back(launch_number(value)); });
  return numbers;
}

std::string function_key(const kernel::Kernel& kernel) {
  kernel::Kernel blank = kernel;
  for_numbers(blank, [](auto& value) { value = 0; });
  if (kernel::Loop* items = filling_loop(blank)) {
    // How many items there are is the caller's affair.
    items->to.value.constant = 0;
    for (kernel::Slot& slot : blank.slots) slot.extents[0].value = 0;
  }
  return kernel::sharing_key(blank);
}

}  // namespace gradus::codegen
