// The allocator stands here too: mimalloc's `operator new`, written in C, cannot throw and ends in abort().
#include "driver/process.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <new>
#include <string_view>

#include "codegen/codegen.h"
#include "driver/options.h"

namespace gradus::driver {

namespace {

constexpr size_t kStack = size_t{8} << 20;

/// Allocates nothing.
void write_error(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

[[noreturn]] void end_without_memory() {
  write_error("gradus: error: out of memory\n");
  ::_exit(kOurError);
}

/// Set where the allocator first fails: then there may be no memory for the exception either, and it is
/// terminate that is reached, without one.
std::atomic<bool> exhausted = false;
/// Before main, initialisers of libraries allocate and nobody catches.
std::atomic<bool> main_began = false;

[[noreturn]] void end_of_terminate() {
  try {
    if (std::current_exception()) std::rethrow_exception(std::current_exception());
    if (exhausted) end_without_memory();
  } catch (const std::bad_alloc&) {
    end_without_memory();
  } catch (const std::exception& error) {
    write_error("gradus: internal error, a bug of gradus itself: ");
    write_error(error.what());
    write_error("\n");
  } catch (...) {
  }
  std::abort();
}

/// That a thread would get by `ulimit -s`; unlimited gives the C library's own small one.
bool default_stack_is_small() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_STACK, &limit) != 0) return false;
  return limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur < kStack;
}

bool main_stack_is_small() {
  rlimit limit = {};
  return ::getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur < kStack;
}

struct Task {
  const std::function<int()>* body;
  int result = 0;
};

void* run_task(void* argument) {
  auto* task = static_cast<Task*>(argument);
  task->result = (*task->body)();
  return nullptr;
}

}  // namespace

void open_standard_streams() {
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    // The lowest number that is free is taken: those below are open by now.
    static_cast<void>(::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  }
}

void end_with_a_sentence_without_memory() {
  main_began = true;
  std::set_terminate(end_of_terminate);
  codegen::on_memory_exhausted(end_without_memory);
}

[[noreturn]] void throw_exhausted() {
  exhausted = true;
  if (!main_began) end_without_memory();
  throw std::bad_alloc();
}

int run_on_large_stack(const std::function<int()>& body) {
  pthread_attr_t attributes;
  if (!default_stack_is_small() || ::pthread_attr_init(&attributes) != 0) return body();
  Task task{&body};
  pthread_t thread = {};
  const bool sized = ::pthread_attr_setstacksize(&attributes, kStack) == 0 &&
                     ::pthread_setattr_default_np(&attributes) == 0;
  const bool moved = sized && main_stack_is_small() &&
                     ::pthread_create(&thread, &attributes, run_task, &task) == 0;
  ::pthread_attr_destroy(&attributes);
  if (!moved) return body();
  ::pthread_join(thread, nullptr);
  return task.result;
}

}  // namespace gradus::driver

// The sanitizers bring their own allocator, which checks that what `new` gave is given to `delete`.
#if !GRADUS_SANITIZE

void* operator new(std::size_t bytes) {
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  gradus::driver::throw_exhausted();
}

void* operator new[](std::size_t bytes) { return operator new(bytes); }

void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto unit = static_cast<std::size_t>(alignment);
  const std::size_t whole = (bytes + unit - 1) / unit * unit;  // as aligned_alloc asks for
  if (whole >= bytes) {
    if (void* memory = std::aligned_alloc(unit, whole == 0 ? unit : whole)) return memory;
  }
  gradus::driver::throw_exhausted();
}

void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return operator new(bytes, alignment);
}

#endif
