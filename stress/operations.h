// The table of operations in whose middle something may happen, and what must hold after it.

#ifndef FSQLSHM_STRESS_OPERATIONS_H_
#define FSQLSHM_STRESS_OPERATIONS_H_

#include <cstdint>
#include <expected>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/shm_file.h"
#include "stress/moments.h"
#include "stress/register_log.h"

namespace fsqlshm::stress {

// Seconds since the epoch; these leases are judged by a clock that stands still.
inline constexpr std::uint64_t kNow = 1'000'000;
inline constexpr std::uint64_t kLease = kNow + 30;
inline constexpr std::uint64_t kExpired = kNow - 1;

[[nodiscard]] inline TxnId id_of(std::uint64_t raw) { return *TxnId::from_raw(raw); }

/// Acquires with the identity of the calling process.
bool acquire(auto& file, std::uint64_t id, std::uint64_t lease) {
  const ProcessIdentity self = this_process();
  return file.layout().acquire_serialized_writer(id_of(id), self.pid, self.birth, lease);
}
Exclusion check(auto& file, std::uint64_t now = kNow) {
  return file.layout().check_serialized_writer_exclusion(now, process_alive);
}

/// Throws std::runtime_error.
template <class File>
[[nodiscard]] File opened(std::expected<File, ShmError>&& file) {
  if (!file) throw std::runtime_error(file.error().message());
  return std::move(*file);
}
template <class File>
[[nodiscard]] File open_file(const std::filesystem::path& path) {
  return opened(File::open(path));
}

struct Operation {
  std::string name;
  Work prepare;  ///< makes the file as the operation finds it; in the parent
  Work run;
  /// What the event left behind, in a word.
  std::string (*observe)(const std::filesystem::path& path);
  /// What may be observed, in the order in which it comes as the moments go by: all of it, and never
  /// back.
  std::vector<std::string_view> outcomes;
  /// The last outcome begins after the moment with this name; empty: anywhere.
  std::string_view turns_after{};
};

/// Everything that changes a header; every moment is an atomic step. `path` is for trials.
template <class Protocol>
[[nodiscard]] std::vector<Operation> header_operations(const std::filesystem::path& path);

/// The ways to create a file; every moment is a system call.
[[nodiscard]] std::vector<Operation> creations();

/// Whether a newcomer can open, read, publish and acquire, and the header is valid then: what it
/// cannot do, or nothing. At `now` every lease in the file is over.
template <class Protocol>
[[nodiscard]] std::string newcomer_trouble(const std::filesystem::path& path,
                                           std::uint64_t now = kLease);

inline constexpr std::string_view kBusyForEver = "busy for ever";

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_OPERATIONS_H_
