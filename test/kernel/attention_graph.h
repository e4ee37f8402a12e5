// Attention as graph text, forward and backward, as the library's function gives it: the shapes and
// the mask vary.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "graph/text.h"

namespace gradus::test {

struct Attention {
  int64_t length = 64;
  int64_t heads = 2;
  int64_t width = 16;  // of a head
  bool causal = true;
  bool backward = true;
  bool dropout = false;  // of the shares

  /// Queries, keys and values in one input; `o`, and their cotangent in one output, that of `o`
  /// being o * g.
  std::string text() const {
    const std::string all = fmt::format("f32[batch,{},{}]", length, 3 * heads * width);
    const std::string part = fmt::format("f32[batch,{},{}]", length, heads * width);
    const std::string split = fmt::format("f32[batch,{},{},{}]", length, heads, width);
    const std::string head = fmt::format("f32[batch,{},{},{}]", heads, length, width);
    const std::string turned = fmt::format("f32[batch,{},{},{}]", heads, width, length);
    const std::string square = fmt::format("f32[batch,{0},{1},{1}]", heads, length);
    const std::string column = fmt::format("f32[batch,{},{},1]", heads, length);
    std::string out = "%qkv = input \"qkv\" : " + all + "\n%g = input \"g\" : " + part + "\n";
    const auto line = [&](const std::string& name, const std::string& what,
                          const std::string& type) {
      out += fmt::format("%{} = {} : {}\n", name, what, type);
    };
    int64_t start = 0;
    for (const char* name : {"q", "k", "v"}) {
      line(fmt::format("{}0", name),
           fmt::format("slice %qkv {{start=[0,0,{}], step=[1,1,1]}}", start), part);
      line(fmt::format("{}1", name), fmt::format("reshape %{}0", name), split);
      const bool key = std::string(name) == "k";
      line(name, fmt::format("transpose %{}1 {{perm=[{}]}}", name, key ? "0,2,3,1" : "0,2,1,3"),
           key ? turned : head);
      start += heads * width;
    }
    line("s", "matmul %q, %k", square);
    line("scaled", "mul %s, 0.25", square);
    const std::string mask = fmt::format("bool[{0},{0}]", length);
    line("row", "iota {axis=0}", fmt::format("i32[{},1]", length));
    line("col", "iota {axis=0}", fmt::format("i32[{}]", length));
    line("mask", "less_equal %col, %row", mask);
    if (causal) line("seen", "select %mask, %scaled, -inf", square);
    const std::string seen = causal ? "%seen" : "%scaled";
    line("top", "max " + seen + " {dims=[3], keep=true}", column);
    line("less", "sub " + seen + ", %top", square);
    line("e", "exp %less", square);
    line("z", "sum %e {dims=[3], keep=true, order=lanes}", column);
    line("share", "div 1.0, %z", column);
    line("p", "mul %e, %share", square);
    if (dropout) {
      line("bits", "random_bits {stream=1}", "i32" + square.substr(3));
      line("draw", "unit_float %bits", square);
      line("dropped", "less %draw, 0.3", "bool" + square.substr(3));
      line("kept", "div %p, 0.7", square);
      line("w", "select %dropped, 0.0, %kept", square);
    }
    const std::string weights = dropout ? "%w" : "%p";
    line("o0", "matmul " + weights + ", %v", head);
    line("o1", "transpose %o0 {perm=[0,2,1,3]}", split);
    line("o", "reshape %o1", part);
    if (!backward) return out + "return output \"o\" %o\n";
    line("cotangent", "mul %o, %g", part);
    line("g0", "reshape %cotangent", split);
    line("go", "transpose %g0 {perm=[0,2,1,3]}", head);
    line(dropout ? "dw" : "dp", "matmul %go, %v {tb=true}", square);
    if (dropout) line("dkept", "select %dropped, 0.0, %dw", square);
    if (dropout) line("dp", "div %dkept, 0.7", square);
    line("dv", "matmul " + weights + ", %go {ta=true}", head);
    line("pdp", "mul %p, %dp", square);
    line("total", "sum %pdp {dims=[3], keep=true, order=lanes}", column);
    line("rest", "sub %dp, %total", square);
    line("ds0", "mul %p, %rest", square);
    if (causal) line("ds1", "select %mask, %ds0, 0.0", square);
    line("ds", fmt::format("mul %{}, 0.25", causal ? "ds1" : "ds0"), square);
    line("dq", "matmul %ds, %k {tb=true}", head);
    line("dk", "matmul %ds, %q {ta=true}", head);
    for (const char* name : {"dq", "dk", "dv"}) {
      line(fmt::format("{}1", name), fmt::format("transpose %{} {{perm=[0,2,1,3]}}", name), split);
      line(fmt::format("{}2", name), fmt::format("reshape %{}1", name), part);
    }
    line("dqkv", "concat %dq2, %dk2, %dv2 {axis=2}", all);
    return out + "return output \"o\" %o, output \"dqkv\" %dqkv\n";
  }
};

inline Graph graph_of(const Attention& attention) {
  SourceMap sources;
  DiagEngine diags(sources);
  const std::string text = "graph @attention {\n" + attention.text() + "}\n";
  auto graphs = read_graphs(sources, sources.add("t.gir", text), diags);
  if (!graphs) throw std::runtime_error(diags.render(false));
  return graphs->front();
}

}  // namespace gradus::test
