// Cases of test/ops/values/<operator>.json: operands and what the operator gives, computed outside
// this project. values/make_values.py writes the files and says what each field means.
#pragma once

#include <cstdint>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/eval.h"
#include "graph/builder.h"
#include "support/check.h"

namespace gradus::test {

/// Floats as doubles, whatever their element type.
using Values = Array<double>;

struct ValueCase {
  std::string what;
  Attrs attrs;
  std::vector<TensorType> types;  // of the operands
  std::vector<Values> operands;
  TensorType result;
  bool has_exact = false;
  Values exact, meaning;
  double ulps = 0;
  std::vector<double> scale;  // empty: not a sum
  bool signless = false;
};

class CaseReader {
 public:
  explicit CaseReader(const OpDef& row) : row_(&row) {}

  /// Nothing where there is no such file.
  std::vector<ValueCase> read(const std::string& folder) const {
    std::ifstream file(folder + "/" + std::string(row_->name) + ".json");
    std::vector<ValueCase> cases;
    if (!file) return cases;
    for (const nlohmann::json& entry : nlohmann::json::parse(file))
      cases.push_back(read_case(entry));
    return cases;
  }

 private:
  using Json = nlohmann::json;

  ValueCase read_case(const Json& entry) const {
    ValueCase out;
    out.what = std::string(row_->name) + ", " + entry.at("what").get<std::string>();
    for (const auto& [name, value] : entry.at("attrs").items())
      out.attrs.set(attr_from_text(name).value(), attr_value(value));
    for (const Json& input : entry.at("inputs")) {
      out.types.push_back(type_from_string(input.at("type").get<std::string>()).value());
      out.operands.push_back(values_of(out.types.back(), input.at("values")));
    }
    out.result = type_from_string(entry.at("result").get<std::string>()).value();
    out.has_exact = entry.contains("exact");
    if (out.has_exact) out.exact = values_of(out.result, entry.at("exact"));
    out.meaning =
        entry.contains("meaning") ? values_of(out.result, entry.at("meaning")) : out.exact;
    out.ulps = entry.value("ulps", 0.0);
    out.signless = entry.value("signless", false);
    if (entry.contains("scale"))
      for (const Json& number : entry.at("scale")) out.scale.push_back(real(number));
    return out;
  }

  static double real(const Json& number) {
    if (!number.is_string()) return number.get<double>();
    if (number == "nan") return std::numeric_limits<double>::quiet_NaN();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    GRADUS_CHECK(number == "inf" || number == "-inf", number.get<std::string>());
    return number == "inf" ? kInfinity : -kInfinity;
  }

  static int64_t integer(const Json& number) {
    return number.is_boolean() ? number.get<bool>() : number.get<int64_t>();
  }

  static AttrValue attr_value(const Json& value) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_string()) return value.get<std::string>();
    if (value.is_array()) return value.get<std::vector<int64_t>>();
    return value.get<int64_t>();
  }

  /// The list again and again until the type is full.
  static Values values_of(const TensorType& type, const Json& list) {
    Values out;
    out.dtype = type.dtype;
    for (const Dim& dim : type.shape) out.sizes.push_back(dim.value);
    GRADUS_CHECK(!list.empty() && list.size() <= static_cast<size_t>(out.count()), "a list's size");
    for (size_t i = 0; i < static_cast<size_t>(out.count()); ++i) {
      const Json& number = list[i % list.size()];
      if (is_float(type.dtype)) {
        out.floats.push_back(real(number));
      } else {
        out.integers.push_back(integer(number));
      }
    }
    return out;
  }

  const OpDef* row_;
};

inline NodeId make_node(GraphBuilder& builder, const OpDef& row, const ValueCase& value,
                        std::vector<NodeId> operands) {
  NodeId node = builder.make(row.kind, std::move(operands), value.attrs,
                             row.given_type ? &value.result : nullptr);
  GRADUS_CHECK(builder.type(node) == value.result, value.what + ": the type of the result");
  return node;
}

inline std::string case_name(size_t number) { return "c" + std::to_string(number); }
inline std::string operand_name(size_t number, size_t operand) {
  return case_name(number) + ".x" + std::to_string(operand);
}

/// Adds the case with inputs for operands; its result is the output `case_name(number)`.
inline void add_with_inputs(Graph& graph, const OpDef& row, const ValueCase& value, size_t number) {
  GraphBuilder builder(graph);
  std::vector<NodeId> operands;
  for (size_t i = 0; i < value.types.size(); ++i) {
    operands.push_back(builder.make(OpKind::Input, {}, {{AttrName::Name, operand_name(number, i)}},
                                    &value.types[i]));
  }
  NodeId node = make_node(builder, row, value, operands);
  graph.results.push_back({ResultKind::Output, case_name(number), node});
}

/// Whether attributes, which hold doubles, can hold the values.
inline bool fits_constant(const Values& values) {
  for (int64_t value : values.integers) {
    if (value >= int64_t{1} << 53 || value <= -(int64_t{1} << 53)) return false;
  }
  return true;
}

inline bool fits_constants(const ValueCase& value) {
  for (const Values& operand : value.operands) {
    if (!fits_constant(operand)) return false;
  }
  return true;
}

/// The case with constants for operands, as its first result.
inline Graph with_constants(const OpDef& row, const ValueCase& value) {
  Graph graph;
  graph.name = "constants";
  GraphBuilder builder(graph);
  std::vector<NodeId> operands;
  for (size_t i = 0; i < value.types.size(); ++i) {
    const Values& x = value.operands[i];
    std::vector<double> elements = x.floats;
    for (int64_t element : x.integers) elements.push_back(static_cast<double>(element));
    operands.push_back(value.types[i].is_scalar()
                           ? builder.constant(value.types[i], elements[0])
                           : builder.dense_constant(value.types[i], elements));
  }
  graph.results = {{ResultKind::Value, "", make_node(builder, row, value, operands)}};
  return graph;
}

}  // namespace gradus::test
