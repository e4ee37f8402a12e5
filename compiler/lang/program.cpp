// Reading files and filling the tables of names; clashes are told with both places.
#include "lang/program.h"

#include <fmt/format.h>

#include "lang/parser.h"

namespace gradus::lang {

namespace {

class Loader {
 public:
  Loader(SourceMap& sources, DiagEngine& diags) : sources_(&sources), diags_(&diags) {}

  Program program;

  void library() {
    for (const LibraryFile& text : library_files()) {
      int32_t id = sources_->add(fmt::format("<library>/{}", text.name), std::string(text.text));
      program.library_ids.insert(id);
      const File& file = parsed(id);
      for (const auto& fn : file.functions) program.library[fn->name] = fn.get();
    }
  }

  void main_file(int32_t id) {
    main_file(id, parsed(id));
  }

  void made_file(int32_t id, File tree) {
    functions_alone_ = true;
    program.files.push_back(std::move(tree));
    main_file(id, program.files.back());
  }

 private:
  static constexpr int kMaxIncludes = 50;

  void main_file(int32_t id, const File& file) {
    seen_.insert(sources_->file(id).name);
    declarations(file, id, 0);
    one("model", file.models, program.model);
    one("data", file.data, program.data);
    one("train", file.train, program.train);
    if (file.models.empty() && !diags_->has_errors()) {
      diags_->error(Diag::NoModel, {id, 0, 0},
                    "no `model` in this file; a model file has one, as in `model line(x: "
                    "float[batch, 10]) { .. }`");
    }
  }

  const File& parsed(int32_t id) {
    program.files.push_back(parse(*sources_, id, *diags_));
    return program.files.back();
  }

  template <typename T>
  void one(const char* word, const std::vector<T>& list, const T*& place) {
    if (!list.empty()) place = &list[0];
    if (list.size() < 2) return;
    diags_
        ->error(Diag::Redefined, list[1].span,
                fmt::format("a second `{}` in this file; one is allowed", word))
        .note(list[0].span, "the first is here");
  }

  void declarations(const File& file, int32_t id, int depth) {
    for (const Include& include : file.includes) included(include, id, depth);
    for (const auto& fn : file.functions) {
      declare(fn->name, fn->span);
      program.functions.emplace(fn->name, fn.get());
    }
    for (const Constant& constant : file.constants) {
      declare(constant.name, constant.span);
      if (program.constants.emplace(constant.name, &constant).second)
        program.constant_order.push_back(&constant);
    }
  }

  void declare(const std::string& name, Span span) {
    auto [place, added] = names_.emplace(name, span);
    if (added) return;
    diags_->error(Diag::Redefined, span, fmt::format("`{}` is defined twice", name))
        .note(place->second, "the first is here");
  }

  void included(const Include& include, int32_t id, int depth) {
    const std::string& from = sources_->file(id).name;
    size_t slash = from.rfind('/');
    std::string path = include.path.starts_with('/') || slash == std::string::npos
                           ? include.path
                           : from.substr(0, slash + 1) + include.path;
    if (!seen_.insert(path).second) return;
    if (depth >= kMaxIncludes) {
      diags_->error(Diag::NestedTooDeep, include.span,
                    fmt::format("includes nest deeper than {}", kMaxIncludes));
      return;
    }
    FileText read = read_file(path);
    if (!read.text) {
      diags_->error(Diag::UnreadableFile, include.span,
                    fmt::format("cannot read \"{}\": {}", path, read.problem));
      return;
    }
    int32_t included_id = sources_->add(path, std::move(*read.text));
    const File& file = parsed(included_id);
    declarations(file, included_id, depth + 1);
    Span other = !file.models.empty()  ? file.models[0].span
                 : !file.data.empty()  ? file.data[0].span
                 : !file.train.empty() ? file.train[0].span
                                       : Span();
    if (other.valid() && !functions_alone_) {
      diags_
          ->error(Diag::BadStatement, other,
                  "an included file brings functions and constants only; found another block")
          .note(include.span, "included here");
    }
  }

  SourceMap* sources_;
  DiagEngine* diags_;
  bool functions_alone_ = false;  // of files that are included: their models are not read
  std::set<std::string> seen_;
  std::map<std::string, Span> names_;
};

}  // namespace

std::optional<Program> load_program(SourceMap& sources, int32_t file, DiagEngine& diags) {
  Loader loader(sources, diags);
  loader.library();
  loader.main_file(file);
  if (diags.has_errors()) return std::nullopt;
  return std::move(loader.program);
}

std::optional<Program> load_program(SourceMap& sources, int32_t file, File tree,
                                    DiagEngine& diags) {
  Loader loader(sources, diags);
  loader.library();
  loader.made_file(file, std::move(tree));
  if (diags.has_errors()) return std::nullopt;
  return std::move(loader.program);
}

}  // namespace gradus::lang
