// Program and plan text in. Whatever the text, the answer is a program whose parts fit one another,
// with a valid plan or none, or a message with its place.
#include <algorithm>
#include <initializer_list>
#include <tuple>
#include <utility>

#include "kernel/text/line_reader.h"
#include "plan/text.h"

namespace gradus::plan {

namespace {

using kernel::Slot;
using kernel::SlotDir;
using kernel::SlotId;
using kernel::SlotSpace;
using kernel::Token;
using kernel::TokenKind;

/// Sizes in bytes and offsets; sums of two of them fit 64 bits.
constexpr int64_t kMaxBytes = int64_t{1} << 60;

class Reader : private kernel::LineReader {
 public:
  using LineReader::LineReader;
  std::vector<PlannedProgram> read();

 private:
  Program program_;
  Plan plan_;
  IdVector<BufferId, Span> buffers_;  // where each is declared
  IdVector<BufferId, Token> blocks_;
  IdVector<BufferId, Span> places_;

  int64_t bytes() { return integer(kMaxBytes); }
  void expect_words(std::initializer_list<std::string_view> words) {
    for (std::string_view word : words) expect(word);
  }
  void expect_line(int depth, const std::string& expected);
  void expect_number(int64_t expected, std::string_view what, int64_t most = kMaxNumber);
  std::string name(TokenKind kind, std::string_view expected) {
    return std::string(take_kind(kind, expected).text);
  }
  std::string buffer_name();
  std::pair<int64_t, int64_t> range();
  TensorType type();
  BufferId buffer();

