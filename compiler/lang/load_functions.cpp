// The texts become the outputs of a model `x: float[]` that no file holds; a model file could say
// the same. Elaborated in f32 and widened after: a function of the library takes `float`.
#include "lang/load_functions.h"

#include <fmt/format.h>

#include "lang/elaborator.h"
#include "lang/parser.h"

namespace gradus::lang {

namespace {

TypeExpr float_scalar() {
  TypeExpr type;
  type.word = "float";
  type.tensor = true;
  return type;
}

/// Outputs are named by their number, which no text can spell.
std::optional<ModelDecl> model_of(SourceMap& sources, const std::vector<std::string>& texts,
                                  DiagEngine& diags) {
  ModelDecl model;
  model.name = "functions";
  for (size_t i = 0; i < texts.size(); ++i) {
    const std::string name =
        texts.size() == 1 ? "<expression>" : fmt::format("<expression {}>", i + 1);
    auto output = std::make_unique<Statement>();
    output->kind = Statement::Kind::Output;
    output->name = std::to_string(i);
    output->value = parse_expression(sources, sources.add(name, texts[i]), diags);
    if (!output->value) continue;
    output->span = output->name_span = output->value->span;
    if (i == 0) model.span = output->span;
    model.body.push_back(std::move(output));
  }
  if (diags.has_errors()) return std::nullopt;
  Formal x;
  x.name = "x";
  x.span = model.span;
  x.type = float_scalar();
  model.inputs.push_back(std::move(x));
  return model;
}

/// The command line's includes as a file with a line each, for messages.
File includes_of(SourceMap& sources, const std::vector<std::string>& paths, int32_t& id) {
  const std::string_view before = "--include ";
  std::string text;
  File file;
  for (const std::string& path : paths) {
    text += before;
    const auto begin = static_cast<uint32_t>(text.size());
    text += path + "\n";
    file.includes.push_back({path, {0, begin, begin + static_cast<uint32_t>(path.size())}});
  }
  id = sources.add("<command line>", std::move(text));
  for (Include& include : file.includes) include.span.file = id;
  return file;
}

void widen_floats(Graph& graph) {
  for (Node& node : graph.nodes) {
    if (node.type.dtype == DType::F32) node.type.dtype = DType::F64;
  }
}

void check_outputs(const Graph& graph, const ModelDecl& model, DiagEngine& diags) {
  for (size_t i = 0; i < graph.results.size(); ++i) {
    const TensorType& type = graph.type(graph.results[i].value);
    if (is_float(type.dtype) && type.is_scalar()) continue;
    diags.error(Diag::NotScalar, model.body[i]->span,
                fmt::format("found {}, expected one float for each `x`, which is float[]",
                            type_text(type)));
  }
}

void check_variables(const Elaborator& elaborator, const ModelDecl& model, DiagEngine& diags) {
  if (elaborator.variables().empty()) return;
  const VariableRecord& made = elaborator.variables().front();
  diags
      .error(Diag::BadStatement, model.span,
             fmt::format("a function of `x` alone is expected, but `{}` is a {}", made.name,
                         made.is_state ? "state" : "parameter"))
      .note(made.span, "it is made here");
}

}  // namespace

std::optional<Graph> load_functions(SourceMap& sources, const std::vector<std::string>& texts,
                                    const std::vector<std::string>& includes, DiagEngine& diags) {
  std::optional<ModelDecl> model = model_of(sources, texts, diags);
  if (!model) return std::nullopt;
  int32_t id = -1;
  File file = includes_of(sources, includes, id);
  file.models.push_back(std::move(*model));
  const std::optional<Program> program = load_program(sources, id, std::move(file), diags);
  if (!program) return std::nullopt;
  ElaborateOptions options;
  options.numbers_keep_digits = true;
  Elaborator elaborator(*program, options, Mode::Predict, diags);
  elaborator.run();
  if (diags.has_errors()) return std::nullopt;
  check_variables(elaborator, *program->model, diags);
  Model out;
  elaborator.finish(out);
  check_outputs(out.predict, *program->model, diags);
  if (diags.has_errors()) return std::nullopt;
  widen_floats(out.predict);
  return std::move(out.predict);
}

}  // namespace gradus::lang
