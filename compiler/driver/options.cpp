// Boost.Program_options does the splitting and typing; each command names the options it takes, so an
// option that means nothing to a command is refused there.
#include "driver/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include <boost/program_options.hpp>
#include <fmt/format.h>

#include "pipeline/stages.h"
#include "runtime/print.h"
#include "support/diag.h"
#include "support/limits.h"

namespace gradus::driver {

namespace po = boost::program_options;

namespace {

constexpr const char* kInputFile = "input-file";  // the positional argument

struct Command {
  std::string_view name;
  std::string_view argument;  // the positional one, as shown
  bool needs_argument;
  std::string_view summary;
  std::vector<std::string_view> options;
};

const std::vector<Command>& commands() {
  static const std::vector<Command> table = {
      {"train", "MODEL.grad", true, "compile the model and train it: weights, history and plot are written",
       {"data", "epochs", "batch", "rate", "seed", "threads", "steps", "validate-every", "stop-after", "save-every", "init", "rename", "partial",
        "resume", "accept-changes", "set", "cpu", "no-cache", "json", "output-file"}},
      {"eval", "MODEL.grad", true, "loss and metrics of saved weights",
       {"weights", "rename", "data", "part", "batch", "threads", "set", "cpu", "no-cache", "json"}},
      {"predict", "MODEL.grad", true, "outputs of saved weights, as .npy or .csv",
       {"weights", "rename", "data", "part", "output", "batch", "threads", "set", "cpu", "no-cache", "output-file"}},
      {"compile", "MODEL.grad", true, "an object file and a C header with the step, no library needed",
       {"weights", "rename", "raw-inputs", "batch", "steps", "set", "cpu", "rate", "header", "output-file"}},
      {"show", "MODEL.grad", false, "its layers with what they cost and keep; any stage of the compilation as text",
       {"batches", "json", "emit", "function", "library", "set", "cpu", "rate", "remarks", "dump-after", "time-passes",
        "verify-roundtrip"}},
      {"check", "MODEL.grad", true, "gradients against finite differences in f64",
       {"trust", "seed", "batch", "set", "cpu", "no-cache", "json"}},
      {"bench", "MODEL.grad", true, "time of a step and of each kernel, fraction of the machine's limit",
       {"batch", "threads", "least-steps", "set", "cpu", "cache", "no-cache", "compile-only", "json"}},
      {"opt", "FILE", false, "passes on graph text; clusters, kernels and plans are read, verified and printed",
       {"passes", "list-passes", "batch", "cpu", "remarks", "verify-roundtrip", "dump-after", "time-passes"}},
      {"plot", "'EXPRESSION' ..", true, "functions of x and their derivatives as a picture or a table",
       {"from", "to", "order", "include", "output-file"}},
      {"functions", "[NAME]", false, "what a model can call: arguments, and one line of what it does", {"json"}},
      {"ops", "[NAME]", false, "the operator table of graphs", {"json"}},
  };
  return table;
}

constexpr size_t kMostBatches = 12;

/// "1,32,1024" as numbers.
std::vector<int64_t> numbers_of(const std::string& text) {
  std::vector<int64_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    int64_t number = 0;
    const auto [stop, problem] = std::from_chars(at, end, number);
    const bool separated = stop == end || *stop == ',';
    if (problem != std::errc() || !separated || numbers.size() == kMostBatches) {
      throw CommandError(kBadFlags, fmt::format("--batch is `{}`, expected a number, or up to {} as in 1,32,1024",
                                                text, kMostBatches));
    }
    numbers.push_back(number);
    if (stop == end) return numbers;
    at = stop + 1;
  }
}

/// All options; a command takes the subset it names.
void describe(po::options_description& to, std::string_view name, Options& o) {
  auto text = [&](const char* flag, std::string* field, const char* value, const char* help) {
    to.add_options()(flag, po::value<std::string>(field)->value_name(value), help);
  };
  auto whole = [&](const char* flag, std::optional<int64_t>* field, const char* help) {
    to.add_options()(flag, po::value<int64_t>()->value_name("N")->notifier([field](int64_t v) { *field = v; }), help);
  };
  auto real = [&](const char* flag, std::optional<double>* field, const char* help) {
    to.add_options()(flag, po::value<double>()->value_name("X")->notifier([field](double v) { *field = v; }), help);
  };
  auto on = [&](const char* flag, bool* field, const char* help) {
    to.add_options()(flag, po::bool_switch(field), help);
  };
  auto many = [&](const char* flag, std::vector<std::string>* field, const char* value, const char* help) {
    to.add_options()(flag, po::value<std::vector<std::string>>(field)->value_name(value), help);
  };
  if (name == "data") many("data", &o.data, "FILE", "data file instead of the model's, or INPUT=FILE");
  if (name == "set") many("set", &o.set, "NAME=VALUE", "value of a `const` of the model file");
  if (name == "output") many("output", &o.outputs, "NAME", "this output only; may be given again");
  if (name == "trust") many("trust", &o.trust, "FUNCTION", "its custom vjp differs on purpose from the derivative of its body");
  if (name == "rename") many("rename", &o.rename, "OLD=NEW", "path in the weights file, path in the model");
  if (name == "raw-inputs") on("raw-inputs", &o.raw_inputs, "build in what the data block does to inputs, as fitted in --weights");
  if (name == "partial") on("partial", &o.partial, "load what fits; the rest keeps its first values");
  if (name == "batches") {
    to.add_options()("batch", po::value<std::string>()->value_name("N,..")->notifier([&o](const std::string& v) { o.batches = numbers_of(v); }),
                     "rows of a step; of the layers, one column each");
  }
  if (name == "epochs") whole("epochs", &o.epochs, "passes over the training part");
  if (name == "batch") whole("batch", &o.batch, "rows of a step");
  if (name == "steps") whole("steps", &o.steps, "steps in all, instead of epochs");
  if (name == "least-steps") whole("least-steps", &o.least_steps, "time at least so many steps");
  if (name == "threads") whole("threads", &o.threads, "threads (1); the bits do not depend on it");
  if (name == "seed") whole("seed", &o.seed, "seed of weights, shuffling and draws");
  if (name == "validate-every") whole("validate-every", &o.validate_every, "steps between validations");
  if (name == "stop-after") whole("stop-after", &o.stop_after, "pause after so many steps of this run; --resume goes on");
  if (name == "rate") real("rate", &o.rate, "learning rate instead of the model's");
  if (name == "from") real("from", &o.from, "the least x (-8)");
  if (name == "to") real("to", &o.to, "the greatest x (8)");
  if (name == "order") whole("order", &o.order, "the highest derivative (1); 0: the functions alone");
  if (name == "include") many("include", &o.include, "FILE.grad", "functions and constants of this file may be called");
  if (name == "save-every") whole("save-every", &o.save_every, "seconds between checkpoints (20); 0: one after each step");
  if (name == "init") text("init", &o.init, "WEIGHTS", "start from these weights");
  if (name == "weights") text("weights", &o.weights, "WEIGHTS", "weights to use, .safetensors");
  if (name == "resume") on("resume", &o.resume, "go on from the checkpoint beside the weights");
  if (name == "accept-changes") {
    on("accept-changes", &o.accept_changes, "with --resume: go on though optimizer, schedule, monitor or loss are not those of the run");
  }
  if (name == "cpu") text("cpu", &o.cpu, "NAME", "generate for this CPU instead of the host's");
  if (name == "cache") on("cache", &o.cache, "use code kept by earlier runs; without it the compiler's own time is told");
  if (name == "compile-only") on("compile-only", &o.compile_only, "stop before the first step and tell the times until then");
  if (name == "no-cache") on("no-cache", &o.no_cache, "neither use nor keep compiled code in the cache folder");
  if (name == "json") on("json", &o.json, "print the answer as JSON");
  if (name == "part") text("part", &o.part, "PART", "train, validation, test or all");
  if (name == "header") text("header", &o.header, "FILE.h", "C header to write");
  if (name == "output-file") text("output-file,o", &o.out, "FILE", "where the result goes");
  if (name == "emit") {
    to.add_options()("emit", po::value<std::string>(&o.emit)->value_name("STAGE"),
                     fmt::format("one of: {}", pipeline::stage_list()).c_str());
  }
  if (name == "function") text("function", &o.function, "NAME", "train (default), init, evaluate or predict");
  if (name == "library") on("library", &o.library, "the standard library's text");
  if (name == "remarks") on("remarks", &o.remarks, "what fusion did and refused, on standard error");
  if (name == "passes") text("passes", &o.passes, "A,B", "passes to run, in this order");
  if (name == "list-passes") on("list-passes", &o.list_passes, "name and purpose of every pass");
  if (name == "dump-after") text("dump-after", &o.dump_after, "PASS", "print the graph after this pass, or `all`");
  if (name == "time-passes") on("time-passes", &o.time_passes, "print the time of each pass");
  if (name == "verify-roundtrip") on("verify-roundtrip", &o.verify_roundtrip, "print, read and print again; must agree");
}

po::options_description describe_all(const Command& command, Options& options) {
  po::options_description description("options", 100);
  for (std::string_view name : command.options) describe(description, name, options);
  description.add_options()("help,h", "this text");
  return description;
}

const Command& find_command(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (command.name == name) return command;
    names.emplace_back(command.name);
  }
  std::string near = nearest_name(name, names);
  throw CommandError(kBadFlags, fmt::format("no command `{}`; {}", name,
                                            near.empty() ? std::string("`gradus --help` lists them")
                                                         : fmt::format("did you mean `{}`?", near)));
}

