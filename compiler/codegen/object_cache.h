// Objects of earlier runs in a folder, one file an entry: magic, key, length, hash of the
// object, object. The cache may lose anything at any time and never fails a run: what cannot be
// read, was cut, damaged, written for another key or by another user is not there; what cannot be
// written is not kept.
//
// An entry is written under a name of its own and renamed, so another process sees all of it or
// nothing. Nothing is synced to the disk: what a power cut leaves half written fails its checksum.
// A hit renews the entry's time; the oldest entries go when the folder grows over its limit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gradus::codegen {

class ObjectCache {
 public:
  static constexpr int64_t kDefaultLimit = int64_t{256} << 20;

  explicit ObjectCache(std::string folder, int64_t limit = kDefaultLimit);

  std::optional<std::vector<char>> find(const std::string& key) const;
  void keep(const std::string& key, std::string_view object) const;
  /// Where the entry of `key` stands.
  std::string path_of(const std::string& key) const;

 private:
  std::string folder_;
  int64_t limit_;

  void remove_oldest() const;
};

/// $XDG_CACHE_HOME/gradus, or $HOME/.cache/gradus; nothing where neither is an absolute path.
std::optional<std::string> default_cache_folder();

}  // namespace gradus::codegen
