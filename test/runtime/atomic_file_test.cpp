// Files that are written whole or not at all: each system call is made to fail once.
#include "runtime/train/atomic_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <set>
#include <thread>

#include "runtime/temporary_folder.h"

namespace gradus::runtime {
namespace {

using Result = std::optional<std::string>;

mode_t mode_of(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST(AtomicFile, WritesAFileAndLeavesNothingElse) {
  TemporaryFolder folder;
  std::string text("a\0b", 3), large(3000000, 'x');
  EXPECT_EQ(write_file_atomically(folder.path("f"), text), Result());
  EXPECT_EQ(read_text(folder.path("f")), text);
  EXPECT_EQ(write_file_atomically(folder.path("f"), large), Result());
  EXPECT_EQ(read_text(folder.path("f")), large);
  EXPECT_EQ(write_file_atomically(folder.path("f"), ""), Result());
  EXPECT_EQ(read_text(folder.path("f")), "");
  EXPECT_EQ(folder.files(), 1u);
}

TEST(AtomicFile, KeepsTheModeOfWhatStoodThere) {
  TemporaryFolder folder;
  std::string path = folder.path("f");
  write_text(path, "old");
  for (mode_t mode : {0600u, 0444u, 0755u}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    EXPECT_EQ(write_file_atomically(path, "new"), Result());
    EXPECT_EQ(mode_of(path), mode);
  }
}

TEST(AtomicFile, ANewFileObeysTheMask) {
  TemporaryFolder folder;
  mode_t before = ::umask(027);
  EXPECT_EQ(write_file_atomically(folder.path("f"), "x"), Result());
  ::umask(before);
  EXPECT_EQ(mode_of(folder.path("f")), 0640u);
}

TEST(AtomicFile, FollowsALinkAndKeepsIt) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("d"));
  write_text(folder.path("d/f"), "old");
  std::filesystem::create_symlink("d/f", folder.path("link"));
  EXPECT_EQ(write_file_atomically(folder.path("link"), "new"), Result());
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
  EXPECT_EQ(read_text(folder.path("d/f")), "new");
}

TEST(AtomicFile, ALinkToAFileThatIsNotThereYetIsKeptToo) {
  TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("d"));
  std::filesystem::create_symlink("d/f", folder.path("link"));
  EXPECT_EQ(write_file_atomically(folder.path("link"), "new"), Result());
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
  EXPECT_EQ(read_text(folder.path("d/f")), "new");
}

