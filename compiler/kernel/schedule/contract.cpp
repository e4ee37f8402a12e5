// Blocks, packs and the place of the epilogue, by rule. Measured on AVX2 and AVX-512 hosts; the
// rules read the target's caches, never its thread count.
//
// Invariant: a schedule decides when an element of C is computed and where operands wait, never in
// which order its terms are added (graph/sum_order.h). Any schedule that passes the check at the
// end of this file gives the same bits.
//
// The loops are those of Goto & van de Geijn, "Anatomy of High-Performance Matrix Multiplication"
// (ACM TOMS 34, 2008), as BLIS names them (Van Zee & van de Geijn, ACM TOMS 41, 2015):
//
//                nc                     kc             nc
//           +-----------+            +------+     +-----------+
//       mc  |     C     |   +=   mc  |  A   |  kc |     B     |
//           |  +--+     |            |======|     |  ||       |
//           |  |mr|     |         mr |======|     |  || nr = nv * lanes
//           +--+--+-----+            +------+     +-----------+
//
//   mr x nr   the register tile: its sums stay in registers over kc steps
//   kc x nr   a micro-panel of B: stays in L1 while the rows of A go by
//   kc x nc   a block of B: stays in half of L2 while mc rows use it
//   mc x nc   an item: what one thread takes
//
// What differs from a BLAS, and why:
//   - A is not packed. Items are independent, so each would pack its own copy.
//   - B is packed by each item alone, so only where enough rows (mc) use the copy.
//   - kc divides a chunk of the sum, as a chunk's end is where its total is rounded.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "graph/op.h"
#include "graph/sum_order.h"
#include "kernel/schedule/contract_shape.h"
#include "kernel/schedule/schedules.h"
#include "kernel/schedule/tile.h"
#include "support/round.h"

namespace gradus::kernel {

namespace {

// An epilogue of more operations spills accumulators of the tile: it then runs over the block.
constexpr int kTileEpilogueOps = 8;
constexpr int64_t kRowsOfBlock = 512;

bool wide_registers(const Target& target) { return target.registers >= 32; }

struct Cache {
  int64_t bytes, ways;
};

Cache l1(const Target& target) { return {target.l1_bytes, target.l1_ways}; }

/// The L2 cache. No target says its ways; most have 8 or more.
Cache l2(const Target& target) { return {target.l2_bytes, 8}; }

/// Whether `count` lines that lie `stride` elements apart evict each other although the cache has
/// room: conflict misses, as in Lam, Rothberg & Wolf, "The Cache Performance and Optimizations of
/// Blocked Algorithms" (ASPLOS 1991). Lines a stride apart visit sets / gcd(sets, stride) sets, and
/// each set keeps as many as it has ways.
///
///   64 sets, stride of 16 lines: only sets 0, 16, 32, 48 are used, 4 * ways lines fit
///   64 sets, stride of 17 lines: all sets in turn, 64 * ways lines fit
bool has_conflict_misses(int64_t count, int64_t stride, Cache cache) {
  int64_t sets = std::max<int64_t>(1, cache.bytes / kCacheLine / cache.ways);
  int64_t bytes = stride * kElementBytes;
  if (bytes < kCacheLine) return false;
  int64_t lines = bytes / kCacheLine;
  return count > cache.ways * sets / std::gcd(sets, lines);
}

struct Sizes {
  int64_t m, n, k;
  int64_t products;  // batch
  double flops() const {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  }
};

Sizes sizes_of(const ContractShape& shape, int64_t capacity) {
  Sizes size{shape.rows.at(capacity), shape.columns.at(capacity), shape.inner.at(capacity), 1};
  for (Dim dim : shape.batch) size.products *= dim.at(capacity);
  return size;
}

/// Steps of the sum whose lines, one of the left operand for each, fill half the L1 cache; a whole
/// number of times in a chunk.
int64_t steps_in_l1(const Target& target) {
  int64_t lines = std::clamp<int64_t>(target.l1_bytes / 2 / kCacheLine, 1, kProductChunk);
  return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(lines)));
}

/// Whether each step of the sum brings another line of the left operand.
bool left_by_columns(const ContractShape& shape) {
  return shape.left.outer_stride() == 1 && shape.left.inner_stride() * kElementBytes > kCacheLine;
}

/// Whether packing B pays even where both operands are read down their columns: many rows use the
/// copy, and the rows of B lie so far apart that those of a block take half of the L2 cache while
/// only a few columns of them are used.
bool packing_b_pays(const ContractShape& shape, const Sizes& size, const Target& target) {
  constexpr int64_t kManyRows = 512;
  const int64_t reach = steps_in_l1(target) * shape.right.inner_stride() * kElementBytes;
  return size.m >= kManyRows && 2 * reach >= target.l2_bytes;
}

