#include "fsqlshm/process.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <limits>
#include <string_view>

namespace fsqlshm {
namespace {

enum class Lookup : std::uint8_t { kFound, kNoSuchProcess, kCannotTell };

// Reads /proc/PID/stat. Its text is at most some 400 bytes: 52 numbers and a name of 15.
Lookup read_stat(std::uint32_t pid, ProcessStat& out) noexcept {
  std::array<char, 32> path{};
  std::snprintf(path.data(), path.size(), "/proc/%u/stat", pid);
  const int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    // Without a mounted /proc every pid seems to be missing, and with hidepid=2 those of other
    // users do: fall back to kill(pid, 0).
    if (errno != ENOENT || ::access("/proc/self/stat", F_OK) != 0) return Lookup::kCannotTell;
    if (pid > static_cast<std::uint32_t>(std::numeric_limits<pid_t>::max())) {
      return Lookup::kNoSuchProcess;
    }
    return ::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH ? Lookup::kNoSuchProcess
                                                                     : Lookup::kCannotTell;
  }
  std::array<char, 1024> text{};
  ssize_t size = 0;
  do {
    size = ::read(fd, text.data(), text.size());
  } while (size < 0 && errno == EINTR);
  const int error = errno;
  ::close(fd);
  // ESRCH: the process went away between open and read.
  if (size < 0) return error == ESRCH ? Lookup::kNoSuchProcess : Lookup::kCannotTell;
  const auto stat = parse_proc_stat({text.data(), static_cast<std::size_t>(size)});
  if (!stat) return Lookup::kCannotTell;
  out = *stat;
  return Lookup::kFound;
}

bool parse_number(std::string_view token, std::uint64_t& out) noexcept {
  const char* const begin = token.data();
  const char* const end = begin + token.size();
  const auto [stop, error] = std::from_chars(begin, end, out);
  return error == std::errc() && stop == end;
}

}  // namespace

std::optional<ProcessStat> parse_proc_stat(std::string_view text) noexcept {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return std::nullopt;
  text.remove_prefix(name_end + 1);
  ProcessStat stat;
  for (int field = 3; field <= 22; ++field) {
    const std::size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) return std::nullopt;
    text.remove_prefix(start);
    const std::string_view token = text.substr(0, text.find_first_of(" \n"));
    if (field == 3) {
      if (token.size() != 1) return std::nullopt;
      stat.state = token[0];
    }
    if (field == 20 && !parse_number(token, stat.threads)) return std::nullopt;
    if (field == 22 && !parse_number(token, stat.start_ticks)) return std::nullopt;
    text.remove_prefix(token.size());
  }
  return stat;
}

ProcessIdentity this_process() noexcept {
  ProcessIdentity self{.pid = static_cast<std::uint32_t>(::getpid()), .birth = 0};
  ProcessStat stat;
  if (read_stat(self.pid, stat) == Lookup::kFound) self.birth = kKnownBirth | stat.start_ticks;
  return self;
}

bool process_alive(std::uint32_t pid, std::uint64_t birth) noexcept {
  if (pid == 0 || (birth & kKnownBirth) == 0) return true;
  ProcessStat stat;
  switch (read_stat(pid, stat)) {
    case Lookup::kNoSuchProcess:
      return false;
    case Lookup::kCannotTell:
      return true;
    case Lookup::kFound:
      break;
  }
  // A zombie only waits for its parent to ask for its exit status. But the state is that of the
  // first thread, which may end before the others, in a process that is being killed too.
  const bool dead_state =
      (stat.state == 'Z' || stat.state == 'X' || stat.state == 'x') && stat.threads <= 1;
  return !dead_state && (kKnownBirth | stat.start_ticks) == birth;
}

}  // namespace fsqlshm
