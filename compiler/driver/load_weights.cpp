// A parameter and a tensor of the file that find no partner and have the same type are shown side by side, the
// nearest name first.
#include "driver/load_weights.h"

#include <algorithm>
#include <cstring>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driver/weights.h"

namespace gradus::driver {

namespace {

using runtime::NamedTensor;
using runtime::TensorView;

bool begins_with_path(const std::string& name, const std::string& path) {
  return name == path || name.starts_with(path + ".");
}

/// Elements of the variable's type, or such as widen to it exactly.
bool holds(const TensorView& tensor, const NamedTensor& variable) {
  return tensor.dtype == variable.dtype || runtime::widens(tensor, variable.dtype);
}

bool alike(const TensorView& tensor, const NamedTensor& variable) {
  return tensor.sizes == variable.sizes && holds(tensor, variable);
}

std::string type_text(const std::string& dtype, const std::vector<int64_t>& sizes) {
  return fmt::format("{}[{}]", dtype, fmt::join(sizes, ","));
}

class Loading {
 public:
  Loading(Session& session, const runtime::SafetensorsFile& file, std::string path, const LoadOptions& options)
      : session_(session), file_(file), path_(std::move(path)), options_(options) {}

  std::vector<std::string> run(const std::vector<NamedTensor>& variables) {
    name_tensors();
    for (const NamedTensor& variable : variables) match(variable);
    // A checkpoint holds more than weights.
    bool weights_alone = file_.metadata().count("gradus.training") == 0;
    for (const auto& [name, tensor] : tensors_) {
      if (weights_alone && !is_variable(name)) left_over_.push_back(tensor);
    }
    bool fits = missing_.empty() && unlike_.empty() && left_over_.empty();
    if (!fits && !options_.partial) refuse();
    for (const auto& [variable, tensor] : pairs_) {
      note_square(*variable, *tensor);
      runtime::copy_tensor(*tensor, variable->dtype, variable->bytes);
    }
    std::vector<std::string> not_loaded;
    for (const NamedTensor* variable : missing_) not_loaded.push_back(variable->path);
    for (const auto& [variable, tensor] : unlike_) not_loaded.push_back(variable->path);
    return not_loaded;
  }

