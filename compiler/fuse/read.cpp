// Cluster text in. Values are found by their names; what else a line says follows from the graph,
// and is compared with what the printer would say.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "fuse/text.h"
#include "graph/text.h"

namespace gradus::fuse {

namespace {

/// Thrown after a message was given; ends the reading.
struct Stop {};

struct Line {
  std::string_view text;
  Span span;
};

std::vector<Line> lines_of(std::string_view text, int32_t file, size_t begin) {
  std::vector<Line> lines;
  for (size_t at = begin; at < text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    size_t first = line.find_first_not_of(" \t\r");
    if (first != std::string_view::npos && line.substr(first, 2) != "//") {
      lines.push_back({line, {file, static_cast<uint32_t>(at), static_cast<uint32_t>(end)}});
    }
    at = end + 1;
  }
  return lines;
}

class Reader {
 public:
  Reader(const Graph& graph, std::vector<Line> lines, DiagEngine& diags)
      : graph_(graph), lines_(std::move(lines)), diags_(diags), names_(value_names(graph)) {
    for (size_t i = 0; i < graph.size(); ++i) nodes_.emplace(names_[NodeId(i)], NodeId(i));
  }

  Clustering read();

 private:
  const Graph& graph_;
  std::vector<Line> lines_;
  DiagEngine& diags_;
  IdVector<NodeId, std::string> names_;
  std::map<std::string, NodeId, std::less<>> nodes_;
  size_t line_ = 0;
  size_t at_ = 0;  // in the line
  Clustering clustering_;

  std::string_view rest() const { return lines_[line_].text.substr(at_); }
  [[noreturn]] void fail(const std::string& message) {
    Span span = lines_[line_].span;
    span.begin += static_cast<uint32_t>(std::min<size_t>(at_, span.end - span.begin));
    diags_.error(Diag::GraphSyntax, span, message);
    throw Stop{};
  }
  bool accept(std::string_view text) {
    if (!rest().starts_with(text)) return false;
    at_ += text.size();
    return true;
  }
  void expect(std::string_view text) {
    if (!accept(text)) fail(fmt::format("expected `{}`", text));
  }
  void next_line() {
    at_ = 0;
    if (++line_ < lines_.size()) return;
    at_ = lines_[--line_].text.size();
    fail("the text ends, expected `} yields`");
  }

