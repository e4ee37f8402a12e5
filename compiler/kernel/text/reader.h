// The parser of kernel text, by recursive descent over lines; internal to read.cpp (words, slots,
// whole kernels) and read_statements.cpp (what stands in a body).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/kernel.h"
#include "kernel/text/line_reader.h"

namespace gradus::kernel {

class Reader : private LineReader {
 public:
  using LineReader::LineReader;
  std::vector<Kernel> read();

 private:
  Kernel kernel_;
  std::map<std::string, AxisId, std::less<>> axes_;
  std::map<std::string, SlotId, std::less<>> slots_;
  std::map<std::string, ValueId, std::less<>> values_;
  std::vector<std::pair<SlotId, Token>> shares_;

  // Parts.
  double number();
  Dim dim();
  std::vector<int64_t> integers();
  AxisId define_axis();
  ValueId define_value();
  void define_dtype(ValueId id);
  ValueId value();
  SlotId slot();
  void add_term(Affine& sum, ValueId* loaded, bool negative);
  Affine sum(ValueId* loaded);
  Affine affine() { return sum(nullptr); }
  Bound bound();
  Access access();
  Operand operand();
  double float_constant(DType type);

  // Statements.
  std::vector<Stmt> body(int depth);
  Stmt statement(int depth);
  Stmt assignment();
  Stmt let();
  Stmt load();
  Stmt loop(LoopKind kind, int depth);
  Stmt tile(int depth);
  Stmt pack();
  Micro micro();

  // Kernels.
  Kernel read_kernel();
  void schedule();
  void schedule_field();
  void slot_line();
  void origin_lines();
  void finish_slots();
};

}  // namespace gradus::kernel
