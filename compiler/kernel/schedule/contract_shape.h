// What a contraction's cluster looks like as matrices: sizes, and where both operands lie. Swapped,
// the product is seen transposed: rows are columns, left is right; the sums are the same.
#pragma once

#include <vector>

#include "cluster/cluster.h"
#include "kernel/kernel.h"
#include "support/target.h"

namespace gradus::kernel {

/// One operand: its view, and which of the view's dimensions are which.
struct MatrixOperand {
  View view;
  size_t outer = 0;  // rows of the left, columns of the right operand
  size_t inner = 0;

  int64_t outer_stride() const { return view.strides[outer]; }
  int64_t inner_stride() const { return view.strides[inner]; }
};

struct ContractShape {
  Shape batch;  // one product for each
  Dim rows, columns, inner;
  size_t row_dim = 0, column_dim = 0;  // of the result
  MatrixOperand left, right;

  /// Vectors over columns can be loaded from the right operand as it lies.
  bool right_runs_along_lanes() const { return columns.is_one() || right.outer_stride() == 1; }
};

ContractShape contract_shape(const Graph& graph, const Cluster& cluster, bool swapped);
/// Whether vectors over columns can be stored to the product's buffer; else it must be swapped.
bool stores_along_columns(const Graph& graph, const Cluster& cluster);
/// Simple arithmetic after the product, element by element; -1 if something is too expensive or too
/// large to do in the accumulators.
int simple_epilogue_ops(const Graph& graph, const Cluster& cluster);

}  // namespace gradus::kernel