  NodeId value();
  ClusterClass cluster_class();
  std::vector<NodeId> values();
  std::vector<std::pair<NodeId, NodeId>> pairs(bool of_leaves);
  void stored(Cluster& cluster);
  void members(Cluster& cluster, std::string_view indent);
  void part(Cluster& strip);
  void strip(Cluster& strip);
  void items(Cluster& strip);
  void cluster();
  void copy();
  void compare();
};

NodeId Reader::value() {
  size_t end = std::min(rest().find_first_of(" ,)"), rest().size());
  auto found = nodes_.find(rest().substr(0, end));
  if (found == nodes_.end())
    fail(fmt::format("`{}` is no value of the graph", rest().substr(0, end)));
  at_ += end;
  return found->second;
}

ClusterClass Reader::cluster_class() {
  std::string_view word = rest().substr(0, rest().find('('));
  for (ClusterClass cls : kClusterClasses) {
    if (cluster_class_name(cls) != word) continue;
    at_ += word.size();
    return cls;
  }
  fail("expected the cluster's class and its anchor, as `rows(%3)`");
}

std::vector<NodeId> Reader::values() {
  std::vector<NodeId> values;
  do values.push_back(value());
  while (accept(", "));
  return values;
}

/// `%y = %x, ...`: (x, y).
std::vector<std::pair<NodeId, NodeId>> Reader::pairs(bool of_leaves) {
  std::vector<std::pair<NodeId, NodeId>> pairs;
  do {
    size_t begin = at_;
    NodeId into = value();
    OpKind op = graph_[into].op;
    if (of_leaves && op != OpKind::Param && op != OpKind::State) {
      at_ = begin;
      fail("expected a parameter or state");
    }
    expect(" = ");
    pairs.emplace_back(value(), into);
  } while (accept(", "));
  return pairs;
}

void Reader::stored(Cluster& cluster) {
  if (accept(" yields ")) cluster.yields = values();
  if (accept(" updates ")) cluster.updates = pairs(true);
  if (accept(" moves ")) cluster.moves = pairs(false);
}

/// Lines of members, up to the brace that closes them.
void Reader::members(Cluster& cluster, std::string_view indent) {
  for (next_line(); !accept(std::string(indent) + "}"); next_line()) {
    expect(std::string(indent) + "  ");
    cluster.members.push_back(value());
  }
}

void Reader::part(Cluster& strip) {
  Cluster part;
  part.items = strip.items;
  part.cls = cluster_class();
  expect("(");
  part.anchor = value();
  expect(") ");
  part.again = accept("again ");
  expect("{");
  members(part, "  ");
  stored(part);
  std::vector<NodeId>& computed = part.again ? strip.repeats : strip.members;
  computed.insert(computed.end(), part.members.begin(), part.members.end());
  strip.parts.push_back(std::move(part));
}

void Reader::strip(Cluster& strip) {
  if (!accept(") by rows")) items(strip);
  expect(" {");
  for (next_line(); !accept("}"); next_line()) {
    if (accept("  part ")) {
      part(strip);
    } else {
      expect("  ");
      strip.members.push_back(value());
    }
  }
  if (strip.parts.empty()) fail("expected the parts of the strip");
  std::ranges::sort(strip.members);
  std::ranges::sort(strip.repeats);
}

void Reader::items(Cluster& strip) {
  expect(") over ");
  size_t end = std::min(rest().find(']') + 1, rest().size());
  const std::optional<TensorType> type =
      type_from_string("f32" + std::string(rest().substr(0, end)));
  if (!type || type->shape.empty()) fail("expected the sizes of the items, as `[batch,4]`");
  strip.items = type->shape;
  at_ += end;
}

void Reader::cluster() {
  expect(fmt::format("cluster @{} ", clustering_.clusters.size()));
  Cluster cluster;
  cluster.cls = cluster_class();
  expect("(");
  cluster.anchor = value();
  if (cluster.cls == ClusterClass::Strip) {
    strip(cluster);
  } else {
    expect(") {");
    members(cluster, "");
  }
  stored(cluster);
  clustering_.clusters.push_back(std::move(cluster));
}

void Reader::copy() {
  Cluster cluster;
  size_t into = rest().rfind(" into ");
  if (into == std::string_view::npos) fail("expected a copy into a result");
  at_ = into + 6;
  for (size_t i = 0; i < graph_.results.size(); ++i) {
    const Result& result = graph_.results[i];
    if (rest() != fmt::format("{} \"{}\"", result_kind_name(result.kind), result.name)) continue;
    cluster.copy_result = static_cast<int32_t>(i);
    cluster.anchor = result.value;
  }
  if (cluster.copy_result < 0) fail("expected a result of the graph");
  clustering_.clusters.push_back(std::move(cluster));
}

/// What the lines say beside the names.
void Reader::compare() {
  const std::string printed = print_clustering(graph_, clustering_);
  std::vector<Line> expected = lines_of(printed, 0, 0);
  for (line_ = 0; line_ < std::min(lines_.size(), expected.size()); ++line_) {
    std::string_view found = lines_[line_].text;
    std::string_view right = expected[line_].text;
    auto differs = std::mismatch(found.begin(), found.end(), right.begin(), right.end()).first;
    at_ = static_cast<size_t>(differs - found.begin());
    if (found != right)
      fail(fmt::format("the graph says `{}`", right.substr(right.find_first_not_of(' '))));
  }
}

Clustering Reader::read() {
  for (line_ = 0; line_ < lines_.size(); ++line_) {
    at_ = 0;
    if (rest().starts_with("copy ")) {
      copy();
    } else {
      cluster();
    }
  }
  compare();
  clustering_.names = names_;
  clustering_.cluster_of.resize(graph_.size());
  for (size_t i = 0; i < clustering_.clusters.size(); ++i) {
    for (NodeId member : clustering_.clusters[ClusterId(i)].members) {
      clustering_.cluster_of[member] = ClusterId(i);
    }
  }
  line_ = at_ = 0;
  if (std::optional<std::string> breach = verify_clustering(graph_, clustering_)) fail(*breach);
  return std::move(clustering_);
}

}  // namespace

std::optional<Clustering> read_clustering(const Graph& graph, const SourceMap& sources,
                                          int32_t file, size_t begin, DiagEngine& diags) {
  std::vector<Line> lines = lines_of(sources.file(file).text, file, begin);
  if (lines.empty()) return std::nullopt;
  try {
    return Reader(graph, std::move(lines), diags).read();
  } catch (const Stop&) {
    return std::nullopt;
  }
}

size_t find_clusters(std::string_view text) {
  return std::min({text.find("\ncluster @"), text.find("\ncopy @"), text.size() - 1}) + 1;
}

}  // namespace gradus::fuse
