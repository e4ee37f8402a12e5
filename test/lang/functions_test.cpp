// The list of functions: it holds all that can be called, each with words; written defaults are those
// that hold; names from elsewhere lead to names that exist.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "graph/op.h"
#include "lang/builtins.h"
#include "lang/functions.h"
#include "lang/load.h"
#include "lang/parser.h"

namespace gradus::lang {
namespace {

std::set<std::string> entry_names() {
  std::set<std::string> names;
  for (const FunctionEntry& entry : function_entries()) names.insert(entry.name);
  return names;
}

TEST(Functions, EachIsDescribedInOneLine) {
  for (const FunctionEntry& entry : function_entries()) {
    EXPECT_FALSE(entry.group.empty()) << entry.name;
    EXPECT_GT(entry.doc.size(), 8u) << entry.name << " has no comment";
    EXPECT_LE(first_sentence(entry.doc).size(), 150u) << entry.name;
    EXPECT_TRUE(entry.signature.starts_with(entry.name + "(")) << entry.signature;
    EXPECT_EQ(entry.signature.find('\n'), std::string::npos) << entry.signature;
  }
}

TEST(Functions, OfTheLibraryAreThoseThatTheParserFinds) {
  std::map<std::string, std::string> signatures;
  for (const FunctionEntry& entry : function_entries()) {
    if (!entry.text.empty()) signatures[entry.name] = entry.signature;
  }
  SourceMap sources;
  DiagEngine diags(sources);
  size_t count = 0;
  for (const LibraryFile& text : library_files()) {
    File file = parse(sources, sources.add(std::string(text.name), std::string(text.text)), diags);
    count += file.functions.size();
    for (const auto& fn : file.functions) {
      for (const Formal& formal : fn->formals)
        EXPECT_NE(signatures[fn->name].find(formal.name + ": "), std::string::npos) << fn->name;
    }
  }
  EXPECT_GT(count, 50u);
  EXPECT_EQ(count, signatures.size());
}

TEST(Functions, BuiltInAreAllListed) {
  std::set<std::string> names = entry_names();
  for (const std::string& name : builtin_names()) EXPECT_TRUE(names.count(name)) << name;
  for (const char* name : {"grad", "random_normal", "cosine", "csv", "idx", "category", "freeze"})
    EXPECT_TRUE(names.count(name)) << name;
}

TEST(Functions, ALongSignatureStandsOnOneLine) {
  for (const FunctionEntry& entry : function_entries()) {
    if (entry.name != "adagrad" && entry.name != "sgd") continue;
    EXPECT_TRUE(entry.signature.starts_with(entry.name + "(w: float[...], g: float[...], rate: "));
    EXPECT_TRUE(entry.signature.ends_with(") -> float[...]")) << entry.signature;
    EXPECT_EQ(entry.signature.find(", )"), std::string::npos) << entry.signature;
  }
}

bool is_literal(const std::string& text) {
  return text == "true" || text == "false" || text.find_first_not_of("-.0123456789") == text.npos;
}

std::string graph_of(const std::string& call) {
  Loaded loaded = load_text("model m(x: float[batch, 4, 4], v: float[4], k: int[batch, 4]) {\noutput y = " +
                            call + "\n}\n");
  EXPECT_TRUE(loaded.model) << call << "\n" << loaded.messages;
  return loaded.model ? print_graph(loaded.model->predict) : "";
}

/// Each call without its defaults; an empty one: the defaults are no single values of this model.
TEST(Functions, WrittenDefaultsAreThoseThatHold) {
  const std::map<std::string, std::string> calls = {
      {"sum", "sum(v"},          {"mean", "mean(v"},         {"max", "max(v"},
      {"variance", "variance(v"},
      {"min", "min(v"},          {"argmax", "argmax(v"},     {"transpose", "transpose(x"},
      {"concat", "concat([v, v]"}, {"stack", "stack([v, v]"}, {"take_along", "take_along(x, k"},
      {"split", "split(v, 1"},   {"pad", "pad(x, 1, 2"},     {"cumsum", "cumsum(x"},
      {"random_uniform", ""}};
  for (auto rows : {math_builtins(), shape_builtins()}) {
    for (const Builtin& row : rows) {
      std::string defaults;
      for (const BuiltinFormal& formal : formals_of(row)) {
        if (!formal.default_value.empty() && is_literal(formal.default_value))
          defaults += ", " + formal.name + ": " + formal.default_value;
      }
      if (defaults.empty()) continue;
      auto call = calls.find(std::string(row.name));
      ASSERT_NE(call, calls.end()) << row.name << " has a default and no call here";
      if (call->second.empty()) continue;
      EXPECT_EQ(graph_of(call->second + ")"), graph_of(call->second + defaults + ")")) << row.name;
    }
  }
}

TEST(Functions, OperatorsOfGraphsHaveAWordInTheLanguage) {
  const std::set<std::string_view> inner = {
      "input",      "param",       "state",     "constant", "batch_size", "step_number",
      "step_count", "epoch_number", "seed",     "fma",      "partial_sum", "scatter_add",
      "put_along",  "custom_vjp"};
  std::set<std::string> names = entry_names();
  for (const OpDef* def : all_ops()) {
    std::string name(def->name);
    EXPECT_TRUE(names.count(name) || inner.count(name) || !our_word_for(name).empty()) << name;
  }
}

TEST(Functions, WordsFromElsewhereLeadToFunctions) {
  EXPECT_EQ(our_word_for("cumulative_sum"), "cumsum");
  EXPECT_EQ(our_word_for("cumsum"), "");
  std::set<std::string> names = entry_names();
  for (const auto& [foreign, ours] : foreign_words()) {
    EXPECT_FALSE(names.count(std::string(foreign))) << foreign << " is a function here";
    bool name = ours.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == ours.npos;
    EXPECT_TRUE(!name || names.count(std::string(ours))) << foreign << " leads to " << ours;
  }
}

TEST(Functions, WhatIsWrittenInsteadIsNoFunctionHereAndElaborates) {
  std::set<std::string> names = entry_names();
  for (const auto& [foreign, instead] : words_instead())
    EXPECT_FALSE(names.count(std::string(foreign))) << foreign << " is a function here";
  const char* bodies[] = {
      "param w: float[9, 8] = zeros()\noutput y = concat([s[:, 0:62], s[:, 1:63], s[:, 2:64]], axis: -1) @ w",
      "output y = max(reshape(p, [batch, 14, 2, 14, 2]), axis: [2, 4])",
      ("layer cell = dense(units: 32)\nlet h = fill(0, [batch, 32])\n"
       "repeat 16 as t { h = tanh(cell(concat([s[:, t], h], axis: 1))) }\noutput y = h"),
      "output y = dense(relu(dense(p, 32)), 10)"};
  for (const char* body : bodies) {
    Loaded loaded = load_text("model m(s: float[batch, 64, 3], p: float[batch, 784]) {\n" + std::string(body) + "\n}\n");
    EXPECT_TRUE(loaded.model) << loaded.messages;
  }
}

}  // namespace
}  // namespace gradus::lang
