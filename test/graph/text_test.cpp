// Graph text: print, read, print is the same text for every row; errors name the line and column.
#include "graph/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

#include "graph/builder.h"
#include "ops/samples.h"

namespace gradus {
namespace {

/// What reading says: the printed graphs, or "line:column message".
std::string read(const std::string& text) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add("test.gir", text);
  std::optional<std::vector<Graph>> graphs = read_graphs(sources, file, diags);
  if (graphs) {
    std::string out;
    for (const Graph& graph : *graphs) out += print_graph(graph);
    return out;
  }
  const Diagnostic& first = diags.all().at(0);
  EXPECT_EQ(diags.count(), 1u);
  EXPECT_FALSE(diags.render(false).empty());
  LineColumn at = sources.position(file, first.span.begin);
  return std::to_string(at.line) + ":" + std::to_string(at.column) + " " + first.message;
}

std::string read_line(const std::string& line) {
  return read("graph @f {\n  %x = input \"x\" : f32[batch,4]\n" + line + "\n  return %0\n}\n");
}

void expect_round_trip(const Graph& graph) {
  std::string text = print_graph(graph);
  EXPECT_EQ(read(text), text);
}

const char* const kEverything = R"(graph @every.thing {
  %x = input "x" : f32[batch,4]
  %fc.w = param "fc.w" : f32[4,3]
  %m = state "m" : f32[4,3]
  %0 = constant {value=0.5} : f32[4]
  %1 = constant {values=[1.0,-0.0,nan,-inf]} : f32[4]
  %2 = constant {value=-3} : i64[]
  %3 = constant {values=[1,0]} : bool[2]
  %4 = constant {value=0.1} : f64[]
  %5 = iota {axis=1} : i32[batch,4]
  %6 = batch_size : f32[]
  %7 = step_number : f64[]
  %8 = step_count : f64[]
  %9 = epoch_number : f64[]
  %10 = random_bits {stream=3} : i32[batch,4]
  %11 = seed : f32[2]
  %12 = mul %x, 0.5 : f32[batch,4]
  %13 = add %5, -2 : i32[batch,4]
  %14 = matmul %12, %fc.w : f32[batch,3]
  %15 = matmul %x, %14 {ta=true} : f32[4,3]
  %16 = sum %14 {dims=[0,1], order=chain, chunk=128} : f32[]
  %17 = max %14 {dims=[1], keep=true} : f32[batch,1]
  %18 = partial_sum %14 {dims=[0], chunk=64} : f32[2,3]
  %19 = transpose %14 {perm=[1,0]} : f32[3,batch]
  %20 = slice %x {start=[0,3], step=[1,-2]} : f32[batch,2]
  %21 = pad %x {low=[0,1], high=[0,2]} : f32[batch,7]
  %22 = concat %x, %20 {axis=1} : f32[batch,6]
  %23 = cumulative_sum %x {axis=1, exclusive=true} : f32[batch,4]
  %24 = fma %x, inf, -0.0 : f32[batch,4]
  %25 = gradient %16, %fc.w, 1.0 : f32[4,3]
  %26 = neg %14 {of=%14} : f32[batch,3]
  %27 = sub %m, %15 {of=%15} : f32[4,3]
  return loss %16, output "a \"b\"" %22, update "fc.w" %25, update "m" %27, accumulate_sum "s" %16, accumulate_max "s" 1e+20, accumulate_min "s" nan, %3
}
)";

TEST(Text, reads_back_to_the_same_bytes) { EXPECT_EQ(read(kEverything), kEverything); }

TEST(Text, every_row_reads_back) {
  std::set<OpKind> seen;
  for (const OpDef* row : all_ops()) {
    for (DType real : {DType::F32, DType::F64}) {
      for (const test::OpSample& sample : test::samples_of(row->kind, real)) {
        SCOPED_TRACE(std::string(row->name) + " " + sample.what);
        expect_round_trip(test::sample_graph(sample));
        seen.insert(row->kind);
      }
    }
    bool sampled = row->cls != OpClass::Leaf && row->cls != OpClass::Derivative;
    EXPECT_TRUE(!sampled || seen.count(row->kind) == 1) << row->name;
  }
}

