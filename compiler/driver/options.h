// The command line: which commands exist, which options each takes, and what the user gave.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace gradus::driver {

/// Exit codes of the program.
enum ExitCode : int {
  kDone = 0,
  kBadFile = 1,      // the user's file is wrong, an output cannot be written, a check failed
  kBadFlags = 2,     // command line
  kDiverged = 3,     // non-finite loss
  kRefused = 4,      // memory, before the start
  kOurError = 70,    // a bug of ours
  kInterrupted = 130,
};

/// Ends a command with a message on standard error and an exit code.
class CommandError : public std::runtime_error {
 public:
  CommandError(int code, const std::string& message)
      : std::runtime_error(message), message_(message), code_(code) {}
  int code() const { return code_; }
  /// The whole of it: what() ends at a NUL byte.
  const std::string& message() const { return message_; }
  /// Diagnostics as they are shown; any other message is one sentence.
  bool rendered() const { return message_.ends_with('\n'); }

 private:
  std::string message_;
  int code_;
};

struct Options {
  std::string command;
  std::string input;                  // the model or graph file; `ops`, `functions`: a name
  std::vector<std::string> functions; // plot: expressions in x
  std::vector<std::string> include;   // plot: files whose functions they may call
  std::vector<std::string> data;      // FILE or NAME=FILE
  std::vector<std::string> set;       // NAME=VALUE
  std::vector<std::string> outputs;   // predict --output NAME
  std::vector<std::string> trust;     // check --trust FUNCTION
  std::vector<std::string> rename;    // OLD=NEW, paths of weights
  bool partial = false;               // load what fits
  bool raw_inputs = false;            // compile: inputs as they stand in their files
  std::string out;                    // -o
  std::string weights;
  std::string init;
  std::string header;
  std::string emit;
  std::string passes;
  std::string dump_after;
  std::string cpu;
  std::string part;                   // eval, predict: train, validation, test or all
  std::string function;               // show: init, train, evaluate or predict
  std::optional<int64_t> epochs, batch, steps, threads, seed, validate_every, stop_after, save_every, least_steps;
  std::optional<double> rate;
  std::vector<int64_t> batches;       // show: --batch 1,32
  std::optional<double> from, to;     // plot: the range of x
  std::optional<int64_t> order;       // plot: the highest derivative
  bool resume = false;
  bool accept_changes = false;        // with --resume: go on although the run is not as it was
  bool cache = false;                 // bench
  bool compile_only = false;          // bench
  bool no_cache = false;
  bool json = false;
  bool library = false;
  bool remarks = false;
  bool time_passes = false;
  bool verify_roundtrip = false;
  bool list_passes = false;
};

/// Reads the command line. Throws CommandError (kBadFlags) with what was expected; `--help` and
/// `--version` are answered on standard output, then nothing is returned.
std::optional<Options> parse_command_line(const std::vector<std::string>& arguments);

/// The help text of the program, or of one command.
std::string program_help();
std::string command_help(const std::string& command);

}  // namespace gradus::driver
