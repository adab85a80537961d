// The published serialized-writer indicator, as FrankenSQLite has it.
//
// Kept as a subject of the harness: DO NOT USE it without a global writer mutex around it. It
// shares no code with hardened/writer_indicator.h on purpose: it stays as published when that
// changes. The harness shows these defects in it:
//   D2  A writer that dies between (1) and (4) leaves an id without pid, birth and lease, which
//       counts as live for ever.
//   D3  `release` clears birth and lease by value, after it gave the indicator up: a successor of
//       any process that has an equal lease loses it, one of the same process its birth too.
//   D4  A release zeroes the generation, so that the next owner writes the same pid word again and
//       a late clear of its predecessor hits it.
//   D5  Between (1) and (4) a claimer is judged by what its predecessor left behind; an expired
//       lease there evicts a live writer.
//   D6  A check that reads the zeroes of a release takes them for a writer without a lease and
//       answers busy although no writer lives.
//
// Thread safety: any number of threads and processes, with the defects above.
//
// Invariants (sequentially):
//   I1  serialized_writer_txn_id is 0 or the owner's id.
//   I2  When it is 0, so are pid and generation, birth and lease.

#ifndef FSQLSHM_REFERENCE_WRITER_INDICATOR_H_
#define FSQLSHM_REFERENCE_WRITER_INDICATOR_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "fsqlshm/words.h"
#include "fsqlshm/writer_words.h"

namespace fsqlshm::reference {

/// The published indicator, over any implementation of the seam.
template <Words W>
class WriterIndicator {
 public:
  /// How often a check looks again before it believes that a writer is stale.
  static constexpr int kTornReadSpins = 10;

  explicit WriterIndicator(W& words) noexcept
      : words_(words) {}  ///< REQUIRES: `words` outlives it.

  /// False if another writer holds the indicator.
  bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease_expiry) {
    std::uint64_t expected = 0;
    // (1) Synchronizes with the (5) or (9) that freed the indicator.
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, id.get(),
                                 std::memory_order::acq_rel, std::memory_order::acquire)) {
      return false;
    }
    const std::uint64_t old =
        words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::acquire);
    // (2) (3) (4) Each synchronizes with the load of the same word in `check_exclusion`.
    words_.store(Field::kSerializedWriterPidAndGen, next_pid_and_gen(old, pid),
                 std::memory_order::release);
    words_.store(Field::kSerializedWriterPidBirth, birth, std::memory_order::release);
    words_.store(Field::kSerializedWriterLeaseExpiry, lease_expiry, std::memory_order::release);
    return true;
  }

  /// False if `id` does not hold the indicator.
  bool release(TxnId id) {
    const WriterWords mine = load_words();
    std::uint64_t expected = id.get();
    // (5) Synchronizes with the (1) of the next owner.
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, 0,
                                 std::memory_order::acq_rel, std::memory_order::acquire)) {
      return false;
    }
    clear_words(mine);
    return true;
  }

  /// The owner's id; none for 0 and for words that are no id.
  [[nodiscard]] std::optional<TxnId> check() const {
    const auto id =
        TxnId::from_raw(words_.load(Field::kSerializedWriterTxnId, std::memory_order::acquire));
    return id ? std::optional(*id) : std::nullopt;
  }

  /// kOk if nobody holds the indicator or a stale owner was cleared, kBusy if a live one holds it.
  template <class Alive>
  [[nodiscard]] Exclusion check_exclusion(std::uint64_t now_epoch_secs, Alive&& alive) {
    while (true) {
      // (6) Synchronizes with (1).
      const std::uint64_t id =
          words_.load(Field::kSerializedWriterTxnId, std::memory_order::acquire);
      if (id == 0) return Exclusion::kOk;
      const WriterWords seen = load_words();
      if (!seen.stale(now_epoch_secs, alive)) return Exclusion::kBusy;
      if (changes_while_spinning(id, seen.pid_and_gen)) continue;
      std::uint64_t expected = id;
      // (9) Synchronizes with the (1) of the next owner.
      if (words_.compare_exchange(Field::kSerializedWriterTxnId, expected, 0,
                                  std::memory_order::acq_rel, std::memory_order::acquire)) {
        clear_words(seen);
        return Exclusion::kOk;
      }
    }
  }

 private:
  WriterWords load_words() const {
    WriterWords seen;
    seen.pid_and_gen = words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::acquire);
    seen.birth = words_.load(Field::kSerializedWriterPidBirth, std::memory_order::acquire);
    seen.lease_expiry =
        words_.load(Field::kSerializedWriterLeaseExpiry, std::memory_order::acquire);
    return seen;
  }

  // Zeroes each word that still holds what was seen: D3 and D4.
  void clear_words(WriterWords seen) {
    words_.compare_exchange(Field::kSerializedWriterPidAndGen, seen.pid_and_gen, 0,
                            std::memory_order::acq_rel, std::memory_order::relaxed);
    words_.compare_exchange(Field::kSerializedWriterPidBirth, seen.birth, 0,
                            std::memory_order::acq_rel, std::memory_order::relaxed);
    words_.compare_exchange(Field::kSerializedWriterLeaseExpiry, seen.lease_expiry, 0,
                            std::memory_order::acq_rel, std::memory_order::relaxed);
  }

  // Whether the indicator changed hands within a few turns. It is meant to give a claimer the time
  // to write its words; a claimer that is preempted between (1) and (2) gains nothing by it: D5.
  bool changes_while_spinning(std::uint64_t id, std::uint64_t pid_and_gen) const {
    for (int spin = 0; spin < kTornReadSpins; ++spin) {
      words_.pause();
      if (words_.load(Field::kSerializedWriterTxnId, std::memory_order::acquire) != id ||
          words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::acquire) !=
              pid_and_gen) {
        return true;
      }
    }
    return false;
  }

  W& words_;
};

}  // namespace fsqlshm::reference

#endif  // FSQLSHM_REFERENCE_WRITER_INDICATOR_H_
