// Entries that are found are those that were kept; everything else is as if it were not there.
#include "codegen/object_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>

#include "codegen/object_key.h"
#include "kernel_check.h"

namespace gradus::codegen {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

const std::string kKey(64, 'a'), kOther(64, 'b');
const std::string kObject = std::string("object\0code", 11) + std::string(20, 'x');

class Cache : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "gradus-cache-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
    cache_ = std::make_unique<ObjectCache>(folder());
  }
  void TearDown() override { fs::remove_all(base_); }

  std::string folder() const { return base_ + "/deep/gradus"; }
  const ObjectCache& cache() const { return *cache_; }
  std::string entry() const { return cache_->path_of(kKey); }
  std::optional<std::string> found(const std::string& key = kKey) const {
    std::optional<std::vector<char>> object = cache_->find(key);
    if (!object) return std::nullopt;
    return std::string(object->begin(), object->end());
  }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder()), {}));
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  void write(const std::string& bytes) const {
    std::ofstream(entry(), std::ios::binary | std::ios::trunc) << bytes;
    fs::permissions(entry(), fs::perms::owner_read | fs::perms::owner_write);
  }

  std::string base_;
  std::unique_ptr<ObjectCache> cache_;
};

TEST_F(Cache, FindsWhatWasKept) {
  EXPECT_FALSE(found());
  cache().keep(kKey, kObject);
  EXPECT_EQ(found(), kObject);
  EXPECT_FALSE(found(kOther));
  cache().keep(kKey, "another");
  EXPECT_EQ(found(), "another");
  EXPECT_EQ(files(), 1U);
}

TEST_F(Cache, NoFlippedBitIsTakenForCode) {
  cache().keep(kKey, kObject);
  const std::string whole = read(entry());
  ASSERT_GT(whole.size(), kObject.size());
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    write(bytes);
    ASSERT_FALSE(found()) << "bit " << bit;
  }
  write(whole);
  EXPECT_EQ(found(), kObject);
}

TEST_F(Cache, CutAndGrownEntriesAreNotThereAndAreWrittenAnew) {
  cache().keep(kKey, kObject);
  const std::string whole = read(entry());
  for (size_t length = 0; length < whole.size(); ++length) {
    write(whole.substr(0, length));
    ASSERT_FALSE(found()) << length << " bytes";
  }
  write(whole + "x");
  EXPECT_FALSE(found());
  cache().keep(kKey, kObject);
  EXPECT_EQ(found(), kObject);
}

TEST_F(Cache, ForeignEntriesAreNotThere) {
  cache().keep(kOther, kObject);
  fs::rename(cache().path_of(kOther), entry());
  EXPECT_FALSE(found()) << "the entry of another key";
  cache().keep(kKey, kObject);
  fs::permissions(entry(), fs::perms::others_write, fs::perm_options::add);
  EXPECT_FALSE(found()) << "others may have written it";
  fs::rename(entry(), folder() + "/aside");
  fs::permissions(folder() + "/aside", fs::perms::others_write, fs::perm_options::remove);
  fs::create_symlink("aside", entry());
  EXPECT_FALSE(found()) << "a link";
  fs::remove(entry());
  ASSERT_EQ(::mkfifo(entry().c_str(), 0600), 0);
  EXPECT_FALSE(found()) << "a pipe that nobody writes to";
  cache().keep(kKey, kObject);
  EXPECT_EQ(found(), kObject);
  if (::geteuid() == 0 && ::chown(entry().c_str(), 12345, 12345) == 0) {
    EXPECT_FALSE(found()) << "another user's file";
  }
}

TEST_F(Cache, WhatCannotBeWrittenIsNotKept) {
  ObjectCache nowhere("/dev/null/gradus");
  nowhere.keep(kKey, kObject);
  EXPECT_FALSE(nowhere.find(kKey));
  fs::create_directories(entry());
  cache().keep(kKey, kObject);
  EXPECT_FALSE(found());
  EXPECT_EQ(files(), 1U) << "a partial file was left";
}

