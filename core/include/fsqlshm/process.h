// Process identity and liveness: who a word in the header names, and whether that process lives.

#ifndef FSQLSHM_PROCESS_H_
#define FSQLSHM_PROCESS_H_

#include <cstdint>
#include <optional>
#include <string_view>

namespace fsqlshm {

/// A process, told apart from later processes with the same pid by its birth.
struct ProcessIdentity {
  std::uint32_t pid = 0;    ///< 0: unknown
  std::uint64_t birth = 0;  ///< kKnownBirth | start time in clock ticks since boot; 0: unknown

  /// The same pid and the same birth.
  friend constexpr bool operator==(const ProcessIdentity&,
                                   const ProcessIdentity&) noexcept = default;
};

/// Set in every birth that was read from the kernel. A birth without it cannot be compared.
inline constexpr std::uint64_t kKnownBirth = std::uint64_t{1} << 63;

/// Seconds for which a serialized writer's lease is granted.
inline constexpr std::uint64_t kLeaseSeconds = 30;

/// The calling process. Reads /proc on every call (about 10 us), so that a fork needs no care; the
/// birth is 0 where /proc cannot be read.
[[nodiscard]] ProcessIdentity this_process() noexcept;

/// False only if it is certain that the process is gone: no such pid, a zombie of which no thread
/// is left, or a pid that was given to a process of another birth. So after false none of its
/// stores is still to come. A pid of 0, a birth without kKnownBirth, or a /proc that is missing or
/// hides the process, means "cannot tell" and answers true. Both processes must be in one pid
/// namespace.
[[nodiscard]] bool process_alive(std::uint32_t pid, std::uint64_t birth) noexcept;

/// What process_alive wants to know of one line of /proc/PID/stat.
struct ProcessStat {
  char state = '?';               ///< field 3, of the first thread: R, S, D, Z ...
  std::uint64_t threads = 0;      ///< field 20: threads that are left, a first that ended included
  std::uint64_t start_ticks = 0;  ///< field 22: start time in clock ticks since boot
};

/// Parses the text of /proc/PID/stat (proc(5)). The command name, field 2, may hold spaces and
/// parentheses, so fields are counted from the last ')'. Empty if the text is not such a line.
[[nodiscard]] std::optional<ProcessStat> parse_proc_stat(std::string_view text) noexcept;

}  // namespace fsqlshm

#endif  // FSQLSHM_PROCESS_H_