/// Whether rows of tiles run down the columns of both operands, for longer than the L1 cache keeps
/// the left one's lines for the next tile. As in the product for a weight's gradient, x' * dy:
///
///      j ->                       each step of k reads mr elements of a row of x and nr of a row
///   k  x[k, i..i+mr]              of dy: one line of x for 16 elements, of which the tile uses mr.
///   |  dy[k, j..j+nr]             The next tile of rows wants the rest of the line: it must still
///   v                             be in L1, hence kc of so many lines as fill half of it.
bool runs_down_columns(const ContractShape& shape, const Sizes& size, const Target& target) {
  return wide_registers(target) && left_by_columns(shape) && shape.right_runs_along_lanes() &&
         size.k > steps_in_l1(target) && !packing_b_pays(shape, size, target);
}

/// The left operand is read where it lies, by rows or by columns: a copy costs more than the lines
/// that it would save, as every block of columns would make its own.
///
/// The right operand is packed if its lanes are not contiguous, or if enough rows use it and it
/// does not fit the L2 cache, or if its rows have conflict misses in a small L1 cache. Where tiles
/// run down the columns of both, prefetches bring what comes (codegen/emit_prefetch.cpp), and no
/// copy pays.
bool wants_right_pack(const ContractShape& shape, const Sizes& size, int64_t kc,
                      const Target& target) {
  if (!shape.right_runs_along_lanes()) return true;
  if (runs_down_columns(shape, size, target)) return false;
  if (size.m >= 96 && size.k * size.n * kElementBytes > target.l2_bytes) return true;
  bool conflicts = has_conflict_misses(kc, shape.right.inner_stride(), l1(target));
  return conflicts && size.m >= 48 && !wide_registers(target);
}

/// Steps of a long sum whose lines of the left operand, one for each, the L2 cache keeps for the
/// next tile: in half of its ways, as the right operand wants the others.
int64_t steps_in_l2(const ContractShape& shape, const Target& target) {
  constexpr int64_t kUsual = 256, kFewest = 128;
  return has_conflict_misses(2 * kUsual, shape.left.inner_stride(), l2(target)) ? kFewest : kUsual;
}

int64_t choose_kc(const ContractShape& shape, const Sizes& size, const Target& target) {
  // Where the run-time batch decides about K, blocks must not straddle a chunk of the sum. A K that
  // is a little too long for one block is left whole: each further block loads and stores C again.
  constexpr int64_t kLong = 512;
  if (runs_down_columns(shape, size, target)) return steps_in_l1(target);
  if (left_by_columns(shape) && size.k > kLong) return steps_in_l2(shape, target);
  const int64_t whole = wide_registers(target) ? 1024 : 640;
  return shape.inner.batch || size.k > whole ? kLong : std::max<int64_t>(1, size.k);
}

/// How many items are worth offering: each at least some microseconds of arithmetic, and so many
/// that threads which do not begin or run alike wait for each other no longer than a small part.
int64_t wanted_items(const Sizes& size) {
  constexpr double kFlopsOfItem = 1.5e5, kFlopsOfLongItem = 1e7;
  constexpr int64_t kUsual = 16, kMost = 64;
  const double flops = size.flops() * static_cast<double>(size.products);
  int64_t items = std::clamp<int64_t>(static_cast<int64_t>(flops / kFlopsOfItem), 1, kUsual);
  while (items < kMost && flops / static_cast<double>(2 * items) > kFlopsOfLongItem) items *= 2;
  return items;
}

/// The largest block in units of `unit` that leaves at least `count` blocks of `size`.
int64_t block_for(int64_t size, int64_t unit, int64_t count) {
  return std::max(unit, round_up(ceil_div(size, std::max<int64_t>(1, count)), unit));
}

/// Cuts blocks further until there is something for every thread: columns first where a pack of the
/// right operand alone would be repeated for each block of rows, else rows. The other side is cut
/// only while items are few, as every cut reads or packs an operand once more:
///
///   +-----+-----+   cut by columns: A is read twice, each half of B once
///   |  0  |  1  |
///   +-----+-----+   cut by rows: B is read (and packed) twice, each half of A once
///   |  2  |  3  |
///   +-----+-----+
void cut_for_threads(Schedule& s, const Sizes& size, int64_t width) {
  constexpr int64_t kFew = 8;
  const int64_t wanted = ceil_div(wanted_items(size), size.products);
  auto row_blocks = [&] { return ceil_div(size.m, s.mc); };
  auto column_blocks = [&] { return ceil_div(size.n, s.nc); };
  auto cut_columns = [&](int64_t items) {
    if (row_blocks() * column_blocks() >= items) return;
    s.nc = std::min(s.nc, block_for(size.n, width, ceil_div(items, row_blocks())));
  };
  auto cut_rows = [&](int64_t items) {
    if (row_blocks() * column_blocks() >= items) return;
    s.mc = std::min(s.mc, block_for(size.m, s.mr, ceil_div(items, column_blocks())));
  };
  if (s.pack_right && !s.pack_left) {
    cut_columns(std::min(wanted, kFew));
    cut_rows(std::min(wanted, kFew));
  } else {
    cut_rows(wanted);
    cut_columns(std::min(wanted, kFew));
  }
}

