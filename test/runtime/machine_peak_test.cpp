// The measured peak is a number that a machine can have.
#include "runtime/machine_peak.h"

#include <gtest/gtest.h>

namespace gradus::runtime {
namespace {

TEST(MachinePeak, MeasuresWhatAMachineCanDo) {
  MachinePeak peak = measure_peak(1);
  EXPECT_GT(peak.fma_gflops, 0.05);
  EXPECT_LT(peak.fma_gflops, 2000);
  EXPECT_GT(peak.read_gbs, 0.01);
  EXPECT_LT(peak.read_gbs, 2000);
}

}  // namespace
}  // namespace gradus::runtime
