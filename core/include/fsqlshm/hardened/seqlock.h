// A seqlock over (commit_seq, schema_epoch, ecs_epoch) without a locked instruction.
//
// The algorithm is that of H.-J. Boehm, "Can Seqlocks Get Along With Programming Language Memory
// Models?" (MSPC 2012), with ordered accesses in the place of fences: a fence orders less visibly,
// and ThreadSanitizer does not understand it.
//
// Thread safety: any number of readers; publishers only one at a time (the publication lock).
//
// Invariants:
//   I1  snapshot_seq is odd while the triple changes and even otherwise. It is odd without a
//       publisher only after the death of one, until the next publish or reconcile.
//   I2  A triple that a read returns was published as a whole by one publish.
//   I3  Successive reads of one reader never go back in publication order.
//   I4  A reader that sees a new commit_seq sees its schema_epoch too (schema changes are published
//       before the commits that need them).
//
// Why it holds. A reader that finds an even number at (6) has everything up to the publish that
// ended with it: (6) synchronizes with (5). If any data load (7) then returns a younger value, it
// synchronizes with the store (2), (3) or (4) that wrote it; the odd number (1) is sequenced before
// that store, so the load (8) finds (1) or something younger, and the read is refused.

#ifndef FSQLSHM_HARDENED_SEQLOCK_H_
#define FSQLSHM_HARDENED_SEQLOCK_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "fsqlshm/words.h"

/// The protocol to use.
namespace fsqlshm::hardened {

/// The seqlock, over any implementation of the seam.
template <Words W>
class Seqlock {
 public:
  explicit Seqlock(W& words) noexcept : words_(words) {}  ///< REQUIRES: `words` outlives it.

  /// Opens the window: even to odd; the number that a dead publisher left odd stays as it is.
  /// REQUIRES: the caller holds the publication lock until after `end`.
  void begin() { open(); }

  /// Closes the window.
  /// REQUIRES: as for `begin`, which came before.
  void end() { close(words_.load(Field::kSnapshotSeq, std::memory_order::relaxed)); }

  /// Puts `snapshot` in force. The sequence number is loaded once: a second load would have to
  /// fetch the cache line back from the readers while the window is open. REQUIRES: the caller
  /// holds the publication lock.
  void publish(const ShmSnapshot& snapshot) {
    const std::uint64_t seq = open();
    // (2) (3) (4) Each synchronizes with the (7) that reads it and carries (1) along, so that a
    // reader that got a new value finds the odd number at (8) and refuses the torn triple.
    words_.store(Field::kSchemaEpoch, snapshot.schema_epoch.get(), std::memory_order::release);
    words_.store(Field::kEcsEpoch, snapshot.ecs_epoch, std::memory_order::release);
    words_.store(Field::kCommitSeq, snapshot.commit_seq.get(), std::memory_order::release);
    close(seq);
  }

  /// Puts what is durable in force, be the number odd or even: readers may be at work.
  /// REQUIRES: as for `publish`.
  void reconcile(const ShmSnapshot& durable) { publish(durable); }

  /// One attempt, five loads; none if a publish was in progress or intervened.
  [[nodiscard]] std::optional<ShmSnapshot> try_load_once() const {
    // (6) Synchronizes with (5), so that a reader that sees the even number sees the triple of that
    // publish, not one from before it.
    const std::uint64_t before = words_.load(Field::kSnapshotSeq, std::memory_order::acquire);
    if (before % 2 == 1) [[unlikely]]
      return std::nullopt;
    // (7) Each synchronizes with the store that wrote what it returns, and is ordered before (8):
    // otherwise (8) could run first and miss the publish that changed the value.
    const std::uint64_t commit_seq = words_.load(Field::kCommitSeq, std::memory_order::acquire);
    const std::uint64_t schema_epoch = words_.load(Field::kSchemaEpoch, std::memory_order::acquire);
    const std::uint64_t ecs_epoch = words_.load(Field::kEcsEpoch, std::memory_order::acquire);
    // (8) Only compared with (6), so it can be relaxed.
    const std::uint64_t after = words_.load(Field::kSnapshotSeq, std::memory_order::relaxed);
    if (before != after) [[unlikely]]
      return std::nullopt;
    return ShmSnapshot{CommitSeq(commit_seq), SchemaEpoch(schema_epoch), ecs_epoch};
  }

 private:
  // The odd number that is in force from here on.
  std::uint64_t open() {
    const std::uint64_t seq =
        words_.load(Field::kSnapshotSeq, std::memory_order::relaxed) | std::uint64_t{1};
    // (1) Can be relaxed: each of the data stores after it is a release and carries it along.
    words_.store(Field::kSnapshotSeq, seq, std::memory_order::relaxed);
    return seq;
  }

  void close(std::uint64_t seq) {
    // (5) Synchronizes with (6), so that the triple is visible before the even number is.
    words_.store(Field::kSnapshotSeq, seq + 1, std::memory_order::release);
  }

  W& words_;
};

}  // namespace fsqlshm::hardened

#endif  // FSQLSHM_HARDENED_SEQLOCK_H_