TEST(Text, numbers_are_dense_and_order_and_comments_do_not_matter) {
  EXPECT_EQ(
      read("// a\ngraph @f{%b=input\"b\":f32[]%7=neg %b:f32[] // c\n%3=neg %7:f32[]return %3}"),
      "graph @f {\n  %b = input \"b\" : f32[]\n  %0 = neg %b : f32[]\n  %1 = neg %0 : f32[]\n"
      "  return %1\n}\n");
}

TEST(Text, several_graphs) {
  std::string one = "graph @a {\n  return 1.0\n}\n", two = "graph @b {\n  return 2\n}\n";
  EXPECT_EQ(read(one + two), one + two);
}

TEST(Text, names_are_cleaned_and_unique_but_quotes_keep_them) {
  Graph graph;
  graph.name = "my model";
  GraphBuilder g(graph);
  TensorType scalar{DType::F32, {}};
  for (const char* name : {"a b", "a_b", "a\nb", "7", "", "\"\\", "ä"}) {
    g.make(OpKind::Input, {}, {{AttrName::Name, std::string(name)}}, &scalar);
  }
  graph.results.push_back({ResultKind::Output, "x\n\"\\y", NodeId(6)});
  IdVector<NodeId, std::string> names = value_names(graph);
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 7u);
  EXPECT_EQ(names[NodeId(3)], "%_7");
  expect_round_trip(graph);
  SourceMap sources;
  DiagEngine diags(sources);
  auto again = read_graphs(sources, sources.add("t", print_graph(graph)), diags);
  ASSERT_TRUE(again);
  for (size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(leaf_name((*again)[0][NodeId(i)]), leaf_name(graph[NodeId(i)]));
  }
  EXPECT_EQ((*again)[0].results[0].name, "x\n\"\\y");
}

TEST(Text, a_primal_that_prints_in_place_is_left_out) {
  Graph graph;
  graph.name = "f";
  GraphBuilder g(graph);
  NodeId one = g.constant({DType::F32, {}}, 1);
  g.set_of(one);
  graph.results.push_back({ResultKind::Value, "", g.neg(one)});
  expect_round_trip(graph);
}

TEST(Text, floats_are_the_shortest_that_read_back) {
  EXPECT_EQ(float_text(0.1F, DType::F32), "0.1");
  EXPECT_EQ(float_text(0.1F, DType::F64), "0.10000000149011612");
  EXPECT_EQ(float_text(1, DType::F32), "1.0");
  EXPECT_EQ(float_text(-0.0, DType::F32), "-0.0");
  EXPECT_EQ(float_text(1e20F, DType::F32), "1e+20");
  EXPECT_EQ(float_text(-INFINITY, DType::F32), "-inf");
  EXPECT_EQ(float_text(NAN, DType::F64), "nan");
  EXPECT_EQ(float_text(std::numeric_limits<float>::denorm_min(), DType::F32), "1e-45");
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    auto bits = static_cast<uint32_t>(random());
    float value;
    std::memcpy(&value, &bits, 4);
    if (std::isnan(value)) continue;
    double read_back = std::stod(float_text(value, DType::F32));
    ASSERT_EQ(static_cast<float>(read_back), value) << float_text(value, DType::F32);
  }
}

