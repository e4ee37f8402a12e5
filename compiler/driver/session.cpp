// Messages go to standard error, in colour on a terminal unless NO_COLOR is set.
#include "driver/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "codegen/codegen.h"
#include "pipeline/reprint.h"
#include "runtime/machine_memory.h"
#include "runtime/print.h"
#include "runtime/train/atomic_file.h"

namespace gradus::driver {

namespace {

bool colour_on_stderr() {
  const char* no_colour = std::getenv("NO_COLOR");
  return runtime::takes_escape_codes(stderr) && (no_colour == nullptr || *no_colour == '\0');
}

/// Whether the command runs what it compiles.
bool runs_code(const Options& options) {
  static constexpr std::string_view kRunning[] = {"train", "eval", "predict", "check", "bench"};
  return std::ranges::find(kRunning, options.command) != std::end(kRunning) &&
         !options.compile_only;
}

/// An instruction that the machine does not have would end the process.
void require_runs_here(const Options& options, const Target& target) {
  const std::vector<std::string> missing = codegen::missing_features(target);
  if (missing.empty()) return;
  throw CommandError(
      kBadFlags,
      fmt::format("--cpu is `{}`, whose code does not run here: this machine ({}) has no {}{}; "
                  "`compile` writes code for other machines",
                  options.cpu, codegen::detect_host().cpu, missing.front(),
                  missing.size() > 1 ? fmt::format(" and lacks {} more", missing.size() - 1) : ""));
}

Target choose_target(const Options& options) {
  if (options.cpu.empty() || options.cpu == "native") return codegen::detect_host();
  std::optional<Target> target = codegen::named_target(options.cpu);
  if (!target) {
    throw CommandError(kBadFlags, fmt::format("--cpu is `{}`, expected a CPU that LLVM knows, such as x86-64-v3",
                                              options.cpu));
  }
  if (runs_code(options)) require_runs_here(options, *target);
  return *target;
}

/// A bench times the compiler, so there the cache must be asked for.
bool wants_cache(const Options& options) {
  if (options.cache && options.no_cache) {
    throw CommandError(kBadFlags, "--cache and --no-cache exclude each other");
  }
  return options.command == "bench" ? options.cache : !options.no_cache;
}

lang::ElaborateOptions elaborate_options(const Options& options) {
  lang::ElaborateOptions out;
  out.rate = options.rate;
  out.outputs = options.outputs;
  for (const std::string& setting : options.set) {
    size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw CommandError(kBadFlags, fmt::format("--set is `{}`, expected NAME=VALUE", setting));
    }
    out.constants[setting.substr(0, equals)] = setting.substr(equals + 1);
  }
  return out;
}

}  // namespace

void Session::stop_on_errors(int code) const {
  if (diags.has_errors()) throw CommandError(code, diags.render(colour_on_stderr()));
}

void Session::say_notes() { print_error("{}", diags.take_notes(colour_on_stderr())); }

int32_t open_source(Session& session, const std::string& path) {
  const bool standard_input = path == "-";
  const std::string name = standard_input ? "<stdin>" : path;
  FileText read = standard_input ? read_standard_input() : read_file(path);
  if (!read.text) {
    session.diags.error(Diag::UnreadableFile, {}, fmt::format("cannot read `{}`: {}", name, read.problem));
    session.stop_on_errors();
  }
  return session.sources.add(name, std::move(*read.text));
}

std::unique_ptr<Session> open_target(const Options& options) {
  auto session = std::make_unique<Session>();
  session->target = choose_target(options);
  std::optional<std::string> folder = codegen::default_cache_folder();
  if (wants_cache(options) && folder) session->cache.emplace(*folder);
  return session;
}

std::unique_ptr<Session> open_session(const Options& options) {
  std::unique_ptr<Session> session = open_target(options);
  int32_t file = open_source(*session, options.input);
  session->read_files.push_back(options.input);
  std::optional<lang::Model> model =
      lang::load_model(session->sources, file, elaborate_options(options), session->diags);
  session->stop_on_errors();
  GRADUS_CHECK(model.has_value(), "no model and no message");
  session->model = std::move(*model);
  session->say_notes();
  return session;
}

namespace {

/// Two names of one file, be it by a link; a device or pipe is read and written as often as one likes.
bool is_same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::is_regular_file(a, error) && std::filesystem::equivalent(a, b, error);
}

std::optional<std::string> find_overwritten(const Session& session, const std::string& path) {
  for (const std::string& read : session.read_files) {
    if (!is_same_file(read, path)) continue;
    return fmt::format("cannot write `{}`: this run reads {}; name another file with -o", path,
                       read == path ? "it" : fmt::format("it as `{}`", read));
  }
  return std::nullopt;
}

