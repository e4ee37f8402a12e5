// The kernel: a loop tree that follows from a cluster and its schedule with no further choice. The
// emitter reads it alone; run.cpp interprets it without LLVM; it prints and reads back.
//
// Text: depth is indentation (two spaces), one statement a line.
//
//   kernel @bias_relu pointwise {unroll=2}:
//     x: in f32[n,512]
//     b: in f32[512]
//     y: out f32[n,512]
//     par r 0..n
//       lanes c 0..512
//         %0 = load x[r,c] : f32
//         %1 = load b[c] : f32
//         %2 = add %0, %1 : f32
//         %3 = less_equal %2, 0.0 : bool
//         %4 = select %3, 0.0, %2 : f32
//         store y[r,c], %4
//   kernel @dense_relu contract {mr=6 nv=2 kc=512 mc=96 nc=128 pack=b epilogue=tile}:
//     x: in f32[n,784]
//     w: in f32[784,256]
//     b: in f32[256]
//     y: out f32[n,256]
//     wp: worker f32[8,512,16]
//     part: worker f32[96,128]
//     par i0 0..n step 96
//       par j0 0..256 step 128
//         seq k0 0..784 step 512
//           pack wp = w[k,j] k k0..k0+512 max 784, j j0..j0+128 max 256 panels 16
//           tile i i0..i0+96 max n step 6, j j0..j0+128 max 256 step 32
//             micro %0 = sum k k0..k0+512 max 784: x[i,k] * wp[k-k0,j-j0] carry part[i-i0,j-j0] first k0==0 last 784
//             at last
//               %1 = load b[j] : f32
//               ...
//               store y[i,j], %3
//
// Values are scalars outside `lanes`, vectors over the lane axis inside it, and register tiles
// under `micro`; a scalar used inside is repeated. Every float operation is the graph's, rounded
// once: nothing here may change a bit.
//
// In Halide's words: `par` is parallel, `seq` serial, `lanes` vectorized; producers stand inline
// where they are read, or are stored once for an item in a `worker` slot (compute_at the items). In
// BLIS's words: `pack` fills panels, `tile` is the macrokernel's two loops, `micro` the
// microkernel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "cluster/cluster.h"
#include "graph/graph.h"
#include "support/id.h"

namespace gradus::kernel {

using AxisId = Id<struct AxisTag>;
using ValueId = Id<struct ValueTag>;
using SlotId = Id<struct SlotTag>;

/// constant + per_n * n + sum of coefficient * axis
struct Affine {
  int64_t constant = 0;
  int64_t per_n = 0;
  struct Term {
    AxisId axis;
    int64_t coefficient = 1;
    friend bool operator==(const Term&, const Term&) = default;
  };
  std::vector<Term> terms;  // ascending axis, no zero coefficients