TEST(ReadError, says_where_and_what) {
  EXPECT_EQ(read(""), "1:1 expected `graph @name {`");
  EXPECT_EQ(read("grap @f {"), "1:1 expected `graph`");
  EXPECT_EQ(read("graph @f {\n  %x = input x : f32[]\n"), "2:14 expected a name in quotes");
  EXPECT_EQ(read_line("  %0 = tanhh %x : f32[batch,4]"),
            "3:8 no operator `tanhh`; did you mean `tanh`?");
  EXPECT_EQ(read_line("  %0 = neg %y : f32[batch,4]"), "3:12 `%y` is not defined before this line");
  EXPECT_EQ(read_line("  %x = neg %x : f32[batch,4]"), "3:3 `%x` is defined twice");
  EXPECT_EQ(read_line("  %0 = neg %x : f32[batch,5]"),
            "3:17 the type is written f32[batch,5], but it is f32[batch,4]");
  EXPECT_EQ(read_line("  %0 = neg %x : f32[batch,0]"),
            "3:17 `f32[batch,0]` is no type; expected one such as f32[batch,10]");
  EXPECT_EQ(read_line("  %0 = sum %x : f32[batch]"), "3:8 `sum` needs the attribute `dims`");
  EXPECT_EQ(read_line("  %0 = neg %x {dims=[1]} : f32[batch,4]"),
            "3:16 `neg` has no attribute `dims`");
  EXPECT_EQ(read_line("  %0 = sum %x {dims=[1], dims=[1]} : f32[batch]"),
            "3:26 attribute `dims` stands twice");
  EXPECT_EQ(read_line("  %0 = sum %x {dims=[1.5]} : f32[batch]"), "3:22 expected a whole number");
  EXPECT_EQ(read_line("  %0 = sum %x {dims=[99999999999999999999]} : f32[batch]"),
            "3:22 expected a whole number");
  EXPECT_EQ(read_line("  %0 = sum %x {dims=[1], keep=yes} : f32[batch]"),
            "3:31 expected true or false");
  EXPECT_EQ(read_line("  %0 = add %x, 3000000000 : f32[batch,4]"),
            "3:16 a number without point is i32");
  EXPECT_EQ(read_line("  %0 = add %x, 1e999 : f32[batch,4]"),
            "3:16 `1e999` is beyond f64; infinity is `inf`");
  EXPECT_EQ(read_line("  %0 = neg %x %x : f32[batch,4]"), "3:15 expected `:`");
  EXPECT_EQ(read_line("  %0 = add %x : f32[batch,4]"), "3:3 `add` takes 2 operands, found 1");
  EXPECT_EQ(read_line("  %0 = constant {values=[]} : f32[]"),
            "3:3 a constant of type f32[] has 0 values");
  EXPECT_EQ(read("graph @f {\n  return nothing %0\n}"), "2:10 `nothing` is no kind of result");
  EXPECT_EQ(read("graph @f {\n  return output \"a\n\" %0\n}"), "2:17 the quotes are not closed");
  EXPECT_EQ(read("graph @f {\n  return 1.0\n"), "3:1 expected `}`");
}

TEST(ReadError, shapes_that_do_not_fit_are_shape_mismatches) {
  SourceMap sources;
  DiagEngine diags(sources);
  int32_t file = sources.add(
      "t", "graph @f { %a = param \"a\" : f32[2,3] %0 = matmul %a, %a : f32[2,3] return %0 }");
  EXPECT_FALSE(read_graphs(sources, file, diags));
  EXPECT_EQ(diags.all()[0].kind, Diag::GraphType);
  EXPECT_EQ(diags.all()[0].message, "inner dimensions of `matmul` differ: 3 and 2");
}

/// Damaged text either reads or gives one message; what reads prints to text that reads back, and
/// holds what the verifier asks but for names.
TEST(ReadError, damaged_text_never_crashes) {
  std::mt19937 random(20);
  std::string alphabet = "%{}[]=:,\"@/ \n0919-.enx*\\batchf32";
  alphabet += '\0';
  for (int round = 0; round < 4000; ++round) {
    std::string text = kEverything;
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      size_t at = random() % text.size();
      if (random() % 3 == 0)
        text.erase(at, random() % 8);
      else if (random() % 2 == 0)
        text[at] = alphabet[random() % alphabet.size()];
      else
        text.insert(at, 1, alphabet[random() % alphabet.size()]);
    }
    std::string once = read(text);
    if (once.rfind("graph", 0) == 0) {
      ASSERT_EQ(read(once), once) << text;
    }
  }
  for (size_t cut = 0; cut < std::string(kEverything).size(); ++cut) {
    read(std::string(kEverything).substr(0, cut));
  }
}

}  // namespace
}  // namespace gradus
