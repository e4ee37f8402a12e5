// Read from the system at each call: limits may be lowered while a process runs.
#include "runtime/machine_memory.h"

#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace gradus::runtime {

namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

int64_t of_machine() {
  struct sysinfo info = {};
  if (::sysinfo(&info) != 0) return kNoLimit;
  return static_cast<int64_t>((info.totalram + info.totalswap) * info.mem_unit);
}

/// A number of bytes; `max` and a file that is not there are no limit.
int64_t limit_in(const std::string& path) {
  std::ifstream file(path);
  int64_t bytes = 0;
  return file >> bytes ? bytes : kNoLimit;
}

/// Version 2: the process's own group and those around it. Version 1 has a mount of its own.
int64_t of_control_groups() {
  int64_t least = limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (!line.starts_with("0::")) continue;
    std::string group = line.substr(3);
    while (true) {
      least = std::min(least, limit_in("/sys/fs/cgroup" + group + "/memory.max"));
      const size_t slash = group.rfind('/');
      if (slash == std::string::npos) break;
      group.resize(slash);
    }
  }
  return least;
}

int64_t mapped_now() {
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0;
  return statm >> pages ? pages * ::sysconf(_SC_PAGESIZE) : 0;
}

int64_t of_resources() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  return std::max<int64_t>(static_cast<int64_t>(limit.rlim_cur) - mapped_now(), 0);
}

}  // namespace

int64_t memory_limit() { return std::min({of_machine(), of_control_groups(), of_resources()}); }

}  // namespace gradus::runtime
