// gradus ops [NAME]: the operator table, from its rows.
#include <fmt/format.h>

#include "driver/commands.h"
#include "driver/json_text.h"
#include "graph/op.h"
#include "runtime/print.h"
#include "support/diag.h"

namespace gradus::driver {

namespace {

std::string_view class_name(OpClass cls) {
  switch (cls) {
    case OpClass::Leaf: return "leaf";
    case OpClass::Pointwise: return "pointwise";
    case OpClass::Reduce: return "reduce";
    case OpClass::Contract: return "contract";
    case OpClass::Layout: return "layout";
    case OpClass::Indexed: return "indexed";
    case OpClass::Derivative: return "derivative";
  }
  return "";
}

std::string_view derivative_text(const OpDef& def) {
  switch (def.differentiable) {
    case Differentiable::Yes: return "yes";
    case Differentiable::No: return "no: using it on the way to the loss is an error";
    case Differentiable::Stops: return "ends the path";
  }
  return "";
}

std::string attrs_text(const OpDef& def) {
  std::string text;
  for (const AttrSpec& attr : def.attrs) {
    text += fmt::format("{}{}{}", text.empty() ? "" : ", ", attr_text(attr.name),
                        attr.default_value ? " (optional)" : "");
  }
  return text;
}

void print_row(const OpDef& def) {
  print_out("{}\n  class       {}\n  operands    {}\n", def.name, class_name(def.cls),
             def.arity < 0 ? std::string("any number") : std::to_string(def.arity));
  if (!def.attrs.empty()) print_out("  attributes  {}\n", attrs_text(def));
  print_out("  derivative  {}\n  {}\n", derivative_text(def), def.doc);
}

}  // namespace

int run_ops(const Options& options) {
  if (!options.input.empty()) {
    std::optional<OpKind> kind = op_from_name(options.input);
    if (!kind) {
      std::vector<std::string> names;
      for (const OpDef* def : all_ops()) names.emplace_back(def->name);
      std::string near = nearest_name(options.input, names);
      throw CommandError(kBadFlags, fmt::format("no operator `{}`{}", options.input,
                                                near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
    }
    print_row(op_def(*kind));
    return kDone;
  }
  nlohmann::json list = nlohmann::json::array();
  for (const OpDef* def : all_ops()) {
    if (options.json) {
      list.push_back({{"name", def->name}, {"class", class_name(def->cls)}, {"arity", def->arity}, {"doc", def->doc}});
    } else {
      print_out("{:16} {:10} {}\n", def->name, class_name(def->cls), def->doc);
    }
  }
  if (options.json) print_out("{}\n", json_text(list, 2));
  return kDone;
}

}  // namespace gradus::driver
