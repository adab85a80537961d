#include "stress/run_dir.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <cerrno>
#include <charconv>
#include <system_error>

#include "fsqlshm/process.h"

namespace fsqlshm::stress {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view kPrefix = "fsqlshm-stress.";

// fsqlshm-stress.PID.BIRTH.XXXXXX
void remove_leftovers(const fs::path& parent) {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(parent, ignored)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(kPrefix)) continue;
    const char* const end = name.data() + name.size();
    std::uint32_t pid = 0;
    std::uint64_t birth = 0;
    const auto after_pid = std::from_chars(name.data() + kPrefix.size(), end, pid);
    if (after_pid.ec != std::errc() || after_pid.ptr == end || *after_pid.ptr != '.') continue;
    const auto after_birth = std::from_chars(after_pid.ptr + 1, end, birth);
    if (after_birth.ec != std::errc() || after_birth.ptr == end) continue;
    if (!process_alive(pid, birth)) fs::remove_all(entry.path(), ignored);
  }
}

}  // namespace

std::expected<RunDir, std::string> RunDir::make(const fs::path& parent) {
  std::error_code error;
  fs::path where = parent;
  if (where.empty()) {
    where = fs::is_directory("/dev/shm", error) ? fs::path("/dev/shm") : fs::temp_directory_path();
  }
  remove_leftovers(where);
  const ProcessIdentity self = this_process();
  std::string pattern = where / fmt::format("{}{}.{}.XXXXXX", kPrefix, self.pid, self.birth);
  if (::mkdtemp(pattern.data()) == nullptr) {
    return std::unexpected(fmt::format("cannot create a folder in {}: {}", where.string(),
                                       std::generic_category().message(errno)));
  }
  return RunDir(pattern);
}

RunDir::~RunDir() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

}  // namespace fsqlshm::stress
