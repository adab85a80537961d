// What the processes of a scribbler's run share, and those that go on using the file.

#ifndef FSQLSHM_STRESS_WORLD_SCRIBBLER_SCRIBBLED_H_
#define FSQLSHM_STRESS_WORLD_SCRIBBLER_SCRIBBLED_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "harness/child.h"
#include "stress/register_log.h"

namespace fsqlshm::world::scribbled {

inline constexpr std::size_t kUsers = 3;           ///< processes that have the file mapped
inline constexpr std::size_t kThreads = 2;         ///< of each of them
inline constexpr std::size_t kLives = kUsers + 1;  ///< and one that maps nothing for long

enum Call : std::uint8_t {
  kLoadSnapshot,
  kAllocate,
  kCheckExclusion,
  kAcquire,
  kRelease,
  kClear,
  kStoreHorizon,
  kPublish,
  kWaitToPublish,
  kToBytes,
  kFork,
  kCheckFile,
  kValidate,
  kOpen,
  kOpenReading,
  kReadHeader,
  kUsersOf,
  kRemove,
  kCalls
};
inline constexpr std::array<std::string_view, kCalls> kCallNames = {
    "try_load_consistent_snapshot",
    "alloc_txn_id",
    "check_serialized_writer_exclusion",
    "acquire_serialized_writer",
    "release_serialized_writer",
    "clear_serialized_writer",
    "store_gc_horizon",
    "try_lock_publication, publish",
    "try_lock_publication_for, publish",
    "to_bytes",
    "fork with a guard, its end in the child",
    "check_file",
    "header_bytes, validate",
    "open_or_create",
    "ReadOnlyShmFile::open",
    "read_header_bytes",
    "users_of",
    "remove",
};

struct CallCount {
  std::atomic<std::uint64_t> times = 0;
  std::atomic<std::uint64_t> max_steps = 0;
};

// In memory that all processes share.
struct State {
  std::atomic<bool> stop = false;
  std::atomic<bool> files_too = false;  // sizes and names, not words alone
  std::atomic<std::uint64_t> scribbled = 0;
  std::array<CallCount, kCalls> calls{};
  std::array<std::atomic<std::uint64_t>, 64> errors{};  // by code
  stress::RegisterLog published{};
  std::atomic<std::uint64_t> reads = 0;
  std::atomic<std::uint64_t> unpublished = 0;
  std::atomic<std::uint64_t> stale = 0;
  std::atomic<harness::ChildState> bad_child{};  // of a forked child, if it did not exit with 0
  // What each thread is doing: kCalls if nothing, and how many calls it made.
  struct Thread {
    std::atomic<std::uint8_t> call = kCalls;
    std::atomic<std::uint64_t> made = 0;
  };
  std::array<std::array<Thread, kThreads>, kLives> threads{};
};

/// The lives of the processes, until they are told to stop; the exit status. `life` is below kLives.
int live(State& state, std::size_t life, const std::filesystem::path& path, std::uint64_t seed);

}  // namespace fsqlshm::world::scribbled

#endif  // FSQLSHM_STRESS_WORLD_SCRIBBLER_SCRIBBLED_H_
