// Contractions: sums over shared dimensions.
#include <fmt/format.h>

#include "graph/builder.h"
#include "graph/ops/rows.h"

namespace gradus {

namespace {

using G = GraphBuilder;
using A = VjpArgs;

const AttrSpec kAttrs[] = {{AttrName::Ta, AttrValue(false)}, {AttrName::Tb, AttrValue(false)}};

/// The last two sizes of an operand, transposed where the attribute says so.
struct MatrixDims {
  Dim rows, columns;
};
MatrixDims matrix_dims(const TensorType& type, bool transposed) {
  Dim rows = type.shape[type.rank() - 2], columns = type.shape[type.rank() - 1];
  if (transposed) std::swap(rows, columns);
  return {rows, columns};
}

Shape leading(const TensorType& type) { return {type.shape.begin(), type.shape.end() - 2}; }

ShapeResult matmul_shape(std::span<const TensorType> x, const Attrs& attrs, const TensorType*) {
  for (int i = 0; i < 2; ++i) {
    const TensorType& type = x[static_cast<size_t>(i)];
    if (type.rank() < 2 || !is_float(type.dtype)) {
      return ShapeProblem{
          fmt::format("an operand of `matmul` is {}, expected a float matrix", to_string(type)), i};
    }
  }
  if (x[0].dtype != x[1].dtype) return ShapeProblem{"element types of `matmul` differ", 1};
  MatrixDims left = matrix_dims(x[0], attrs.flag(AttrName::Ta)),
             right = matrix_dims(x[1], attrs.flag(AttrName::Tb));
  if (left.columns != right.rows) {
    return ShapeProblem{fmt::format("inner dimensions of `matmul` differ: {} and {}",
                                    to_string(left.columns), to_string(right.rows)),
                        1};
  }
  std::optional<Shape> shape = broadcast_shapes(leading(x[0]), leading(x[1]));
  if (!shape) {
    return ShapeProblem{fmt::format("leading dimensions of `matmul` do not broadcast: {} and {}",
                                    to_string(leading(x[0])), to_string(leading(x[1]))),
                        1};
  }
  shape->push_back(left.rows);
  shape->push_back(right.columns);
  return checked_type({x[0].dtype, *shape});
}

ContractDims matmul_dims(std::span<const TensorType> x, const Attrs& attrs) {
  ContractDims dims;
  size_t rank = std::max(x[0].rank(), x[1].rank());
  for (size_t i = 0; i + 2 < rank; ++i) dims.batch.push_back(i);
  dims.row = rank - 2;
  dims.column = rank - 1;
  bool ta = attrs.flag(AttrName::Ta), tb = attrs.flag(AttrName::Tb);
  dims.left_row = x[0].rank() - (ta ? 1 : 2);
  dims.left_inner = x[0].rank() - (ta ? 2 : 1);
  dims.right_inner = x[1].rank() - (tb ? 1 : 2);
  dims.right_column = x[1].rank() - (tb ? 2 : 1);
  return dims;
}

/// [.., M, K] as [..*M, K].
NodeId fold_leading(G& g, NodeId x) {
  const Shape shape = g.type(x).shape;
  Shape rows(shape.begin(), shape.end() - 1);
  return g.reshape(x, {*checked_count(rows), shape.back()});
}

/// d(a @ b)/db where b is one matrix for all leading dimensions of a: one product over all rows.
NodeId shared_right_cotangent(G& g, const A& args, bool tb) {
  NodeId a = fold_leading(g, args.operands[0]), c = fold_leading(g, args.cotangent);
  return tb ? g.matmul(c, a, true, false) : g.matmul(a, c, true, false);
}

Cotangents matmul_vjp(G& g, const A& args) {
  bool ta = args.attrs.flag(AttrName::Ta), tb = args.attrs.flag(AttrName::Tb);
  NodeId a = args.operands[0], b = args.operands[1], c = args.cotangent;
  Cotangents out(2);
  if (args.wanted[0]) {
    NodeId da = ta ? g.matmul(b, c, tb, true) : g.matmul(c, b, false, !tb);
    out[0] = g.unbroadcast(da, g.type(a).shape);
  }
  if (args.wanted[1]) {
    bool shared = g.type(b).rank() == 2 && g.type(a).rank() > 2 && !ta;
    NodeId db = shared ? shared_right_cotangent(g, args, tb)
                       : (tb ? g.matmul(c, a, true, ta) : g.matmul(a, c, !ta, false));
    out[1] = g.unbroadcast(db, g.type(b).shape);
  }
  return out;
}

const OpDef kContractRows[] = {
    {.kind = OpKind::Matmul,
     .name = "matmul",
     .arity = 2,
     .cls = OpClass::Contract,
     .attrs = kAttrs,
     .shape = matmul_shape,
     .differentiable = Differentiable::Yes,
     .vjp = matmul_vjp,
     .saves = Saves::Operands,
     .contract = matmul_dims,
     .doc = "matrix products of the last two dimensions (`ta`, `tb`: given transposed), leading "
            "ones broadcast; "
            "fused multiply-adds with ascending k, from +0, in chunks of 1024"},
};

}  // namespace

std::span<const OpDef> contract_rows() { return kContractRows; }

}  // namespace gradus