std::string unknown_option(const Command& command, const po::options_description& description,
                           std::string given) {
  given = given.substr(0, given.find('='));
  std::vector<std::string> names;
  for (const auto& option : description.options()) names.push_back("--" + option->long_name());
  std::string near = nearest_name(given, names);
  return fmt::format("`{}` takes no option `{}`; {}", command.name, given,
                     near.empty() ? fmt::format("`gradus {} --help` lists them", command.name)
                                  : fmt::format("did you mean `{}`?", near));
}

void require_within(const char* flag, const std::optional<int64_t>& value, const limits::Range& range) {
  if (value && !range.holds(*value)) throw CommandError(kBadFlags, limits::message(flag, *value, range));
}

void check_values(const Options& options) {
  require_within("--batch", options.batch, limits::kBatch);
  for (int64_t batch : options.batches) require_within("--batch", batch, limits::kBatch);
  require_within("--epochs", options.epochs, limits::kEpochs);
  require_within("--steps", options.steps, limits::kSteps);
  require_within("--least-steps", options.least_steps, limits::kLeastSteps);
  require_within("--threads", options.threads, limits::kThreads);
  require_within("--stop-after", options.stop_after, limits::kStopAfter);
  require_within("--validate-every", options.validate_every, limits::kValidateEvery);
  require_within("--save-every", options.save_every, limits::kSaveEvery);
  require_within("--seed", options.seed, limits::kSeed);
  if (options.epochs && options.steps) {
    throw CommandError(kBadFlags, "--epochs and --steps exclude each other");
  }
  if (options.rate && !(*options.rate > 0 && *options.rate < 1e30)) {
    throw CommandError(kBadFlags, fmt::format("--rate is {}, expected a number above 0 and below 1e30", *options.rate));
  }
}