  static Affine of(int64_t constant) { return {constant, 0, {}}; }
  static Affine of(AxisId axis) { return {0, 0, {{axis, 1}}}; }
  static Affine of(Dim dim) { return dim.batch ? Affine{0, dim.value, {}} : Affine{dim.value, 0, {}}; }
  friend bool operator==(const Affine&, const Affine&) = default;
};

/// min(ceil(value / divisor), cap): the end of a loop. A block of a blocked loop ends at `block +
/// step max extent`: the last one is cut short.
struct Bound {
  Affine value;
  int64_t divisor = 1;
  std::optional<Affine> cap;
  friend bool operator==(const Bound&, const Bound&) = default;
};

enum class SlotDir : uint8_t { In, Out, InOut };
/// Buffer: a value of the program (input, parameter, output, arena ...). Worker: scratch of one
/// worker.
enum class SlotSpace : uint8_t { Buffer, Worker };

struct Slot {
  std::string name;
  SlotDir dir = SlotDir::In;
  SlotSpace space = SlotSpace::Buffer;
  DType dtype = DType::F32;
  std::vector<Dim> extents;
  std::vector<int64_t> strides;  // in elements; one per extent
  int64_t offset = 0;            // elements from the start of the buffer
  NodeId value;                  // Buffer: whose buffer; a Param/State leaf for updates in place
  /// Inputs whose buffer this output may take in place: every element is read before the one of the
  /// same index is written.
  std::vector<SlotId> may_share;
  int32_t result = -1;           // Buffer, out: the own buffer of this result (index into Graph::results),
                                 // written by a copy cluster; `value` then says what is copied
  int64_t worker_offset = 0;     // Worker: bytes from the start of the worker's scratch, 64-aligned
};

struct Index {
  Affine affine;
  ValueId loaded;  // valid: an integer value that is added
  friend bool operator==(const Index&, const Index&) = default;
};
/// One index per slot extent, so that each can be checked against its own. A slot that a Pack fills
/// is read with two, row and column of the matrix: element [column / width][row][column % width] of
/// its three extents.
struct Access {
  SlotId slot;
  std::vector<Index> indices;
};

/// A value, or a constant of the dtype that the operation expects.
struct Operand {
  ValueId value;         // invalid: the constant
  double constant = 0;
  DType dtype = DType::F32;
};

/// %v = op operands. Pointwise rows of the operator table; BatchSize, StepNumber, StepCount,
/// EpochNumber without operands; RandomBits with the linear index (i32) as operand and `stream`.
struct Let {
  ValueId result;
  OpKind op = OpKind::Add;
  std::vector<Operand> operands;
  int64_t stream = 0;
};
/// %v = index affine: i32; in a lanes loop over one of its axes it ascends along the lanes.
struct IndexOf {
  ValueId result;
  Affine affine;
};
/// %v = load slot[indices] [where %condition else constant]; absent elements are not read.
struct Load {
  ValueId result;
  Access from;
  ValueId where;
  double default_value = 0;
};
/// store slot[indices], %v. In a lanes loop whose axis is not in the indices it is an error.
struct Store {
  Access to;
  Operand value;
};

/// A result of a lanes loop: the fold of `fold` statements in its body, in the order `lanes`
/// (graph/sum_order.h) for Sum; Max, Min and Argmax do not depend on an order. Visible after the
/// loop.
struct FoldResult {
  ValueId result;  // Argmax: i32, the index along the axis
  OpKind op = OpKind::Sum;
};
/// fold %result, %value: in the body of the lanes loop that declares the result.
struct Fold {
  ValueId into;
  Operand value;
};

struct Stmt;

enum class LoopKind : uint8_t {
  Par,    // items: outermost, perfectly nested; item numbers are row-major over these loops
  Seq,    // ascending
  Lanes,  // vectors; no iteration depends on another but through folds
};
struct Loop {
  LoopKind kind = LoopKind::Seq;
  AxisId axis;
  Affine from;
  Bound to;
  int64_t step = 1;
  /// Loops that follow each other may share an axis: a rows kernel has one column axis for all its
  /// lanes loops. Lanes: values computed in the body stay in registers for the next lanes loops of
  /// the same range ("held"); those refer to them by their ids. The range is constant and short.
  bool held = false;
  /// Lanes: only whole vectors run, no tail. Lanes of the last one beyond `to` are padded lanes:
  /// their elements exist in the slots, and change no fold (0 in a sum, -inf in a maximum).
  bool padded = false;
  std::vector<FoldResult> folds;
  std::vector<Stmt> body;
};

/// tile i from..to step mr, j from..to step nr: the grid of register tiles; j runs along lanes.
/// The body is one Micro, then the statements of its epilogue. Where ranges of j and k depend on i,
/// they are those of the tile's first row.
///
///                    j ->  nv vectors
///                 +----------------+
///              k  |  right[k, j..] |   loaded as vectors
///          +----+ +----------------+
///     i    |left| | mr x nr sums   |   in registers over all of k, each in ascending k
///     mr   |    | |                |
///          +----+ +----------------+
///            one element at a time, repeated in all lanes
///
/// Where K is cut, sums wait in scratch between blocks. A chunk is part of the sum's definition
/// (graph/sum_order.h), a block is the schedule's choice, so blocks do not straddle chunks:
///
///     k       0      512     1024    1536    2048
///             |-----------chunk------|-----------chunk----- ...
///     carry     write  read    write  read               sums of the chunk at hand
///     totals               write              add        sums of the chunks before it
struct Micro {
  ValueId result;
  AxisId k;
  Affine k_from;
  Bound k_to;
  Access left;    // over i and k (and outer axes)
  Access right;   // over k and j
  /// Where K is cut in blocks by an outer loop `k0`: partial tiles wait in `carry`. A block with
  /// k0 % chunk == 0 starts at +0; at the end of a chunk the sum is added to `totals`.
  std::optional<Access> carry;
  std::optional<Access> totals;  // present where K > chunk
  AxisId k0;                     // invalid: one block
  int64_t chunk = 1024;
  Affine k_extent;               // all of K: k0's last block is the one that reaches it
};
struct Tile {
  AxisId i;
  Affine i_from;
  Bound i_to;
  int64_t i_step = 6;    // mr
  AxisId j;
  Affine j_from;
  Bound j_to;
  int64_t j_step = 16;   // columns of a tile: nv * lanes
  /// Only whole tiles run along j: columns beyond `j_to` are padded lanes. They may be read and
  /// stored, and nobody needs them.
  bool padded = false;
  Micro micro;
  std::vector<Stmt> epilogue;  // runs once per tile, when the last block of K is done
};
/// pack to = from[...]: copies rows x columns of a matrix into panels, layout
/// [ceil(columns / width)][row][width], the last panel filled with zeros. `rows` is the inner
/// dimension k, `columns` is j (or i, for the left operand). Width 4:
///
///        j ->             panel 0   panel 1
///     k  a b c d e f      a b c d   e f 0 0     in memory: a b c d g h i j e f 0 0 k l 0 0
///     |  g h i j k l      g h i j   k l 0 0
///
/// A microkernel then reads a panel from end to end: one stream, few pages, no conflict misses.
struct Pack {
  SlotId to;
  Access from;           // at (row_axis, column_axis)
  AxisId row_axis;
  Affine row_from;
  Bound row_to;
  AxisId column_axis;
  Affine column_from;
  Bound column_to;
  int64_t width = 16;
};

/// if %condition: the body runs where a scalar bool holds. Never inside a lanes loop; its body may
/// hold lanes loops. Values made inside are not seen outside.
struct If {
  ValueId condition;
  std::vector<Stmt> body;
};

struct Stmt {
  std::variant<Loop, Let, IndexOf, Load, Store, Fold, Tile, Pack, If> body;
};

struct Axis {
  std::string name;
};

/// The choices of one kernel, one line of text. Unused fields keep their defaults.
struct Schedule {
  int64_t block = 4096;    // pointwise: elements of an item
  int64_t rows = 1;        // rows: rows of an item
  int64_t unroll = 4;      // vectors an iteration
  bool held = false;
  int64_t mr = 6, nv = 2;  // contract: register tile in rows and vectors
  int64_t mc = 96, nc = 256, kc = 512;
  bool pack_left = false, pack_right = false;
  bool swapped = false;    // contract: lanes along M
  bool block_epilogue =
      false;  // contract: the epilogue runs over the finished block of C, not tile by tile
};

/// Work and traffic at capacity, for the cost model and `bench`.
struct Cost {
  double fma = 0;             // multiply-adds of contractions
  double simple = 0;          // other arithmetic, per element
  double divide = 0;
  double transcendental = 0;
  double bytes = 0;           // read and written at least once
  int64_t items = 1;

  double flop() const { return 2 * fma + simple + divide + transcendental; }
};

struct Kernel {
  std::string name;
  NodeId named_after;          // the value whose name it has; invalid: a name of its own
  ClusterClass cls = ClusterClass::Pointwise;
  Schedule schedule;
  IdVector<AxisId, Axis> axes;
  IdVector<SlotId, Slot> slots;
  IdVector<ValueId, DType> values;
  std::vector<Stmt> body;
  int64_t worker_bytes = 0;    // scratch of one worker
  Cost cost;
  std::vector<NodeId> nodes;   // what it computes, for names and locations
};

}  // namespace gradus::kernel
