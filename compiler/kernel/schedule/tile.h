// The register tile of a product: mr rows by nv vectors of columns.
#pragma once

#include <cstdint>

#include "support/target.h"

namespace gradus::kernel {

/// Of an element of a product: kernels of contractions are f32.
inline constexpr int64_t kElementBytes = sizeof(float);

struct TileShape {
  int64_t mr = 6;
  int64_t nv = 2;
};

/// Cycles of a product of these sizes with this tile, by count: a tile's step of k is bound by its
/// multiply-adds, their latency, its loads or the way from the L2 cache, and each tile has a start
/// and an end. The last columns take as many vectors as they need.
double tile_cycles(TileShape tile, int64_t rows, int64_t columns, int64_t inner,
                   const Target& target);
/// The cheapest tile; the target's usual one where the gain is under 3 %, as fewer microkernels
/// compile faster.
TileShape choose_tile(int64_t rows, int64_t columns, int64_t inner, const Target& target);

}  // namespace gradus::kernel
