// Written as text; compiled by C and C++ compilers with all warnings in the tests.
//
// The header repeats the layout of gradus_frame, so that a user needs no file of ours; a guard lets
// it stand beside gradus/runtime.h. The struct of variables has an array for each, padded to 64
// bytes: vector loads may run over an array's end by less than that.
#include "codegen/c_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "support/check.h"

namespace gradus::codegen {

namespace {

/// Words that C or C++ keeps for itself, and names the inline functions use.
bool is_reserved(const std::string& word) {
  static const std::set<std::string> words = {
      "auto",   "break",    "case",   "char",      "class",   "const",     "continue", "default",
      "delete", "do",       "double", "else",      "enum",    "extern",    "float",    "for",
      "goto",   "if",       "inline", "int",       "long",    "namespace", "new",      "private",
      "public", "register", "return", "short",     "signed",  "sizeof",    "static",   "struct",
      "switch", "template", "this",   "typedef",   "union",   "unsigned",  "using",    "virtual",
      "void",   "volatile", "while",  "bool",      "true",    "false",     "try",      "catch",
      "throw",  "operator", "friend", "protected", "mutable", "variables", "arena",    "rows",
      "step",   "steps",    "epoch",  "seed",      "frame",   "blocks",    "not",      "and",
      "or"};
  return words.count(word) > 0;
}

std::string c_name(const std::string& text) {
  std::string name;
  for (char c : text) name += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])) != 0) name = "_" + name;
  return is_reserved(name) ? name + "_" : name;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string_view c_type(DType dtype) {
  return visit_dtype(dtype, [](auto type) -> std::string_view {
    using Element = typename decltype(type)::type;
    if constexpr (std::is_same_v<Element, float>) return "float";
    if constexpr (std::is_same_v<Element, double>) return "double";
    if constexpr (std::is_same_v<Element, uint8_t>) return "uint8_t";
    return sizeof(Element) == 4 ? "int32_t" : "int64_t";
  });
}

constexpr std::string_view kFrame = R"(#ifndef GRADUS_RUNTIME_H
#define GRADUS_RUNTIME_H
typedef void (*gradus_body)(const void* args, int64_t begin, int64_t end, int32_t worker);
typedef void (*gradus_parallel_for)(void* pool, gradus_body body, const void* args, int64_t items);
typedef void (*gradus_trace)(void* context, int32_t launch, int32_t end);
typedef struct gradus_frame {
  void* const* blocks;
  int64_t rows, step, steps, epoch, seed;
  int32_t workers;
  void* pool;
  gradus_parallel_for parallel_for;
  gradus_trace trace;
  void* trace_context;
} gradus_frame;
enum { GRADUS_OK = 0, GRADUS_BAD_ROWS = 1, GRADUS_BAD_INDEX = 2, GRADUS_BAD_COMPUTED_INDEX = 16 };
#endif
)";

class HeaderPrinter {
 public:
  explicit HeaderPrinter(const HeaderSpec& spec) : spec_(spec), model_(c_name(spec.model)) {
    for (const HeaderVariable& variable : spec.variables) {
      std::string name = c_name(variable.path);
      while (!taken_.insert(name).second) name += "_";
      field_[variable.path] = name;
    }
  }

  std::string print() {
    out_ += fmt::format(
        "/* The model `{}` compiled by gradus for {}. Everything works in memory that the caller "
        "gives;\n"
        " * nothing is allocated, nothing is printed. Functions return GRADUS_OK, or "
        "GRADUS_BAD_ROWS (rows\n"
        " * outside [1, {}_BATCH]) or GRADUS_BAD_INDEX (an index outside its axis; nothing was "
        "computed). */\n",
        spec_.model, spec_.cpu, upper(model_));
    out_ +=
        fmt::format("#ifndef GRADUS_MODEL_{0}_H\n#define GRADUS_MODEL_{0}_H\n\n", upper(model_));
    out_ +=
        "#include <stddef.h>\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" "
        "{\n#endif\n\n";
    out_ += kFrame;
    print_sizes();
    print_indices();
    print_variables();
    for (const HeaderStep& step : spec_.steps) print_step(step);
    out_ += "#ifdef __cplusplus\n}\n#endif\n#endif\n";
    return std::move(out_);
  }

 private:
  void print_sizes() {
    int64_t arena = 0, batch = 1;
    for (const HeaderStep& step : spec_.steps) {
      const plan::Plan& plan = *step.unit->plan;
      arena = std::max(arena, plan.arena_bytes + plan.worker_bytes);
      batch = std::max(batch, step.unit->program->capacity);
    }
    out_ += fmt::format(
        "\n/* The most rows of one step, and the bytes of scratch that every function needs: any "
        "contents,\n"
        " * aligned to 64 bytes, free again when the function returns. */\n"
        "#define {0}_BATCH {1}\n#define {0}_ARENA_BYTES {2}\n\n",
        upper(model_), batch, std::max<int64_t>(arena, 64));
  }

  void print_indices() {
    if (spec_.indices.empty()) return;
    out_ +=
        "/* What a function returns where an index that the model computes is outside of its axis. It "
        "was done to\n"
        " * its end, but nothing that it wrote is worth anything: go back to variables of before. */\n";
    for (size_t i = 0; i < spec_.indices.size(); ++i) {
      out_ += fmt::format("#define {}_BAD_INDEX_{} {} /* {}: expected 0 to {} */\n", upper(model_), i,
                          GRADUS_BAD_COMPUTED_INDEX + static_cast<int64_t>(i), spec_.indices[i].place,
                          spec_.indices[i].limit - 1);
    }
    out_ += "\n";
  }

