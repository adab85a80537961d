// The published seqlock over (commit_seq, schema_epoch, ecs_epoch), as FrankenSQLite has it.
//
// It shares no code with hardened/seqlock.h on purpose: it stays as published when that changes.
//
// Kept as a subject of the harness: DO NOT USE it where two publishers can meet. `begin` on an odd
// sequence number is a no-op and `end` is an increment, so two publishers open and close each
// other's window: readers accept a torn triple under an even number, and the number can stay odd
// for ever.
//
// Thread safety: any number of readers; publishers only one at a time.
//
// Invariants (with one publisher):
//   I1  snapshot_seq is odd while the triple changes and even otherwise.
//   I2  A triple that `load` returns was published as a whole by one publish.

#ifndef FSQLSHM_REFERENCE_SEQLOCK_H_
#define FSQLSHM_REFERENCE_SEQLOCK_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "fsqlshm/words.h"

/// The published protocol, with its defects: a subject for the harness, not for use.
namespace fsqlshm::reference {

/// The published seqlock, over any implementation of the seam.
template <Words W>
class Seqlock {
 public:
  explicit Seqlock(W& words) noexcept : words_(words) {}  ///< REQUIRES: `words` outlives it.

  /// Even to odd. An odd number stays as it is.
  void begin() {
    while (true) {
      std::uint64_t seq = words_.load(Field::kSnapshotSeq, std::memory_order::acquire);
      if (seq % 2 == 1) return;
      if (words_.compare_exchange(Field::kSnapshotSeq, seq, seq + 1, std::memory_order::acq_rel,
                                  std::memory_order::acquire)) {
        return;
      }
    }
  }

  /// Odd to even.
  void end() { words_.fetch_add(Field::kSnapshotSeq, 1, std::memory_order::release); }

  /// Begin, the three values, end.
  void publish(const ShmSnapshot& snapshot) {
    begin();
    words_.store(Field::kSchemaEpoch, snapshot.schema_epoch.get(), std::memory_order::release);
    words_.store(Field::kEcsEpoch, snapshot.ecs_epoch, std::memory_order::release);
    words_.store(Field::kCommitSeq, snapshot.commit_seq.get(), std::memory_order::release);
    end();
  }

  /// The same as publish.
  void reconcile(const ShmSnapshot& durable) { publish(durable); }

  /// One attempt; none if a publish was in progress or intervened.
  [[nodiscard]] std::optional<ShmSnapshot> try_load_once() const {
    const std::uint64_t before = words_.load(Field::kSnapshotSeq, std::memory_order::acquire);
    if (before % 2 == 1) [[unlikely]]
      return std::nullopt;
    const std::uint64_t commit_seq = words_.load(Field::kCommitSeq, std::memory_order::acquire);
    const std::uint64_t schema_epoch = words_.load(Field::kSchemaEpoch, std::memory_order::acquire);
    const std::uint64_t ecs_epoch = words_.load(Field::kEcsEpoch, std::memory_order::acquire);
    const std::uint64_t after = words_.load(Field::kSnapshotSeq, std::memory_order::acquire);
    if (before != after) [[unlikely]]
      return std::nullopt;
    return ShmSnapshot{CommitSeq(commit_seq), SchemaEpoch(schema_epoch), ecs_epoch};
  }

 private:
  W& words_;
};

}  // namespace fsqlshm::reference

#endif  // FSQLSHM_REFERENCE_SEQLOCK_H_