TEST_F(Cache, TheFolderIsTheUsersAlone) {
  cache().keep(kKey, kObject);
  EXPECT_EQ(fs::status(folder()).permissions(), fs::perms::owner_all);
  EXPECT_EQ(fs::status(entry()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_F(Cache, TheOldestGoWhenTheFolderIsFull) {
  auto key = [](char c) { return std::string(64, c); };
  const std::string object(1000, 'o');
  ObjectCache small(folder(), 4000);  // three with their headers
  auto age = [&](char c, std::chrono::minutes ago) {
    fs::last_write_time(small.path_of(key(c)), fs::file_time_type::clock::now() - ago);
  };
  for (char c : {'1', '2', '3'}) small.keep(key(c), object);
  EXPECT_EQ(files(), 3U);
  age('1', 3min);
  age('2', 30min);
  age('3', 20min);
  EXPECT_TRUE(small.find(key('2'))) << "and is young again";
  small.keep(key('4'), object);
  EXPECT_FALSE(small.find(key('3')));
  for (char c : {'1', '2', '4'}) EXPECT_TRUE(small.find(key(c))) << c;
  small.keep(key('5'), std::string(4000, 'o'));
  EXPECT_FALSE(small.find(key('5'))) << "larger than all the room";
  EXPECT_EQ(files(), 3U);
}

TEST_F(Cache, PartialFilesOfKilledRunsGo) {
  cache().keep(kKey, kObject);
  const std::string old = folder() + "/" + kKey + ".partial-aaaaaa";
  const std::string young = folder() + "/" + kKey + ".partial-bbbbbb";
  for (const std::string& path : {old, young}) std::ofstream(path) << "half";
  fs::last_write_time(old, fs::file_time_type::clock::now() - 2h);
  cache().keep(kOther, kObject);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young)) << "someone may be writing it";
}

/// Writes and reads entries that all writers share; 0 where every entry was whole.
int write_and_read(const ObjectCache& cache, int writer) {
  for (int turn = 0; turn < 100; ++turn) {
    const std::string key(64, static_cast<char>('a' + (turn + writer) % 3));
    const std::string object = std::string(60000, key[0]);
    cache.keep(key, object);
    std::optional<std::vector<char>> found = cache.find(key);
    if (!found || std::string(found->begin(), found->end()) != object) return 1;
  }
  return 0;
}

TEST_F(Cache, EightWritersAtOnceLeaveWholeEntries) {
  std::vector<pid_t> writers;
  for (int i = 0; i < 8; ++i) {
    pid_t writer = ::fork();
    ASSERT_GE(writer, 0);
    if (writer == 0) ::_exit(write_and_read(cache(), i));
    writers.push_back(writer);
  }
  for (pid_t writer : writers) {
    int status = -1;
    EXPECT_EQ(::waitpid(writer, &status, 0), writer);
    EXPECT_EQ(status, 0) << "an entry was not whole";
  }
  EXPECT_EQ(files(), 3U) << "partial files were left";
}

TEST(CacheFolder, FollowsTheEnvironment) {
  const char* xdg = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string old_xdg = xdg ? xdg : "", old_home = home ? home : "";
  ::setenv("XDG_CACHE_HOME", "/x", 1);
  ::setenv("HOME", "/h", 1);
  EXPECT_EQ(default_cache_folder(), "/x/gradus");
  ::setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(default_cache_folder(), "/h/.cache/gradus");
  ::unsetenv("XDG_CACHE_HOME");
  EXPECT_EQ(default_cache_folder(), "/h/.cache/gradus");
  ::setenv("HOME", "", 1);
  EXPECT_FALSE(default_cache_folder());
  if (xdg) ::setenv("XDG_CACHE_HOME", old_xdg.c_str(), 1);
  if (home) ::setenv("HOME", old_home.c_str(), 1);
}

const char* const kTwice = R"(kernel @twice pointwise {block=16 unroll=1}:
  x: in f32[8]
  y: out f32[8]
  lanes c 0..8
    %0 = load x[c] : f32
    %1 = mul %0, 2.0 : f32
    store y[c], %1
)";

TEST_F(Cache, ColdAndWarmComputeTheSame) {
  const plan::Program program = program_of(kernel_of(kTwice), 1);
  const plan::Plan plan;
  const Target target = detect_host();
  const std::vector<Unit> units = {{&program, &plan, "step"}};
  auto result = [&](const Jit& jit) {
    std::vector<float> x(8, 1.5F), y(8), scratch(64);
    void* blocks[] = {x.data(), y.data(), scratch.data()};
    gradus_frame frame = {};
    frame.blocks = blocks;
    frame.rows = frame.workers = 1;
    EXPECT_EQ(jit.find("step")(&frame), GRADUS_OK);
    return y;
  };
  const std::vector<float> expected(8, 3.0F);
  auto cold = compile_jit(units, target, {.cache = &cache()});
  EXPECT_FALSE(cold->cached());
  EXPECT_EQ(result(*cold), expected);
  EXPECT_TRUE(cache().find(object_key(units, target)));
  auto warm = compile_jit(units, target, {.cache = &cache()});
  EXPECT_TRUE(warm->cached());
  EXPECT_EQ(result(*warm), expected);
  EXPECT_FALSE(compile_jit(units, target)->cached());

  const std::string entry = cache().path_of(object_key(units, target));
  fs::resize_file(entry, fs::file_size(entry) - 1);
  auto mended = compile_jit(units, target, {.cache = &cache()});
  EXPECT_FALSE(mended->cached());
  EXPECT_EQ(result(*mended), expected);
  EXPECT_TRUE(compile_jit(units, target, {.cache = &cache()})->cached());
}

}  // namespace
}  // namespace gradus::codegen