 private:
  /// The file's tensors under the names that --rename gives them.
  void name_tensors() {
    std::vector<bool> used(options_.rename.size());
    std::vector<std::string> names;
    for (const TensorView& tensor : file_.tensors()) {
      names.push_back(tensor.name);
      std::string name = renamed(tensor.name, used);
      if (!tensors_.emplace(name, &tensor).second) {
        fail(fmt::format("{}: --rename gives two tensors the path `{}`", path_, name));
      }
    }
    for (size_t i = 0; i < used.size(); ++i) {
      if (used[i]) continue;
      std::string near = nearest_name(old_of(options_.rename[i]), names);
      fail(fmt::format("--rename {}: {} has no `{}`{}", options_.rename[i], path_, old_of(options_.rename[i]),
                       near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
    }
  }

  static std::string old_of(const std::string& rename) { return rename.substr(0, rename.find('=')); }

  std::string renamed(const std::string& name, std::vector<bool>& used) const {
    for (size_t i = 0; i < options_.rename.size(); ++i) {
      std::string old = old_of(options_.rename[i]);
      if (!begins_with_path(name, old)) continue;
      used[i] = true;
      return options_.rename[i].substr(old.size() + 1) + name.substr(old.size());
    }
    return name;
  }

  /// Of the model, though the function at hand may not read it.
  bool is_variable(const std::string& name) const {
    const std::vector<lang::Variable>& variables = session_.model.variables;
    return std::any_of(variables.begin(), variables.end(), [&](const lang::Variable& v) { return v.path == name; });
  }

  void match(const NamedTensor& variable) {
    auto found = tensors_.find(variable.path);
    if (found == tensors_.end()) {
      missing_.push_back(&variable);
      return;
    }
    const TensorView* tensor = found->second;
    if (alike(*tensor, variable)) pairs_.emplace_back(&variable, tensor);
    else unlike_.emplace_back(&variable, tensor);
  }

  /// The tensor of these sizes and the variable's elements that is left over and whose name is nearest; else
  /// the first of that type.
  static const TensorView* partner(const NamedTensor& variable, const std::vector<int64_t>& sizes,
                                   std::vector<const TensorView*>& open) {
    std::vector<std::string> names;
    for (const TensorView* tensor : open) {
      if (tensor->sizes == sizes && holds(*tensor, variable)) names.push_back(tensor->name);
    }
    if (names.empty()) return nullptr;
    std::string near = nearest_name(variable.path, names);
    if (near.empty()) near = names[0];
    auto chosen = std::find_if(open.begin(), open.end(), [&](const TensorView* t) { return t->name == near; });
    const TensorView* tensor = *chosen;
    open.erase(chosen);
    return tensor;
  }

  static std::vector<int64_t> transposed(const NamedTensor& variable) {
    return {variable.sizes.rbegin(), variable.sizes.rend()};
  }

  /// PyTorch keeps the weights of its Linear as [out, in].
  static std::string transposed_partner(const NamedTensor& variable, std::vector<const TensorView*>& open) {
    const TensorView* tensor = variable.sizes.size() == 2 ? partner(variable, transposed(variable), open) : nullptr;
    if (!tensor) return "nothing of that type is left over";
    return fmt::format("`{}` {} is left over: transposed?", tensor->name, type_text(tensor->dtype, tensor->sizes));
  }

  /// A square one fits both ways, and only its name tells that it may come from there.
  void note_square(const NamedTensor& variable, const TensorView& tensor) {
    bool square = variable.sizes.size() == 2 && variable.sizes[0] == variable.sizes[1];
    if (!square || !tensor.name.ends_with(".weight")) return;
    session_.diags.note({}, fmt::format("`{}` of {} is square and goes to `{}` as it stands; PyTorch keeps weights of "
                                        "Linear as [out, in], here they are [in, out]",
                                        tensor.name, path_, variable.path));
  }

  [[noreturn]] void refuse() {
    std::vector<std::string> lines;
    for (const auto& [variable, tensor] : unlike_) {
      bool turned = tensor->sizes == transposed(*variable) && holds(*tensor, *variable);
      lines.push_back(fmt::format("`{}` is {} in the file, {} in the model{}", variable->path,
                                  type_text(tensor->dtype, tensor->sizes), type_text(variable->dtype, variable->sizes),
                                  turned ? "; transposed?" : ""));
    }
    std::vector<const TensorView*> open = left_over_;
    std::vector<std::pair<const NamedTensor*, const TensorView*>> pairs;
    for (const NamedTensor* variable : missing_) pairs.emplace_back(variable, partner(*variable, variable->sizes, open));
    for (const auto& [variable, tensor] : pairs) {
      lines.push_back(fmt::format("`{}` {} is missing; {}", variable->path, type_text(variable->dtype, variable->sizes),
                                  tensor ? fmt::format("`{0}` of that type is left over: --rename {0}={1}?", tensor->name, variable->path)
                                         : transposed_partner(*variable, open)));
    }
    for (const TensorView* tensor : open) {
      lines.push_back(fmt::format("`{}` {} is left over", tensor->name, type_text(tensor->dtype, tensor->sizes)));
    }
    auto message = session_.diags.error(
        Diag::BadWeights, {},
        fmt::format("{} does not fit the model: {} missing, {} left over, {} of another type", path_, missing_.size(),
                    left_over_.size(), unlike_.size()));
    constexpr size_t kMost = 12;
    for (size_t i = 0; i < lines.size() && i < kMost; ++i) message.note({}, lines[i]);
    if (lines.size() > kMost) message.note({}, fmt::format("and {} more", lines.size() - kMost));
    session_.stop_on_errors();
    throw CommandError(kBadFile, path_);
  }

  [[noreturn]] void fail(const std::string& message) {
    session_.diags.error(Diag::BadWeights, {}, message);
    session_.stop_on_errors();
    throw CommandError(kBadFile, message);
  }

  Session& session_;
  const runtime::SafetensorsFile& file_;
  std::string path_;
  const LoadOptions& options_;
  std::map<std::string, const TensorView*> tensors_;  // by the name in the model
  std::vector<std::pair<const NamedTensor*, const TensorView*>> pairs_, unlike_;
  std::vector<const NamedTensor*> missing_;
  std::vector<const TensorView*> left_over_;
};

/// A parameter's average begins as what was loaded for the parameter.
void load_averages(const lang::Model& model, const pipeline::VariableStore& store) {
  for (const lang::Variable& variable : model.variables) {
    if (variable.average_of.empty() || !store.contains(variable.path)) continue;
    std::span<std::byte> from = store.bytes(variable.average_of);
    std::memcpy(store.bytes(variable.path).data(), from.data(), from.size());
  }
}

}  // namespace

std::vector<std::string> load_weights(Session& session, const runtime::SafetensorsFile& file, const std::string& path,
                                      const pipeline::VariableStore& store, const LoadOptions& options) {
  for (const std::string& rename : options.rename) {
    size_t equals = rename.find('=');
    bool fits = equals != std::string::npos && equals > 0 && equals + 1 < rename.size();
    if (!fits) throw CommandError(kBadFlags, fmt::format("--rename is `{}`, expected OLD=NEW", rename));
  }
  std::vector<NamedTensor> variables = named_tensors(session.model, store);
  std::erase_if(variables, [&](const NamedTensor& variable) {
    return variable.of_optimizer || is_average(session.model, variable.path);
  });
  std::vector<std::string> not_loaded = Loading(session, file, path, options).run(variables);
  session.say_notes();
  load_averages(session.model, store);
  return not_loaded;
}

}  // namespace gradus::driver
