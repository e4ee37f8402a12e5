// gradus functions [NAME]: what a model can call, from the rows and the text that elaboration uses.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "driver/commands.h"
#include "lang/functions.h"

namespace gradus::driver {

namespace {

using lang::FunctionEntry;

void print_list(const std::vector<FunctionEntry>& entries) {
  std::string group;
  for (const FunctionEntry& entry : entries) {
    if (entry.group != group) fmt::print("{}{}\n", group.empty() ? "" : "\n", entry.group);
    group = entry.group;
    fmt::print("  {}\n      {}\n", entry.signature, lang::first_sentence(entry.doc));
  }
}

void print_json(const std::vector<FunctionEntry>& entries) {
  nlohmann::json list = nlohmann::json::array();
  for (const FunctionEntry& entry : entries) {
    list.push_back({{"name", entry.name}, {"group", entry.group}, {"signature", entry.signature}, {"doc", entry.doc},
                    {"library", !entry.text.empty()}});
  }
  fmt::print("{}\n", list.dump(2));
}

void print_whole(const FunctionEntry& entry) {
  fmt::print("{}\n", entry.group);
  if (entry.text.empty()) fmt::print("{}\n    {}\n", entry.signature, entry.doc);
  else fmt::print("{}\n", entry.text);
}

}  // namespace

int run_functions(const Options& options) {
  std::vector<FunctionEntry> entries = lang::function_entries();
  if (!options.input.empty()) {
    std::vector<std::string> names;
    for (const FunctionEntry& entry : entries) names.push_back(entry.name);
    std::erase_if(entries, [&](const FunctionEntry& entry) { return entry.name != options.input; });
    if (entries.empty()) {
      std::string meant = lang::meant_function(options.input, names);
      throw CommandError(kBadFlags, fmt::format("no function `{}`{}", options.input,
                                                meant.empty() ? "" : fmt::format("; did you mean `{}`?", meant)));
    }
  }
  if (options.json) print_json(entries);
  else if (options.input.empty()) print_list(entries);
  else for (const FunctionEntry& entry : entries) print_whole(entry);
  return kDone;
}

}  // namespace gradus::driver