/// One argument's plain complaint out of Boost's exceptions.
std::string explain(const Command& command, const po::options_description& description, const po::error& error) {
  if (const auto* unknown = dynamic_cast<const po::unknown_option*>(&error)) {
    return unknown_option(command, description, unknown->get_option_name());
  }
  return fmt::format("{}; `gradus {} --help` lists the options", error.what(), command.name);
}

/// A name that is empty names nothing: in a script it is a variable that was not set.
void require_texts(const Command& command, const po::options_description& description, const po::variables_map& values) {
  for (const auto& [name, value] : values) {
    std::vector<std::string> texts;
    if (const auto* one = boost::any_cast<std::string>(&value.value())) texts = {*one};
    if (const auto* many = boost::any_cast<std::vector<std::string>>(&value.value())) texts = *many;
    if (std::ranges::find(texts, "") == texts.end()) continue;
    if (name == kInputFile) {
      throw CommandError(kBadFlags, fmt::format("`{}` expects {}, found an empty name", command.name, command.argument));
    }
    throw CommandError(kBadFlags, fmt::format("{} is empty, expected {}", name == "output-file" ? "-o" : "--" + name,
                                              description.find(name, false).semantic()->name()));
  }
}

po::variables_map parse_options(const Command& command, const std::vector<std::string>& arguments, Options& options) {
  po::options_description visible = describe_all(command, options);
  po::options_description all;
  all.add(visible).add_options()(kInputFile, po::value<std::vector<std::string>>(), "");
  po::positional_options_description positional;
  positional.add(kInputFile, -1);
  namespace style = po::command_line_style;
  po::variables_map values;
  try {
    po::store(po::command_line_parser(arguments)
                  .options(all)
                  .positional(positional)
                  .style(style::unix_style & ~style::allow_guessing)
                  .run(),
              values);
    if (values.count("help") == 0) po::notify(values);
  } catch (const po::error& error) {
    throw CommandError(kBadFlags, explain(command, visible, error));
  }
  if (values.count("help") == 0) require_texts(command, visible, values);
  return values;
}

}  // namespace