  PlannedProgram planned();
  void header();
  BufferKind buffer_kind();
  void buffer_line();
  void kernel_line();
  Slot slot();
  void offers(kernel::Kernel& kernel, const std::vector<std::pair<SlotId, Token>>& shares);
  void check_line();
  void computed_check(const Token& token, BufferId first);
  void launch_line();
  void counts();
  void check_blocks();
  void place_line();
  void peak_line();
  void check_plan(Span whole);
};

/// The next line has to be of this depth; a message about what is missing stands at what is there.
void Reader::expect_line(int depth, const std::string& expected) {
  if (at_depth(depth)) return;
  if (!at_end()) fail(peek(), expected);
  problem(lines_.back().tokens.back().span, fmt::format("the text ends, expected {}", expected));
}

void Reader::expect_number(int64_t expected, std::string_view what, int64_t most) {
  Token token = peek();
  if (integer(most) != expected) {
    problem(token.span, fmt::format("found {} {}, expected {}", what, token.text, expected));
  }
}

/// %12, or a text in quotes.
std::string Reader::buffer_name() {
  Token token = take();
  if (token.kind == TokenKind::Value) return fmt::format("%{}", token.text);
  if (token.kind != TokenKind::Quoted) fail(token, "a name, as `%3` or in quotes");
  std::string_view inner = token.text.substr(1, token.text.size() - 2);
  std::string out;
  for (size_t i = 0; i < inner.size(); ++i) {
    bool escaped = inner[i] == '\\';
    if (escaped) ++i;
    out += escaped && inner[i] == 'n' ? '\n' : inner[i];
  }
  return out;
}

/// [begin, end), not empty.
std::pair<int64_t, int64_t> Reader::range() {
  expect("[");
  int64_t begin = bytes();
  expect(",");
  Token token = peek();
  int64_t end = bytes();
  if (end <= begin) fail(token, fmt::format("more than {}", begin));
  expect(")");
  return {begin, end};
}

TensorType Reader::type() {
  Span span = take_kind(TokenKind::Word, "an element type").span;
  expect("[");
  while (!is("]")) {
    if (peek().kind == TokenKind::End) fail(peek(), "`]`");
    take();
  }
  span = join(span, take().span);
  std::string_view text = diags_.sources().text(span);
  std::optional<TensorType> result = type_from_string(text);
  if (!result)
    problem(span, fmt::format("`{}` is no type; expected one such as f32[batch,10]", text));
  std::optional<Dim> count = checked_count(result->shape);
  if (!count || count->value > kMaxBytes / 8 / program_.capacity) {
    problem(span, "a buffer of this type is too large");
  }
  return *result;
}

BufferId Reader::buffer() {
  expect("#");
  Token token = peek();
  int64_t number = integer();
  if (number >= static_cast<int64_t>(program_.buffers.size())) {
    problem(token.span, fmt::format("buffer #{} is not declared", number));
  }
  return BufferId(static_cast<size_t>(number));
}

void Reader::header() {
  if (lines_[line_].depth != 0) problem(peek().span, "a program begins at the start of a line");
  expect("program");
  program_.name = name(TokenKind::Name, "the program's name, `@name`");
  expect_words({"{", "capacity", "="});
  Token token = peek();
  program_.capacity = integer();
  if (program_.capacity < 1) fail(token, "a capacity of at least 1");
  expect_words({"}", ":"});
  end_line();
}

BufferKind Reader::buffer_kind() {
  static constexpr BufferKind kKinds[] = {BufferKind::Input,    BufferKind::Param,
                                          BufferKind::State,    BufferKind::Output,
                                          BufferKind::Constant, BufferKind::Arena};
  for (BufferKind kind : kKinds) {
    if (accept(buffer_kind_name(kind))) return kind;
  }
  fail(peek(), "input, param, state, output, constant or arena");
}

void Reader::buffer_line() {
  Span span = peek().span;
  expect("#");
  expect_number(static_cast<int64_t>(program_.buffers.size()), "buffer");
  Buffer buffer;
  buffer.kind = buffer_kind();
  buffers_.push_back(join(span, peek().span));
  buffer.name = buffer_name();
  expect(":");
  buffer.type = type();
  buffer.bytes = byte_size(buffer.type, program_.capacity);
  expect_number(buffer.bytes, "a size of", kMaxBytes);
  expect_words({"bytes", "block"});
  blocks_.push_back(peek());
  buffer.block = integer();
  end_line();
  program_.buffers.push_back(std::move(buffer));
}

Slot Reader::slot() {
  Slot slot;
  slot.name = name(TokenKind::Word, "the name of a slot");
  expect(":");
  slot_kind(slot);
  return slot;
}

void Reader::offers(kernel::Kernel& kernel, const std::vector<std::pair<SlotId, Token>>& shares) {
  for (const auto& [output, input] : shares) {
    SlotId found;
    for (size_t i = 0; i < kernel.slots.size(); ++i) {
      if (kernel.slots[SlotId(i)].name == input.text) found = SlotId(i);
    }
    if (!found.valid() || kernel.slots[found].dir != SlotDir::In) {
      fail(input, "the name of a slot that is read");
    }
    if (kernel.slots[output].dir != SlotDir::Out) problem(input.span, "only outputs may share");
    kernel.slots[output].may_share.push_back(found);
  }
}

void Reader::kernel_line() {
  expect("kernel");
  expect_number(static_cast<int64_t>(program_.kernels.size()), "kernel");
  kernel::Kernel kernel;
  kernel.name = name(TokenKind::Name, "the kernel's name, `@name`");
  kernel.cls = cluster_class();
  std::vector<std::pair<SlotId, Token>> shares;
  expect("(");
  while (!is(")")) {
    Token token = peek();
    for (const Slot& other : kernel.slots) {
      if (other.name == token.text)
        problem(token.span, fmt::format("`{}` is declared twice", token.text));
    }
    SlotId id = kernel.slots.push_back(slot());
    if (accept("may")) {
      expect("share");
      do shares.push_back({id, take_kind(TokenKind::Word, "the name of a slot")});
      while (accept("or"));
    }
    if (!accept(",")) break;
  }
  expect(")");
  if (accept("scratch")) kernel.worker_bytes = bytes();
  end_line();
  offers(kernel, shares);
  program_.kernels.push_back(std::move(kernel));
}

void Reader::check_line() {
  expect("check");
  Token token = peek();
  IndexCheck check;
  check.input = buffer();
  if (accept("has")) return computed_check(token, check.input);
  const Buffer& input = program_.buffers[check.input];
  if (input.kind != BufferKind::Input || !is_integer(input.type.dtype)) {
    problem(token.span, fmt::format("#{} is no input of integers", check.input.index()));
  }
  expect("in");
  auto [begin, end] = range();
  if (begin != 0) problem(token.span, fmt::format("found a range from {}, expected from 0", begin));
  check.limit = end;
  end_line();
  program_.checks.push_back(check);
}

/// From behind `has` on.
void Reader::computed_check(const Token& token, BufferId first) {
  const Buffer& buffer = program_.buffers[first];
  if (buffer.kind != BufferKind::Arena || buffer.type != TensorType{DType::I32, {}}) {
    problem(token.span, fmt::format("#{} is no i32[] of the arena", first.index()));
  }
  expect_words({"no", "row", ",", "else", "answer"});
  program_.computed_checks.push_back({first, integer()});
  end_line();
}

void Reader::launch_line() {
  expect("launch");
  expect_number(static_cast<int64_t>(program_.launches.size()), "launch");
  Launch launch;
  launch.name = name(TokenKind::Name, "the launch's name, `@name`");
  expect("kernel");
  Token token = peek();
  int64_t number = integer();
  if (number >= static_cast<int64_t>(program_.kernels.size())) {
    problem(token.span, fmt::format("kernel {} is not declared", number));
  }
  launch.kernel = KernelId(static_cast<size_t>(number));
  expect("(");
  bool first = true;
  for (const Slot& slot : program_.kernels[launch.kernel].slots) {
    launch.buffers.emplace_back();
    if (slot.space == SlotSpace::Worker) continue;
    if (!std::exchange(first, false)) expect(",");
    expect_words({slot.name, "="});
    launch.buffers.back() = buffer();
  }
  expect(")");
  end_line();
  program_.launches.push_back(std::move(launch));
}

void Reader::counts() {
  if (peek().kind != TokenKind::Number) {
    fail(peek(), "buffers, kernels, checks, launches and their counts, in this order");
  }
  for (const kernel::Kernel& kernel : program_.kernels) {
    program_.worker_bytes = std::max(program_.worker_bytes, kernel.worker_bytes);
  }
  expect_number(static_cast<int64_t>(program_.kernels.size()), "a count of");
  expect_words({"kernels", ","});
  expect_number(static_cast<int64_t>(program_.launches.size()), "a count of");
  expect_words({"launches", ","});
  expect_number(program_.block_count, "a count of");
  expect_words({"blocks", ","});
  expect_number(program_.worker_bytes, "a size of", kMaxBytes);
  expect_words({"bytes", "of", "scratch", "a", "worker"});
  end_line();
}

void Reader::check_blocks() {
  Program numbered = program_;
  number_blocks(numbered);
  for (size_t i = 0; i < program_.buffers.size(); ++i) {
    int64_t expected = numbered.buffers[BufferId(i)].block;
    if (program_.buffers[BufferId(i)].block == expected) continue;
    const Token& token = blocks_[BufferId(i)];
    problem(token.span, fmt::format("found block {}, expected {}", token.text, expected));
  }
  program_ = std::move(numbered);
}

void Reader::place_line() {
  Span span = peek().span;
  Placement place;
  place.buffer = buffer();
  Token token = peek();
  if (buffer_name() != program_.buffers[place.buffer].name) {
    diags_
        .error(Diag::GraphSyntax, token.span,
               fmt::format("another name than #{} has", place.buffer.index()))
        .note(buffers_[place.buffer], "it is declared here");
    throw kernel::Stop{};
  }
  places_[place.buffer] = join(span, token.span);
  expect("live");
  std::tie(place.live.begin, place.live.end) = range();
  expect("arena");
  auto [begin, end] = range();
  place.offset = begin;
  place.bytes = end - begin;
  expect("align");
  expect_number(64, "an alignment of");
  end_line();
  plan_.unshared_bytes += place.bytes;
  if (plan_.unshared_bytes > kMaxBytes) problem(span, "the arena is too large");
  plan_.placements.push_back(place);
}

void Reader::peak_line() {
  expect("peak");
  plan_.arena_bytes = plan_.lower_bound = bytes();
  expect_words({"bytes", "("});
  if (!accept("optimal")) {
    expect_words({"at", "least"});
    Token token = peek();
    plan_.lower_bound = bytes();
    if (plan_.lower_bound >= plan_.arena_bytes) fail(token, "less than the peak");
  }
  expect_words({")", ","});
  expect_number(plan_.unshared_bytes, "a sum of", kMaxBytes);
  expect_words({"without", "sharing", ";", "scratch"});
  plan_.worker_bytes = bytes();
  expect_words({"bytes", "a", "worker"});
  end_line();
}

/// The validator's word, at the place that it is about.
void Reader::check_plan(Span whole) {
  std::optional<PlanBreach> breach = find_breach(program_, plan_);
  if (!breach) return;
  Span span = breach->buffer.valid() ? places_[breach->buffer] : whole;
  auto error = diags_.error(Diag::BadPlan, span, breach->message);
  if (breach->other.valid()) error.note(places_[breach->other], "the other lies here");
  throw kernel::Stop{};
}

PlannedProgram Reader::planned() {
  program_ = {};
  plan_ = {};
  buffers_ = {};
  blocks_ = {};
  header();
  while (at_depth(1) && is("#")) buffer_line();
  check_blocks();
  while (at_depth(1) && is("kernel")) kernel_line();
  while (at_depth(1) && is("check")) check_line();
  while (at_depth(1) && is("launch")) launch_line();
  expect_line(1, "the counts of the program");
  counts();
  if (!at_depth(0) || !is("plan")) return {std::move(program_), std::nullopt};
  Span plan = take().span;
  expect(":");
  end_line();
  places_ = IdVector<BufferId, Span>(program_.buffers.size());
  while (at_depth(1) && is("#")) place_line();
  std::ranges::stable_sort(plan_.placements, {}, &Placement::buffer);
  expect_line(1, "the peak of the plan");
  peak_line();
  check_plan(plan);
  return {std::move(program_), std::move(plan_)};
}

std::vector<PlannedProgram> Reader::read() {
  std::vector<PlannedProgram> programs;
  while (!at_end()) programs.push_back(planned());
  return programs;
}

}  // namespace

std::optional<std::vector<PlannedProgram>> read_programs(const SourceMap& sources, int32_t file,
                                                         DiagEngine& diags) {
  size_t before = diags.count();
  std::vector<kernel::TextLine> lines = kernel::lex_lines(sources, file, diags);
  if (diags.count() != before) return std::nullopt;
  try {
    return Reader(std::move(lines), diags).read();
  } catch (const kernel::Stop&) {
    return std::nullopt;
  }
}

}  // namespace gradus::plan
