// The most f32 multiply-adds and bytes a second that this machine gives, measured: the limit that a
// benchmark's figures are held against.
#pragma once

namespace gradus::runtime {

struct MachinePeak {
  double fma_gflops = 0;  // all threads together, the widest vector of the host
  double read_gbs = 0;    // bytes read from DRAM, all threads together
};

/// Takes about 0.2 s.
MachinePeak measure_peak(int threads);

}  // namespace gradus::runtime