std::string program_help() {
  std::string out = "gradus compiles a model file into a training step and runs it.\n\nusage: gradus COMMAND ...\n\n";
  for (const Command& command : commands()) {
    out += fmt::format("  {:9} {:12} {}\n", command.name, command.argument, command.summary);
  }
  out += "\n`gradus COMMAND --help` lists the options of a command.\n";
  return out;
}

std::string command_help(const std::string& name) {
  const Command& command = find_command(name);
  Options unused;
  std::ostringstream text;
  text << fmt::format("usage: gradus {} {} [options]\n{}\n\n", command.name, command.argument, command.summary);
  text << describe_all(command, unused);
  return std::move(text).str();
}

std::optional<Options> parse_command_line(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print_out("{}", program_help());
    if (arguments.empty()) throw CommandError(kBadFlags, "a command was expected");
    return std::nullopt;
  }
  if (arguments[0] == "--version") {
    print_out("gradus {}\n", pipeline::version());
    return std::nullopt;
  }
  const Command& command = find_command(arguments[0]);
  Options options;
  options.command = command.name;
  po::variables_map values = parse_options(command, {arguments.begin() + 1, arguments.end()}, options);
  if (values.count("help") > 0) {
    print_out("{}", command_help(options.command));
    return std::nullopt;
  }
  if (values.count(kInputFile) > 0) {
    const auto& inputs = values[kInputFile].as<std::vector<std::string>>();
    if (command.name == "plot") {
      options.functions = inputs;
    } else if (inputs.size() > 1) {
      throw CommandError(kBadFlags, fmt::format("`{}` takes one {}, found `{}` too", command.name,
                                                command.argument, inputs[1]));
    }
    options.input = inputs[0];
  }
  if (command.needs_argument && options.input.empty()) {
    throw CommandError(kBadFlags, fmt::format("`{}` expects {}", command.name, command.argument));
  }
  check_values(options);
  return options;
}

}  // namespace gradus::driver
