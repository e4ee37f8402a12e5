// Kernel text in: the statements of a body.
#include <fmt/format.h>

#include "graph/op.h"
#include "kernel/text/reader.h"

namespace gradus::kernel {

namespace {

constexpr int kMaxDepth = 64;

}  // namespace

std::vector<Stmt> Reader::body(int depth) {
  std::vector<Stmt> result;
  while (line_ < lines_.size() && lines_[line_].depth >= depth) {
    if (lines_[line_].depth > depth) {
      problem(peek().span, fmt::format("found {} spaces before this, expected {}",
                                       2 * lines_[line_].depth, 2 * depth));
    }
    result.push_back(statement(depth));
  }
  return result;
}

Stmt Reader::statement(int depth) {
  if (depth > kMaxDepth) problem(peek().span, "statements are nested too deep");
  if (peek().kind == TokenKind::Value) return assignment();
  if (accept("par")) return loop(LoopKind::Par, depth);
  if (accept("seq")) return loop(LoopKind::Seq, depth);
  if (accept("lanes")) return loop(LoopKind::Lanes, depth);
  if (accept("tile")) return tile(depth);
  if (accept("pack")) return pack();
  if (accept("if")) {
    If branch;
    branch.condition = value();
    end_line();
    branch.body = body(depth + 1);
    return {std::move(branch)};
  }
  if (accept("store")) {
    Store store;
    store.to = access();
    expect(",");
    store.value = operand();
    end_line();
    return {store};
  }
  if (!accept("fold")) fail(peek(), "a statement");
  Fold fold;
  fold.into = value();
  expect(",");
  fold.value = operand();
  end_line();
  return {fold};
}

Stmt Reader::assignment() {
  // The value is defined after its operands are read: it cannot be one of them.
  take();
  expect("=");
  Stmt result;
  if (accept("index")) {
    IndexOf index;
    index.affine = affine();
    result.body = index;
  } else if (accept("load")) {
    result = load();
  } else {
    result = let();
  }
  size_t end = at_;
  at_ = 0;
  ValueId id = define_value();
  at_ = end;
  define_dtype(id);
  end_line();
  if (auto* s = std::get_if<IndexOf>(&result.body)) s->result = id;
  if (auto* s = std::get_if<Load>(&result.body)) s->result = id;
  if (auto* s = std::get_if<Let>(&result.body)) s->result = id;
  return result;
}

Stmt Reader::load() {
  Load load;
  load.from = access();
  if (accept("where")) {
    load.where = value();
    expect("else");
    load.default_value = operand().constant;
  }
  return {load};
}

Stmt Reader::let() {
  Let let;
  Token name = take_kind(TokenKind::Word, "an operation");
  std::optional<OpKind> op = op_from_name(name.text);
  if (!op) fail(name, "an operation");
  let.op = *op;
  while (!is(":") && !is("{")) {
    let.operands.push_back(operand());
    if (!accept(",")) break;
  }
  if (accept("{")) {
    expect("stream");
    expect("=");
    let.stream = integer();
    expect("}");
  }
  return {let};
}

Stmt Reader::loop(LoopKind kind, int depth) {
  Loop loop;
  loop.kind = kind;
  // The bounds are read first: they do not know the axis.
  take_kind(TokenKind::Word, "the name of an axis");
  loop.from = affine();
  expect("..");
  loop.to = bound();
  if (accept("step")) loop.step = integer();
  if (accept("held")) loop.held = true;
  if (accept("padded")) loop.padded = true;
  size_t end = at_;
  at_ = 1;
  loop.axis = define_axis();
  at_ = end;
  if (accept("->")) {
    do {
      FoldResult fold;
      fold.result = define_value();
      expect("=");
      Token op = take_kind(TokenKind::Word, "a reduction");
      std::optional<OpKind> found = op_from_name(op.text);
      if (!found) fail(op, "a reduction");
      fold.op = *found;
      define_dtype(fold.result);
      loop.folds.push_back(fold);
    } while (accept(","));
  }
  end_line();
  loop.body = body(depth + 1);
  return {std::move(loop)};
}

Micro Reader::micro() {
  Micro micro;
  expect("micro");
  micro.result = define_value();
  expect("=");
  expect("sum");
  micro.k = define_axis();
  micro.k_from = affine();
  expect("..");
  micro.k_to = bound();
  expect(":");
  micro.left = access();
  expect("*");
  micro.right = access();
  micro.k_extent = micro.k_to.value;
  if (accept("carry")) micro.carry = access();
  if (accept("totals")) {
    micro.totals = access();
    expect("chunk");
    micro.chunk = integer();
  }
  if (accept("first")) {
    Token token = peek();
    micro.k0 = define_axis();
    expect("==");
    if (integer() != 0) fail(token, "`AXIS==0`");
    expect("last");
    micro.k_extent = affine();
  }
  end_line();
  return micro;
}

Stmt Reader::tile(int depth) {
  Tile tile;
  tile.i = define_axis();
  tile.i_from = affine();
  expect("..");
  tile.i_to = bound();
  expect("step");
  tile.i_step = integer();
  expect(",");
  tile.j = define_axis();
  tile.j_from = affine();
  expect("..");
  tile.j_to = bound();
  expect("step");
  tile.j_step = integer();
  tile.padded = accept("padded");
  end_line();
  if (line_ >= lines_.size() || lines_[line_].depth != depth + 1) {
    problem(lines_[line_ - 1].tokens[0].span,
            "a `tile` is followed by its `micro`, one level deeper");
  }
  tile.micro = micro();
  if (line_ < lines_.size() && lines_[line_].depth == depth + 1 && is("at")) {
    take();
    expect("last");
    end_line();
    tile.epilogue = body(depth + 2);
  }
  return {std::move(tile)};
}

Stmt Reader::pack() {
  Pack pack;
  pack.to = slot();
  expect("=");
  // The source is addressed by the pack's axes, whose ranges stand after it.
  size_t source = at_;
  while (!is("]") && peek().kind != TokenKind::End) take();
  expect("]");
  pack.row_axis = define_axis();
  pack.row_from = affine();
  expect("..");
  pack.row_to = bound();
  expect(",");
  pack.column_axis = define_axis();
  pack.column_from = affine();
  expect("..");
  pack.column_to = bound();
  expect("panels");
  pack.width = integer();
  size_t end = at_;
  at_ = source;
  pack.from = access();
  at_ = end;
  end_line();
  return {std::move(pack)};
}

}  // namespace gradus::kernel