void refuse(Session& session, const std::optional<std::string>& problem) {
  if (problem) session.diags.error(Diag::UnwritableFile, {}, *problem);
  session.stop_on_errors();
}

}  // namespace

void check_output(Session& session, const std::string& path) {
  refuse(session, find_overwritten(session, path));
  refuse(session, runtime::find_write_problem(path));
}

std::optional<std::string> try_to_write(Session& session, const std::string& path, std::string_view bytes) {
  if (auto problem = find_overwritten(session, path)) return problem;
  return runtime::write_file_atomically(path, bytes);
}

void write_output(Session& session, const std::string& path, std::string_view bytes) {
  refuse(session, try_to_write(session, path, bytes));
}

namespace {

/// Nothing would be printed after a pass that does not run.
void require_pass(const std::string& name, const std::vector<std::string>& passes) {
  if (name.empty() || name == "all" || std::ranges::find(passes, name) != passes.end()) return;
  std::string near = nearest_name(name, passes);
  throw CommandError(kBadFlags, fmt::format("--dump-after is `{}`, expected `all` or a pass that runs: {}{}", name,
                                            fmt::join(passes, ", "),
                                            near.empty() ? "" : fmt::format("; did you mean `{}`?", near)));
}

}  // namespace

pipeline::CompileOptions compile_options(const Options& options, int64_t capacity,
                                         const std::vector<std::string>& passes) {
  require_pass(options.dump_after, passes);
  pipeline::CompileOptions out;
  out.capacity = capacity;
  out.dump_after = options.dump_after;
  out.verify_roundtrip = options.verify_roundtrip;
  out.remarks = options.remarks;
  out.dump = [](const std::string& title, const std::string& text) {
    print_out("// after {}\n{}", title, text);
  };
  return out;
}

void require_roundtrip(const std::string& what, const std::string& text) {
  std::optional<std::string> problem = pipeline::find_roundtrip_problem(text);
  if (problem) throw CommandError(kBadFile, fmt::format("{}: {}", what, *problem));
}

namespace {

/// That this process may run on, which may be fewer than there are; 0 if the system does not tell.
int32_t processors() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
}

}  // namespace

codegen::JitOptions jit_options(const Session& session) {
  // More find little to do: no module is smaller than the largest kernel.
  constexpr int32_t kMost = 8;
  return {.cache = session.cache ? &*session.cache : nullptr,
          .threads = std::clamp(processors(), 1, kMost)};
}

pipeline::CompiledModel compile(Session& session, const std::vector<pipeline::Function>& functions,
                                int64_t capacity, int32_t workers) {
  pipeline::CompileOptions options;
  options.capacity = capacity;
  auto lowered =
      pipeline::lower_model(session.model, functions, session.target, options, session.diags);
  session.stop_on_errors();
  GRADUS_CHECK(lowered.has_value(), "no program and no message");
  const pipeline::CompiledModel::Memory memory = lowered->memory(workers);
  refuse_beyond_memory(
      memory.all(),
      fmt::format("`{}` at batch {} ({} of variables, {} of intermediates, {} of inputs and outputs)",
                  session.model.name, capacity, bytes_text(memory.variables),
                  bytes_text(memory.arenas), bytes_text(memory.others)));
  pipeline::generate_code(*lowered, session.model, session.target, jit_options(session));
  return std::move(*lowered);
}

void refuse_beyond_memory(int64_t bytes, const std::string& what) {
  const int64_t limit = runtime::memory_limit();
  if (bytes <= limit) return;
  throw CommandError(kRefused, fmt::format("{} needs {}, this process can have {}", what,
                                           bytes_text(bytes), bytes_text(limit)));
}

void tell_fewer_threads(int64_t asked, int64_t given) {
  if (given >= asked) return;
  print_error("gradus: note: {} of {} threads: the system gives no more\n", given,
             asked);
}

double process_startup_ms() {
  static const double milliseconds = [] {
    timespec used = {};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) * 1e3 + static_cast<double>(used.tv_nsec) * 1e-6;
  }();
  return milliseconds;
}

int64_t process_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    int64_t kibibytes = 0;
    if (word == name + ":" && status >> kibibytes) return kibibytes * 1024;
  }
  return 0;
}

std::string bytes_text(int64_t bytes) {
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string count_text(double count) {
  const char* units[] = {" ", " k", " M", " G", " T"};
  size_t unit = 0;
  for (; count >= 10000 && unit < 4; ++unit) count /= 1000;
  return unit == 0 ? fmt::format("{:.0f} ", count) : fmt::format("{:.1f}{}", count, units[unit]);
}

}  // namespace gradus::driver
