// The input of the target `operations`: a start state and a list of calls.
//
// Head, 88 bytes:
//   0      odd: start from the ten words below, even: from a fresh header; 0xa2 and 0xa3: run in
//          place too (rare: real atomics come with a real look-up in /proc at every takeover)
//   1      page size: 512 << (byte % 8)
//   2      max_txn_slots of the fresh header (0 means 128)
//   4..8   pid of the process that the calls come from
//   8..88  the ten atomic words, in the order of the wire
// Then records of 32 bytes:
//   0      the call (modulo the number of calls)
//   1 2 3  where the arguments a, b, c come from (see ArgumentSource), 3 also what lives
//   4..8   pid
//   8 16 24  a, b, c

#ifndef FSQLSHM_FUZZ_CALLS_H_
#define FSQLSHM_FUZZ_CALLS_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/mutator.h"
#include "fuzz/target.h"
#include "fuzz/wire.h"

namespace fsqlshm::fuzz {

enum class Call : std::uint8_t {
  kAlloc,
  kPublish,
  kBegin,
  kEnd,
  kLoad,
  kTryLoad,
  kReconcile,
  kAcquire,
  kRelease,
  kCheck,
  kCheckExclusion,
  kStoreGcHorizon,
  kLoadCounters,
};
inline constexpr std::size_t kCalls = 13;
[[nodiscard]] std::string_view to_string(Call call) noexcept;

/// The ten atomic words, by their index on the wire.
using State = std::array<std::uint64_t, wire::kAtomicWords>;
enum Word : std::size_t {  // NOLINT(performance-enum-size): an index
  kNextId,
  kSeq,
  kCommit,
  kSchema,
  kEcs,
  kGc,
  kWriter,
  kPidGen,
  kBirth,
  kLease,
};

/// Which processes a check is told are dead.
enum class Dead : std::uint8_t { kNone, kAll, kThatPid, kEvenPids };

/// One call with its arguments.
struct Step {
  Call call = Call::kAlloc;
  Dead dead = Dead::kNone;
  std::uint32_t pid = 0;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  std::uint64_t c = 0;

  [[nodiscard]] bool alive(std::uint32_t asked) const noexcept;
};

struct StartState {
  bool from_words = false;
  bool in_place = false;
  std::uint32_t page_size = 512;
  std::uint32_t slots = 0;
  std::uint32_t self_pid = 0;
  State words{};
};

inline constexpr RecordShape kCallsShape = {.head_size = 88, .record_size = 32, .max_records = 32};

/// A head that is cut short is filled with zeroes.
[[nodiscard]] StartState decode_head(Bytes input) noexcept;
/// Whole records in `input`, at most kCallsShape.max_records.
[[nodiscard]] std::size_t step_count(Bytes input) noexcept;
/// Call `index`; arguments that come from the header are taken from `state`.
[[nodiscard]] Step decode_step(Bytes input, std::size_t index, const State& state) noexcept;

[[nodiscard]] std::string describe(const Step& step);
[[nodiscard]] std::vector<Unit> call_units(Bytes input);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_CALLS_H_
