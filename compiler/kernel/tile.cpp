// Candidates per register file and their estimate.
#include "kernel/tile.h"

#include <algorithm>
#include <span>

namespace gradus::kernel {

namespace {

// Accumulators, the shorter side of the tile and one element of the longer fit the registers; 3x4
// would take all of 16, and spills.
constexpr TileShape kTiles16[] = {{6, 2},  {5, 2}, {4, 3}, {4, 2}, {3, 3}, {2, 6},
                                  {1, 12}, {3, 2}, {2, 4}, {1, 8}, {2, 2}, {6, 1},
                                  {4, 1},  {1, 4}, {2, 1}, {1, 2}, {1, 1}};
constexpr TileShape kTiles32[] = {{12, 2}, {14, 2}, {8, 3}, {9, 3}, {6, 4}, {4, 6},  {2, 8},
                                  {1, 12}, {8, 2},  {6, 2}, {4, 4}, {4, 2}, {12, 1}, {8, 1},
                                  {2, 4},  {1, 8},  {4, 1}, {2, 2}, {1, 4}, {2, 1},  {1, 1}};

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

double tile_cycles(TileShape tile, int64_t rows, int64_t columns, int64_t inner,
                   const Target& target) {
  constexpr double kStartAndEnd = 60;
  constexpr double kLatencyFloor = 8;  // independent chains that hide an FMA's latency
  double tiles = static_cast<double>(ceil_div(rows, tile.mr)) *
                 static_cast<double>(ceil_div(columns, tile.nv * target.lanes));
  double products = static_cast<double>(tile.mr * tile.nv) / target.fma_per_cycle;
  double loads = static_cast<double>(tile.mr + tile.nv) / 2;
  double step = std::max({products, loads, kLatencyFloor / target.fma_per_cycle});
  return tiles * (static_cast<double>(inner) * step + kStartAndEnd);
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
