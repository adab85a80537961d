// The input of the target `schedule`: who does what, and in which order.
//
// Head, 32 bytes:
//   0      virtual threads: 2 + byte % 3
//   1      the process of each thread, two bits each: threads may share one
//   2      what the writers of each thread say of themselves, two bits each: 1 no birth, 2 no pid, else both
//   3..8   reserved
//   8..32  six operations for each of four threads (see decode_op)
// Then one byte for each decision:
//   f8..ff  30 seconds pass: every lease that is out runs out
//   d8..f7  the process of thread (byte % 4) dies before its next atomic step
//   00..d7  thread (byte % 4), or the next one that can run, performs as many atomic steps as the
//           table in schedule.cc says for byte / 4
// When the decisions are used up, the threads run to their ends one after the other.

#ifndef FSQLSHM_FUZZ_SCHEDULE_H_
#define FSQLSHM_FUZZ_SCHEDULE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "fuzz/mutator.h"
#include "fuzz/target.h"
#include "harness/properties/judged_header.h"

namespace fsqlshm::fuzz {

inline constexpr std::size_t kMaxThreads = 4;
inline constexpr std::size_t kOpsPerThread = 6;
inline constexpr RecordShape kScheduleShape = {
    .head_size = 32, .record_size = 1, .max_records = 96};

enum class Op : std::uint8_t {
  kNothing,
  kAcquire,         // with no lease
  kAcquireLeased,   // with a lease of 30 seconds
  kRelease,         // of the thread's own last id
  kCheck,           // check_serialized_writer
  kCheckExclusion,  // check_serialized_writer_exclusion
  kCheckCertainly,  // the same, by a liveness that is certain
  kClear,           // clear_serialized_writer, of what a process that died has left
  kPublish,         // under the publication lock
  kReconcile,       // the same
  kReadSnapshot,    // try_load_consistent_snapshot, two attempts
  kAlloc,           // alloc_txn_id
};

struct ScheduleInput {
  std::size_t threads = 2;
  std::array<std::uint8_t, kMaxThreads> process{};
  std::array<harness::Named, kMaxThreads> named{};
  std::array<std::array<Op, kOpsPerThread>, kMaxThreads> ops{};
};

struct Decision {
  enum Kind : std::uint8_t { kRun, kKill, kTimePasses };
  Kind kind = kRun;
  std::size_t thread = 0;
  int steps = 0;
};

[[nodiscard]] Op decode_op(std::uint8_t byte) noexcept;
[[nodiscard]] ScheduleInput decode_schedule(Bytes input) noexcept;
[[nodiscard]] Decision decode_decision(std::uint8_t byte) noexcept;
/// The decisions behind the head.
[[nodiscard]] Bytes decisions(Bytes input) noexcept;

[[nodiscard]] std::vector<Unit> schedule_units(Bytes input);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SCHEDULE_H_
