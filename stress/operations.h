// The table of operations in whose middle something may happen, and what must hold after it.

#ifndef FSQLSHM_STRESS_OPERATIONS_H_
#define FSQLSHM_STRESS_OPERATIONS_H_

#include <array>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "stress/moments.h"
#include "stress/register_log.h"

namespace fsqlshm::stress {

// Seconds since the epoch; these leases are judged by a clock that stands still.
inline constexpr std::uint64_t kNow = 1'000'000;
inline constexpr std::uint64_t kLease = kNow + 30;
inline constexpr std::uint64_t kExpired = kNow - 1;

[[nodiscard]] inline TxnId id_of(std::uint64_t raw) { return *TxnId::from_raw(raw); }

bool acquire(auto& file, std::uint64_t id, std::uint64_t lease) {
  return file.layout().acquire_serialized_writer(id_of(id), lease);
}
Exclusion check(auto& file, std::uint64_t now = kNow) {
  return file.layout().check_serialized_writer_exclusion(now);
}

/// What is tried is what the words hold after an event, also if nobody is left who has the file open.
[[nodiscard]] inline ShmFileOptions trusting() { return {.trust_found_state = true}; }

/// Throws std::runtime_error.
template <class File>
[[nodiscard]] File opened(std::expected<File, ShmError>&& file) {
  if (!file) throw std::runtime_error(file.error().message());
  return std::move(*file);
}
template <class File>
[[nodiscard]] File open_file(const std::filesystem::path& path) {
  return opened(File::open(path, trusting()));
}

struct Operation {
  std::string name;
  /// Makes the file as the operation finds it; in the parent. If it keeps nothing, all who had the
  /// file open are gone after the event, and a first opener comes.
  Work prepare;
  Work run;
  /// What the event left behind, in a word.
  std::string (*observe)(const std::filesystem::path& path);
  /// What may be observed when the process is gone, in the order in which it comes as the moments go
  /// by: all of it, and never back. The last one also when it died after all of them.
  std::vector<std::string_view> outcomes;
  /// What is observed when its work is done and it lives; empty: the last of these.
  std::string_view alive{};
  /// The last outcome begins after the last moment with this name; empty: anywhere.
  std::string_view turns_after{};
};

/// Everything that changes a header; every moment is an atomic step. `path` is for trials.
template <class Protocol>
[[nodiscard]] std::vector<Operation> header_operations(const std::filesystem::path& path);

/// Creating, establishing and removing a file; every moment is a system call.
[[nodiscard]] std::vector<Operation> file_operations();

/// Whether a newcomer can open, read, publish and acquire, and the header is valid then: what it
/// cannot do, or nothing. At `now` the leases of all who live and own are over; and all leases, if
/// those may outlive their processes.
template <class Protocol>
[[nodiscard]] std::string newcomer_trouble(const std::filesystem::path& path,
                                           std::uint64_t now = kLease);

/// Whether a first opener, who knows what is durable, finds that in force, and nothing of what was
/// before: what is wrong, or nothing. REQUIRES: nobody has the file open.
[[nodiscard]] std::string first_opener_trouble(const std::filesystem::path& path);

/// The words of the serialized writer.
inline constexpr std::array kWriterFields = {
    Field::kSerializedWriterTxnId, Field::kSerializedWriterPidAndGen,
    Field::kSerializedWriterPidBirth, Field::kSerializedWriterLeaseExpiry};

inline constexpr std::string_view kFirstOpener = "W4 first opener";
inline constexpr std::string_view kBusyForEver = "busy for ever";

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_OPERATIONS_H_