/// Few columns leave lanes idle. Where elements of the left operand are contiguous along its rows,
/// lanes may run along M instead (C' = B' * A'); the epilogue over the block then transposes C,
/// which costs about a gather for each row. Batched products stay as they are: a strip of attention
/// needs all its products in one orientation.
///
///   n = 10, 16 lanes:   m rows of  xxxxxxxxxx......     or   10 rows of  xxxxxxxxxxxxxxxx ...
///                       6 of 16 lanes idle                   no lane idle
bool wants_lanes_along_rows(const ContractShape& shape, const Sizes& size, const Target& target) {
  constexpr double kCyclesOfTurn = 30;
  if (!shape.batch.empty() || shape.left.outer_stride() != 1 || shape.columns.is_one())
    return false;
  if (size.n >= 2 * target.lanes || size.m < 4 * target.lanes) return false;
  double vectors = static_cast<double>(ceil_div(size.n, target.lanes));
  double idle = vectors - static_cast<double>(size.n) / target.lanes;
  return static_cast<double>(size.k) * idle / target.fma_per_cycle > kCyclesOfTurn;
}

/// Blocks of a product that runs down columns: each reads its rows of both operands from memory
/// once, so that a smaller one costs more than a further thread gains.
void choose_column_blocks(Schedule& s, const Sizes& size, int64_t width) {
  constexpr int64_t kRows = 64, kColumns = 128;
  s.nc = std::min(round_up(size.n, width), std::max(kColumns / width, int64_t{1}) * width);
  s.mc = std::min(round_up(size.m, s.mr), std::max(kRows / s.mr, int64_t{1}) * s.mr);
}

void choose_blocks(Schedule& s, const Sizes& size, const Target& target) {
  int64_t width = s.nv * target.lanes;
  int64_t kc = std::min(s.kc, size.k);
  // Columns are cut where the L2 cache does not hold the right operand: each tile of rows reads it.
  int64_t cache_columns = target.l2_bytes / 4 / std::max<int64_t>(1, kc) / width * width;
  if (s.pack_right || cache_columns < size.n) cache_columns = cache_columns / 2 / width * width;
  s.nc = std::clamp(cache_columns, width, round_up(size.n, width));
  s.mc = std::min(round_up(kRowsOfBlock, s.mr), round_up(size.m, s.mr));
  cut_for_threads(s, size, width);
}

}  // namespace

/// From the inside out: orientation, register tile, kc, pack, epilogue, then mc and nc. Each choice
/// takes the earlier ones as given, and none is looked at again.
Schedule schedule_contract(const Graph& graph, const Cluster& cluster, const Target& target,
                           int64_t capacity) {
  Schedule s;
  s.swapped = !stores_along_columns(graph, cluster);
  ContractShape shape = contract_shape(graph, cluster, s.swapped);
  Sizes size = sizes_of(shape, capacity);
  bool transposed = !s.swapped && wants_lanes_along_rows(shape, size, target);
  if (transposed) {
    s.swapped = true;
    shape = contract_shape(graph, cluster, true);
    size = sizes_of(shape, capacity);
  }
  TileShape tile = choose_tile(size.m, size.n, size.k, target);
  s.mr = tile.mr;
  s.nv = tile.nv;
  s.kc = choose_kc(shape, size, target);
  int64_t kc = std::min(s.kc, size.k);
  s.pack_right = wants_right_pack(shape, size, kc, target);
  int ops = simple_epilogue_ops(graph, cluster);
  s.block_epilogue = transposed || ops < 0 || ops > kTileEpilogueOps;
  if (runs_down_columns(shape, size, target)) {
    choose_column_blocks(s, size, s.nv * target.lanes);
  } else {
    choose_blocks(s, size, target);
  }
  return s;
}

/// What the builder and the microkernel rely on. Schedules that tuning or a test made up are held
/// to it as those of the rules are.
std::optional<std::string> check_contract_schedule(const Graph& graph, const Cluster& cluster,
                                                   const Schedule& s, const Target& target) {
  for (NodeId member : cluster.members) {
    if (op_def(graph[member].op).cls == OpClass::Reduce) return "a fold beside a product";
  }
  if (graph.type(cluster.anchor).dtype != DType::F32) return "a product of another type than f32";
  if (s.mr < 1 || s.nv < 1 || s.mc < 1 || s.nc < 1 || s.kc < 1) return "a block of less than 1";
  if (s.mr * s.nv > target.registers) return "more accumulators than registers";
  if (s.nc % (s.nv * target.lanes) != 0) return "nc is no multiple of the tile's columns";
  if (s.mc % s.mr != 0) return "mc is no multiple of the tile's rows";
  ContractShape shape = contract_shape(graph, cluster, s.swapped);
  if (s.swapped == stores_along_columns(graph, cluster)) {
    bool transposed =
        s.swapped && s.block_epilogue && !shape.rows.is_one() && !shape.columns.is_one();
    if (!transposed) return "stores do not run along the lanes";
  }
  if (!s.pack_right && !shape.right_runs_along_lanes()) {
    return "the right operand has to be packed, its lanes are not contiguous";
  }
  bool chunked = shape.inner.batch || shape.inner.value > kProductChunk;
  if (chunked && kProductChunk % s.kc != 0) {
    return fmt::format("kc={} does not divide the chunk of {} terms", s.kc, kProductChunk);
  }
  return std::nullopt;
}

}  // namespace gradus::kernel
