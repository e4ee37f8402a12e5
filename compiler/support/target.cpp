// Frozen targets: tests name them, so that decisions do not depend on the host.
#include "support/target.h"

namespace gradus {

bool frozen_target(const std::string& name, Target& target) {
  if (name == "test-avx2") {
    target = Target{};
    target.cpu = "x86-64-v3";
    return true;
  }
  if (name == "test-avx512") {
    target = Target{};
    target.cpu = "x86-64-v4";
    target.lanes = 16;
    target.registers = 32;
    target.cheap_masks = true;
    target.l1_bytes = 48 << 10;
    target.l1_ways = 12;
    target.l2_bytes = 1 << 20;
    return true;
  }
  return false;
}

}  // namespace gradus