  void print_variables() {
    out_ += fmt::format(
        "/* Parameters and states. Align the struct to 64 bytes; fill it with {0}_init, or copy "
        "weights\n"
        " * into its arrays (row-major, as in the .safetensors file). */\ntypedef struct "
        "{0}_variables {{\n",
        model_);
    int pad = 0;
    for (const HeaderVariable& variable : spec_.variables) {
      int64_t count = element_count(variable.type.shape, 1);
      int64_t bytes = count * dtype_size(variable.type.dtype);
      out_ += fmt::format("  {} {}[{}]; /* {} : {} */\n", c_type(variable.type.dtype),
                          field_[variable.path], count, variable.path, to_string(variable.type));
      int64_t rest = (64 - bytes % 64) % 64;
      if (rest > 0) out_ += fmt::format("  uint8_t pad_{}[{}];\n", pad++, rest);
    }
    if (spec_.variables.empty()) out_ += "  uint8_t none[64];\n";
    out_ += fmt::format("}} {}_variables;\n\n", model_);
  }

  void print_step(const HeaderStep& step) {
    const plan::Program& program = *step.unit->program;
    bool init = step.name == "init", training = step.name == "train_step";
    bool writes = init || training;
    out_ += fmt::format("/* {} */\nint32_t {}(const gradus_frame* frame);\n", step.summary,
                        step.unit->symbol);
    for (const plan::Buffer& buffer : program.buffers) {
      if (buffer.kind != plan::BufferKind::Constant) continue;
      out_ += fmt::format("extern const {} {}_constant_{}[];\n", c_type(buffer.type.dtype),
                          step.unit->symbol, buffer.block);
    }
    out_ += fmt::format("static inline int32_t {}_{}({}{}_variables* variables", model_, step.name,
                        writes ? "" : "const ", model_);
    print_arguments(program, plan::BufferKind::Input);
    if (!init) out_ += ", int64_t rows";
    if (training) out_ += ", int64_t step, int64_t steps, int64_t epoch";
    if (writes) out_ += ", int64_t seed";
    print_arguments(program, plan::BufferKind::Output);
    out_ += ", void* arena) {\n";
    print_body(step, program, init, training, writes);
  }

  void print_arguments(const plan::Program& program, plan::BufferKind kind) {
    for (const plan::Buffer& buffer : program.buffers) {
      if (buffer.kind != kind) continue;
      out_ += fmt::format(", {}{}* {} /* {} */", kind == plan::BufferKind::Input ? "const " : "",
                          c_type(buffer.type.dtype), c_name(buffer.name), to_string(buffer.type));
    }
  }

  std::string block_text(const HeaderStep& step, const plan::Buffer& buffer) {
    switch (buffer.kind) {
      case plan::BufferKind::Param:
      case plan::BufferKind::State:
        return fmt::format("(void*)(uintptr_t)variables->{}", field_.at(buffer.name));
      case plan::BufferKind::Input:
      case plan::BufferKind::Output:
        return fmt::format("(void*)(uintptr_t){}", c_name(buffer.name));
      case plan::BufferKind::Constant:
        return fmt::format("(void*)(uintptr_t){}_constant_{}", step.unit->symbol, buffer.block);
      case plan::BufferKind::Arena:
        break;
    }
    return "arena";
  }

  void print_body(const HeaderStep& step, const plan::Program& program, bool init, bool training,
                  bool writes) {
    std::vector<std::string> blocks(static_cast<size_t>(std::max<int64_t>(program.block_count, 1)),
                                    "arena");
    for (const plan::Buffer& buffer : program.buffers) {
      if (buffer.kind != plan::BufferKind::Arena) {
        blocks[static_cast<size_t>(buffer.block)] = block_text(step, buffer);
      }
    }
    if (program.worker_block >= 0) {
      blocks[static_cast<size_t>(program.worker_block)] =
          fmt::format("(void*)((char*)arena + {})", step.unit->plan->arena_bytes);
    }
    out_ += fmt::format("  void* blocks[{}];\n  gradus_frame frame;\n", blocks.size());
    for (size_t i = 0; i < blocks.size(); ++i)
      out_ += fmt::format("  blocks[{}] = {};\n", i, blocks[i]);
    out_ += fmt::format(
        "  frame.blocks = blocks;\n  frame.rows = {};\n  frame.step = {};\n  frame.steps = {};\n"
        "  frame.epoch = {};\n  frame.seed = {};\n  frame.workers = 1;\n  frame.pool = 0;\n"
        "  frame.parallel_for = 0;\n  frame.trace = 0;\n  frame.trace_context = 0;\n  return "
        "{}(&frame);\n}}\n\n",
        init ? "1" : "rows", training ? "step" : "0", training ? "steps" : "1",
        training ? "epoch" : "1", writes ? "seed" : "0", step.unit->symbol);
  }

  const HeaderSpec& spec_;
  std::string model_;
  std::set<std::string> taken_;
  std::map<std::string, std::string> field_;
  std::string out_;
};

}  // namespace

std::string print_c_header(const HeaderSpec& spec) { return HeaderPrinter(spec).print(); }

}  // namespace gradus::codegen