TEST(AtomicFile, WritesToADeviceOrPipeAsItIs) {
  EXPECT_EQ(write_file_atomically("/dev/null", "x"), Result());
  struct stat status = {};
  ASSERT_EQ(::stat("/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
  TemporaryFolder folder;
  std::string pipe = folder.path("p"), got;
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread reader([&] { got = read_text(pipe); });
  EXPECT_EQ(write_file_atomically(pipe, "through"), Result());
  reader.join();
  EXPECT_EQ(got, "through");
  Result full = write_file_atomically("/dev/full", "x");
  EXPECT_EQ(full, Result("cannot write `/dev/full`: write: No space left on device"));
}

TEST(AtomicFile, SaysWhyItCannotWrite) {
  TemporaryFolder folder;
  std::string missing = folder.path("none/f");
  EXPECT_EQ(write_file_atomically(missing, "x"),
            Result("cannot write `" + missing + "`: open: No such file or directory"));
  std::filesystem::create_directory(folder.path("d"));
  EXPECT_NE(write_file_atomically(folder.path("d"), "x"), Result());
  EXPECT_NE(write_file_atomically("", "x"), Result());
  EXPECT_EQ(folder.files(), 1u);
}

/// Which call fails; calls are plain functions, so it stands here.
std::string failing;

int answer(const char* name, int good) {
  if (failing != name) return good;
  errno = EIO;
  return -1;
}

const FileCalls kFailing = {
    [](const char* path, int flags, mode_t mode) {
      bool folder = (flags & O_DIRECTORY) != 0;
      return answer(folder ? "open folder" : "open", 0) < 0 ? -1 : ::open(path, flags, mode);
    },
    [](int file, mode_t mode) { return answer("fchmod", ::fchmod(file, mode)); },
    [](int file, const void* bytes, size_t count) -> ssize_t {
      if (failing == "write nothing") return 0;
      if (failing == "write at the end" && count <= 3) return answer("write at the end", 0);
      return answer("write", 0) < 0 ? -1 : ::write(file, bytes, std::min<size_t>(count, 3));
    },
    [](int file) {
      struct stat status = {};
      ::fstat(file, &status);
      return answer(S_ISDIR(status.st_mode) ? "fsync folder" : "fsync", ::fsync(file));
    },
    [](int file) { return answer("close", ::close(file)); },
    [](const char* from, const char* to) {
      return answer("rename", 0) < 0 ? -1 : ::rename(from, to);
    }};

/// A temporary file as a killed process leaves it, and one as a living process holds it.
std::string left_file(const TemporaryFolder& folder, const char* digits) {
  std::string path = folder.path(std::string(".gradus-") + digits + ".tmp");
  write_text(path, "half");
  return path;
}

TEST(AtomicFile, RemovesWhatAKilledProcessLeftAndNothingElse) {
  TemporaryFolder folder;
  std::string left = left_file(folder, "0123456789abcdef");
  std::string held = left_file(folder, "fedcba9876543210");
  std::string other = left_file(folder, "0123456789ABCDEF"), longer = left_file(folder, "00123456789abcdef");
  int lock = ::open(held.c_str(), O_RDONLY);
  ASSERT_EQ(::flock(lock, LOCK_EX), 0);
  EXPECT_EQ(write_file_atomically(folder.path("f"), "x"), Result());
  EXPECT_FALSE(std::filesystem::exists(left));
  EXPECT_TRUE(std::filesystem::exists(held));
  EXPECT_TRUE(std::filesystem::exists(other) && std::filesystem::exists(longer));
  ::close(lock);
  EXPECT_EQ(write_file_atomically(folder.path("f"), "x"), Result());
  EXPECT_FALSE(std::filesystem::exists(held));
}

/// The temporary file's name and flags, as `open` was given them.
std::string opened_path;
int opened_flags = 0;

TEST(AtomicFile, ItsTemporaryNameCannotBeForeseenNorLeadElsewhere) {
  FileCalls calls = system_calls();
  calls.open = [](const char* path, int flags, mode_t mode) {
    if ((flags & O_CREAT) != 0) opened_path = path, opened_flags = flags;
    return ::open(path, flags, mode);
  };
  TemporaryFolder folder;
  std::set<std::string> names;
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(write_file_atomically(folder.path("f"), "x", calls), Result());
    names.insert(opened_path);
    EXPECT_EQ(opened_flags & (O_EXCL | O_NOFOLLOW), O_EXCL | O_NOFOLLOW);
  }
  EXPECT_EQ(names.size(), 20u);
}

TEST(AtomicFile, IsNeverReadableByMoreThanTheOldFile) {
  FileCalls calls = system_calls();
  calls.fchmod = [](int file, mode_t mode) {
    struct stat status = {};
    EXPECT_EQ(::fstat(file, &status), 0);
    EXPECT_EQ(status.st_mode & 07777 & ~mode, 0u);
    return ::fchmod(file, mode);
  };
  TemporaryFolder folder;
  write_text(folder.path("f"), "old");
  ASSERT_EQ(::chmod(folder.path("f").c_str(), 0600), 0);
  EXPECT_EQ(write_file_atomically(folder.path("f"), "new", calls), Result());
}

TEST(AtomicFile, AProbeFindsWhatAWriteWouldMeetAndChangesNothing) {
  TemporaryFolder folder;
  EXPECT_EQ(find_write_problem(folder.path("f")), Result());
  EXPECT_EQ(folder.files(), 0u);
  write_text(folder.path("f"), "old");
  EXPECT_EQ(find_write_problem(folder.path("f")), Result());
  EXPECT_EQ(read_text(folder.path("f")), "old");
  EXPECT_EQ(find_write_problem("/dev/null"), Result());
  std::filesystem::create_directory(folder.path("d"));
  std::string inside = folder.path("d"), missing = folder.path("none/f"), large = folder.path(std::string(256, 'x'));
  EXPECT_EQ(find_write_problem(inside), Result("cannot write `" + inside + "`: a folder has this name"));
  EXPECT_EQ(find_write_problem(missing), Result("cannot write `" + missing + "`: open: No such file or directory"));
  EXPECT_EQ(find_write_problem(large), Result("cannot write `" + large + "`: open: File name too long"));
  EXPECT_NE(find_write_problem(""), Result());
  EXPECT_EQ(folder.files(), 2u);
}

TEST(AtomicFile, TheLongestNameAllowedCanBeWritten) {
  TemporaryFolder folder;
  std::string path = folder.path(std::string(255, 'x'));
  EXPECT_EQ(find_write_problem(path), Result());
  EXPECT_EQ(write_file_atomically(path, "x"), Result());
  EXPECT_EQ(read_text(path), "x");
}

TEST(AtomicFile, ShortWritesAreContinued) {
  TemporaryFolder folder;
  failing = "";
  EXPECT_EQ(write_file_atomically(folder.path("f"), "ten bytes.", kFailing), Result());
  EXPECT_EQ(read_text(folder.path("f")), "ten bytes.");
}

TEST(AtomicFile, LeavesTheOldFileWhereAnyCallFails) {
  TemporaryFolder folder;
  std::string path = folder.path("f");
  write_text(path, "old");
  for (const char* call : {"open", "fchmod", "write", "write nothing", "write at the end", "fsync",
                           "close", "rename"}) {
    failing = call;
    Result problem = write_file_atomically(path, "ten bytes.", kFailing);
    ASSERT_TRUE(problem.has_value()) << call;
    EXPECT_NE(problem->find("cannot write `" + path + "`: "), std::string::npos) << *problem;
    EXPECT_NE(problem->find(failing == "write nothing" ? "No space left" : "Input/output error"),
              std::string::npos)
        << *problem;
    EXPECT_EQ(read_text(path), "old") << call;
    EXPECT_EQ(folder.files(), 1u) << call;
  }
}

TEST(AtomicFile, SaysThatOnlyTheFolderWasNotSynced) {
  TemporaryFolder folder;
  std::string path = folder.path("f");
  for (const char* call : {"open folder", "fsync folder"}) {
    write_text(path, "old");
    failing = call;
    Result problem = write_file_atomically(path, "new", kFailing);
    ASSERT_TRUE(problem.has_value());
    EXPECT_EQ(*problem,
              "`" + path + "` was written, but its folder was not synced: Input/output error");
    EXPECT_EQ(read_text(path), "new");
  }
}

TEST(AtomicFile, LeavesTheOldFileWhereTheSystemSetsALimit) {
  TemporaryFolder folder;
  std::string path = folder.path("f");
  write_text(path, "old");
  auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  rlimit small = {1000, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Result problem = write_file_atomically(path, std::string(100000, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, before);
  EXPECT_EQ(problem, Result("cannot write `" + path + "`: write: File too large"));
  EXPECT_EQ(read_text(path), "old");
  EXPECT_EQ(folder.files(), 1u);
}

}  // namespace
}  // namespace gradus::runtime
