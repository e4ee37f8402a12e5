// Candidates per register file and their estimate.
//
// A step of k does mr * nv multiply-adds on nv vectors of B and mr broadcast elements of A:
//
//             b0   b1    nv vectors, loaded once a step
//        a0 [ c00  c01 ]
//        a1 [ c10  c11 ]   mr * nv accumulators: chains of FMAs that do not wait for each other
//        a2 [ c20  c21 ]
//        a3 [ c30  c31 ]   one broadcast element at a time
//
// Registers: mr * nv + min(mr, nv) + 1 must be there. Latency: with 2 FMAs a cycle of 4 cycles
// each, 8 chains keep the units busy. Loads: mr + nv a step against mr * nv multiply-adds, so
// squarer tiles load less. The estimate takes the largest of these three bounds.
#include "kernel/schedule/tile.h"
#include "support/round.h"

#include <algorithm>
#include <span>

namespace gradus::kernel {

namespace {

// Accumulators, the shorter side of the tile and one element of the longer fit the registers; 3x4
// would take all of 16, and spills. The first is the default. With 32 registers that is a small
// one: it hides the latency all the same, most sizes are multiples of its sides, and its few rows,
// where they lie a power of two apart, have no conflict misses in the L1 cache.
constexpr TileShape kTiles16[] = {{4, 3},  {6, 2}, {5, 2}, {4, 2}, {3, 3}, {2, 6},
                                  {1, 12}, {3, 2}, {2, 4}, {1, 8}, {2, 2}, {6, 1},
                                  {4, 1},  {1, 4}, {2, 1}, {1, 2}, {1, 1}};
constexpr TileShape kTiles32[] = {{8, 2},  {8, 3},  {12, 2}, {4, 4}, {10, 2}, {9, 2},  {11, 2},
                                  {14, 2}, {6, 4},  {9, 3},  {4, 6}, {2, 8},  {1, 12}, {6, 2},
                                  {4, 2},  {16, 1}, {12, 1}, {8, 1}, {2, 4},  {1, 8},  {4, 1},
                                  {2, 2},  {1, 4},  {2, 1},  {1, 2}, {1, 1}};

/// Cycles of one tile of so many vectors.
double cycles_of_tile(int64_t rows, int64_t vectors, int64_t inner, const Target& target) {
  constexpr double kStartAndEnd = 24;
  constexpr double kLatency = 5;       // of an FMA, and a little: each sum takes one a step
  constexpr double kBytesFromL2 = 24;  // a cycle
  double products = static_cast<double>(rows * vectors) / target.fma_per_cycle;
  double loads = static_cast<double>(rows + vectors) / 2;
  double step = std::max({products, loads, kLatency});
  int64_t bytes = vectors * target.lanes * kElementBytes;
  if (bytes * inner > target.l1_bytes / 2) {
    step = std::max(step, static_cast<double>(bytes) / kBytesFromL2);
  }
  return static_cast<double>(inner) * step + kStartAndEnd;
}

}  // namespace

double tile_cycles(TileShape tile, int64_t rows, int64_t columns, int64_t inner,
                   const Target& target) {
  int64_t width = tile.nv * target.lanes;
  double cycles =
      static_cast<double>(columns / width) * cycles_of_tile(tile.mr, tile.nv, inner, target);
  if (columns % width != 0) {
    cycles += cycles_of_tile(tile.mr, ceil_div(columns % width, target.lanes), inner, target);
  }
  return static_cast<double>(ceil_div(rows, tile.mr)) * cycles;
}

TileShape choose_tile(int64_t rows, int64_t columns, int64_t inner, const Target& target) {
  std::span<const TileShape> tiles = kTiles16;
  if (target.registers >= 32) tiles = kTiles32;
  TileShape best = tiles[0];
  double least = tile_cycles(best, rows, columns, inner, target) * 0.97;
  for (TileShape tile : tiles.subspan(1)) {
    double cycles = tile_cycles(tile, rows, columns, inner, target);
    if (cycles >= least) continue;
    least = cycles;
    best = tile;
  }
  return best;
}

}  // namespace gradus::kernel
