// gradus functions [NAME]: what a model can call, from the rows and the text that elaboration uses.
#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "lang/functions.h"
#include "runtime/print.h"

namespace gradus::driver {

namespace {

using lang::FunctionEntry;

void print_list(const std::vector<FunctionEntry>& entries) {
  std::string group;
  for (const FunctionEntry& entry : entries) {
    if (entry.group != group) print_out("{}{}\n", group.empty() ? "" : "\n", entry.group);
    group = entry.group;
    print_out("  {}\n      {}\n", entry.signature, lang::first_sentence(entry.doc));
  }
}

void print_json(const std::vector<FunctionEntry>& entries) {
  nlohmann::json list = nlohmann::json::array();
  for (const FunctionEntry& entry : entries) {
    list.push_back({{"name", entry.name}, {"group", entry.group}, {"signature", entry.signature}, {"doc", entry.doc},
                    {"library", !entry.text.empty()}});
  }
  print_out("{}\n", json_text(list, 2));
}

void print_whole(const FunctionEntry& entry) {
  print_out("{}\n", entry.group);
  if (entry.text.empty()) print_out("{}\n    {}\n", entry.signature, entry.doc);
  else print_out("{}\n", entry.text);
}

}  // namespace

int run_functions(const Options& options) {
  std::vector<FunctionEntry> entries = lang::function_entries();
  if (!options.input.empty()) {
    std::vector<std::string> names;
    for (const FunctionEntry& entry : entries) names.push_back(entry.name);
    std::erase_if(entries, [&](const FunctionEntry& entry) { return entry.name != options.input; });
    if (entries.empty()) {
      throw CommandError(kBadFlags, fmt::format("no function `{}`{}", options.input,
                                                lang::function_hint(options.input, names)));
    }
  }
  if (options.json) print_json(entries);
  else if (options.input.empty()) print_list(entries);
  else for (const FunctionEntry& entry : entries) print_whole(entry);
  return kDone;
}

}  // namespace gradus::driver
