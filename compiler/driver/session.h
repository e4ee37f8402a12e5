// What every command begins with: the model file read, its messages shown, the target chosen.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/object_cache.h"
#include "driver/options.h"
#include "lang/model.h"
#include "pipeline/compile_model.h"
#include "support/diag.h"
#include "support/target.h"

namespace gradus::driver {

struct Session {
  SourceMap sources;
  DiagEngine diags{sources};
  Target target;
  lang::Model model;
  std::optional<codegen::ObjectCache> cache;  // of code in this process, where it is wanted
  std::vector<std::string> read_files;        // the model file and data files, none of which is written over

  /// Ends the command with the messages where there are any.
  void stop_on_errors(int code = kBadFile) const;
  /// Says what is right but may not be meant, on standard error.
  void say_notes();
};

/// Reads and elaborates the model file. Throws CommandError with the messages.
std::unique_ptr<Session> open_session(const Options& options);
/// A session without a model: the target and the cache alone.
std::unique_ptr<Session> open_target(const Options& options);
/// `path` as a source of `session`; "-" is standard input.
int32_t open_source(Session& session, const std::string& path);

/// Before anything is computed: `path` is no file that the run reads, and can be written. Throws CommandError with the
/// message.
void check_output(Session& session, const std::string& path);
/// Writes the file whole or not at all; the problem where there is one.
std::optional<std::string> try_to_write(Session& session, const std::string& path, std::string_view bytes);
/// The same; throws CommandError with the message.
void write_output(Session& session, const std::string& path, std::string_view bytes);

/// What the flags say about running these passes; dumps go to standard output.
pipeline::CompileOptions compile_options(const Options& options, int64_t capacity,
                                         const std::vector<std::string>& passes);
/// `text` was printed for `what`: throws CommandError where it does not read back to itself.
void require_roundtrip(const std::string& what, const std::string& text);

/// The session's cache, and a thread for each processor that this process may run on.
codegen::JitOptions jit_options(const Session& session);
/// The compiled functions; throws CommandError with the messages, and where running them on so many
/// threads takes more memory than there is.
pipeline::CompiledModel compile(Session& session, const std::vector<pipeline::Function>& functions,
                                int64_t capacity, int32_t workers);
/// Throws CommandError (kRefused) where `bytes` are more than this process can have; `what` needs them.
void refuse_beyond_memory(int64_t bytes, const std::string& what);

/// Says on standard error that the system gives fewer threads than were asked for, where it does.
void tell_fewer_threads(int64_t asked, int64_t given);
/// Processor time of the process up to the first call, which is main's.
double process_startup_ms();
/// A size of this process by its name in /proc/self/status: VmRSS is resident now, VmHWM its peak.
int64_t process_bytes(const std::string& name);
/// "12.3 KiB"
std::string bytes_text(int64_t bytes);
/// "1.2 M" or "12 ", before a unit.
std::string count_text(double count);

}  // namespace gradus::driver
