// POSIX calls: owner, time and the kind of a file are looked at on the open file itself.
#include "codegen/object_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <llvm/ADT/ArrayRef.h>
#include <llvm/Support/xxhash.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <filesystem>

namespace gradus::codegen {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMagic = "gradus object 2\n";
constexpr size_t kKeyBytes = 64, kLengthBytes = 8, kHashBytes = 16;
constexpr size_t kHeaderBytes = kMagic.size() + kKeyBytes + kLengthBytes + kHashBytes;
constexpr std::string_view kEntry = ".object", kPartial = ".partial-";
/// What a process that was killed left behind is removed after this.
constexpr std::chrono::hours kPartialAge{1};

template <typename T>
void append_bytes(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// The hash tells a damaged file, nothing more: who may write here may run code anyway.
std::string header_of(const std::string& key, std::string_view object) {
  const llvm::XXH128_hash_t hash = llvm::xxh3_128bits(
      llvm::ArrayRef<uint8_t>(reinterpret_cast<const uint8_t*>(object.data()), object.size()));
  std::string out(kMagic);
  out += key;
  append_bytes(out, static_cast<uint64_t>(object.size()));
  append_bytes(out, hash.low64);
  append_bytes(out, hash.high64);
  return out;
}

/// An open file that closes itself.
class File {
 public:
  explicit File(int file) : file_(file) {}
  ~File() {
    if (file_ >= 0) ::close(file_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  explicit operator bool() const { return file_ >= 0; }
  int get() const { return file_; }

  bool read(char* to, size_t bytes) const {
    while (bytes > 0) {
      ssize_t got = ::read(file_, to, bytes);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      to += got;
      bytes -= static_cast<size_t>(got);
    }
    return true;
  }
  bool write(std::string_view bytes) const {
    while (!bytes.empty()) {
      ssize_t written = ::write(file_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return true;
  }
  bool close() {
    int file = file_;
    file_ = -1;
    return ::close(file) == 0;
  }

 private:
  int file_;
};

/// Code is run from what this process's user alone can have written.
bool is_own(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 022) == 0;
}

bool make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(fs::path(folder).parent_path(), error);
  return ::mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST;
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

struct Entry {
  fs::file_time_type time;
  fs::path path;
  int64_t bytes = 0;
  bool operator<(const Entry& other) const {
    return time != other.time ? time < other.time : path < other.path;
  }
};

/// The entries of a folder; partial ones that nobody writes any more are removed on the way.
std::vector<Entry> list_entries(const std::string& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  fs::directory_iterator at(folder, error), end;
  for (; !error && at != end; at.increment(error)) {
    std::error_code gone;
    std::string name = at->path().filename().string();
    Entry entry{at->last_write_time(gone), at->path(), 0};
    if (!gone) entry.bytes = static_cast<int64_t>(at->file_size(gone));
    if (gone) continue;
    if (ends_with(name, kEntry)) entries.push_back(entry);
    bool left = name.find(kPartial) != std::string::npos &&
                fs::file_time_type::clock::now() - entry.time > kPartialAge;
    if (left) fs::remove(entry.path, gone);
  }
  return entries;
}

/// An absolute path in the environment; nothing else counts.
std::optional<std::string> folder_in(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value != '/') return std::nullopt;
  return std::string(value);
}

}  // namespace

ObjectCache::ObjectCache(std::string folder, int64_t limit)
    : folder_(std::move(folder)), limit_(limit) {}

std::string ObjectCache::path_of(const std::string& key) const {
  return fmt::format("{}/{}{}", folder_, key, kEntry);
}

/// Whatever is wrong with an entry, it is a miss. The checks go from the cheap ones to the hash,
/// and all of them look at the file that was opened: between two looks a name could change its
/// file.
std::optional<std::vector<char>> ObjectCache::find(const std::string& key) const {
  // A pipe of that name must not make the run wait.
  File file(::open(path_of(key).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status = {};
  if (!file || ::fstat(file.get(), &status) != 0 || !is_own(status)) return std::nullopt;
  auto bytes = static_cast<size_t>(status.st_size);
  if (bytes <= kHeaderBytes || status.st_size > limit_) return std::nullopt;
  std::string header(kHeaderBytes, '\0');
  std::vector<char> object(bytes - kHeaderBytes);
  if (!file.read(header.data(), header.size())) return std::nullopt;
  if (!file.read(object.data(), object.size())) return std::nullopt;
  if (header != header_of(key, {object.data(), object.size()})) return std::nullopt;
  ::futimens(file.get(), nullptr);
  return object;
}

/// Written under another name, then renamed: POSIX makes the rename atomic, so readers see no half
/// entry, and of two writers of one key the later one stays, with equal bytes.
void ObjectCache::keep(const std::string& key, std::string_view object) const {
  if (static_cast<int64_t>(object.size() + kHeaderBytes) > limit_ || !make_folder(folder_)) return;
  std::string partial = fmt::format("{}/{}{}XXXXXX", folder_, key, kPartial);
  File file(::mkostemp(partial.data(), O_CLOEXEC));
  if (!file) return;
  bool written = file.write(header_of(key, object)) && file.write(object) && file.close() &&
                 ::rename(partial.c_str(), path_of(key).c_str()) == 0;
  if (written)
    remove_oldest();
  else
    ::unlink(partial.c_str());
}

/// Least recently used first, by the times that hits renew. Processes may remove the same entries
/// at once: one of them then finds nothing to remove, and that is no failure.
void ObjectCache::remove_oldest() const {
  std::vector<Entry> entries = list_entries(folder_);
  int64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes;
  if (bytes <= limit_) return;
  std::sort(entries.begin(), entries.end());
  for (const Entry& entry : entries) {
    if (bytes <= limit_) return;
    std::error_code gone;
    fs::remove(entry.path, gone);
    bytes -= entry.bytes;
  }
}

std::optional<std::string> default_cache_folder() {
  if (auto folder = folder_in("XDG_CACHE_HOME")) return *folder + "/gradus";
  if (auto home = folder_in("HOME")) return *home + "/.cache/gradus";
  return std::nullopt;
}

}  // namespace gradus::codegen
