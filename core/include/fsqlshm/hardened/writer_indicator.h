// The hardened serialized-writer indicator. Same words, same meaning, and sequentially the same
// bytes as the published one; the defects D2 to D5 of that are gone.
//
// A TxnId needs 62 bits, so the top two bits of serialized_writer_txn_id are free to say what is
// going on. The word is a state:
//
//   00  free (0) or owned (an id)
//   01  CLAIMING  payload: the process that is about to own it
//   10  CLEANING  payload: the process that zeroes the words, on release or after an eviction
//   11  unused; treated like an id that nobody knows, so a lease or a death can still clear it
//
//            (1)                (3)
//   free ----------> CLAIMING ---------> owned
//    ^                   |                 |
//    |       (5) claimer | dead            | (4) release, (5) stale
//    |                   v                 |
//    +-------------- CLEANING <------------+
//            (6)       |   ^
//                      +---+ (5) cleaner dead
//
// The payload is the exact identity on Linux: 22 bits of pid (the kernel's PID_MAX_LIMIT is 2^22)
// and 40 bits of start time in clock ticks (348 years at 100 Hz). An identity that does not fit is
// stored as "unknown" and is never judged dead.
//
// Thread safety: any number of threads and processes.
// REQUIRES: an id is used for one acquire only (ids come from alloc_txn_id). A second use would let
// a check that was preempted for the whole first tenure evict the second.
//
// Invariants:
//   I1  pid, birth and lease are written only by whoever the state names, so no late store can hit
//       a successor: exclusion (P1), integrity (P2) and eviction (P5).
//   I2  Whoever finds CLAIMING or CLEANING judges it by nothing but the life of the process named
//       there, and takes over if that is dead: every death is repaired (P4).
//   I3  Free means that all four words are zero (P3).
//   I4  No operation waits for another (P6):
//       `acquire` and `release` do not loop;
//       `check_exclusion` looks again only after somebody else changed the state.

#ifndef FSQLSHM_HARDENED_WRITER_INDICATOR_H_
#define FSQLSHM_HARDENED_WRITER_INDICATOR_H_

#include <atomic>
#include <cstdint>
#include <optional>

#include "fsqlshm/process.h"
#include "fsqlshm/types.h"
#include "fsqlshm/words.h"
#include "fsqlshm/writer_words.h"

namespace fsqlshm::hardened {

/// What the top two bits of the state word say.
enum class WriterTag : std::uint8_t { kFreeOrOwned = 0, kClaiming = 1, kCleaning = 2, kUnused = 3 };

[[nodiscard]] constexpr WriterTag writer_tag(std::uint64_t state) noexcept {
  return static_cast<WriterTag>(state >> 62);
}

inline constexpr int kClaimTickBits = 40;
inline constexpr int kClaimPidBits = 22;

/// The state word of a process that is claiming or cleaning.
[[nodiscard]] constexpr std::uint64_t state_word(WriterTag tag, ProcessIdentity who) noexcept {
  const std::uint64_t ticks = who.birth & ~kKnownBirth;
  const bool fits = (who.birth & kKnownBirth) != 0 && (ticks >> kClaimTickBits) == 0 &&
                    (who.pid >> kClaimPidBits) == 0;
  const std::uint64_t payload =
      fits ? (std::uint64_t{who.pid} << kClaimTickBits) | ticks : std::uint64_t{0};
  return (static_cast<std::uint64_t>(tag) << 62) | payload;
}

/// The process that a CLAIMING or CLEANING word names; all zero if that is unknown.
[[nodiscard]] constexpr ProcessIdentity process_of(std::uint64_t state) noexcept {
  const std::uint64_t ticks = state & ((std::uint64_t{1} << kClaimTickBits) - 1);
  const auto pid = static_cast<std::uint32_t>((state & TxnId::kMaxRaw) >> kClaimTickBits);
  if (pid == 0) return {};
  return {.pid = pid, .birth = kKnownBirth | ticks};
}

template <Words W>
class WriterIndicator {
 public:
  explicit WriterIndicator(W& words) noexcept : words_(words) {}

  /// False if somebody holds, claims or cleans the indicator, be they dead or alive: what a dead
  /// one left behind is repaired by `check_exclusion`.
  bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease_expiry) {
    const std::uint64_t claiming = state_word(WriterTag::kClaiming, {pid, birth});
    std::uint64_t expected = 0;
    // (1) Synchronizes with the (6) that freed the indicator: the zeroes come before our words.
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, claiming,
                                 std::memory_order::acquire, std::memory_order::relaxed)) {
      return false;
    }
    // (2) Ours alone while the state says so; published by (3). A check that reads one before that
    // has met a live claimer, so it may answer busy.
    const std::uint64_t old =
        words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::relaxed);
    words_.store(Field::kSerializedWriterPidAndGen, next_pid_and_gen(old, pid),
                 std::memory_order::relaxed);
    words_.store(Field::kSerializedWriterPidBirth, birth, std::memory_order::relaxed);
    words_.store(Field::kSerializedWriterLeaseExpiry, lease_expiry, std::memory_order::relaxed);
    // (3) Synchronizes with (7): who sees the id sees the words. It fails only if somebody took us
    // for dead, and then the indicator is not ours.
    expected = claiming;
    return words_.compare_exchange(Field::kSerializedWriterTxnId, expected, id.get(),
                                   std::memory_order::release, std::memory_order::relaxed);
  }

  /// False if `id` does not hold the indicator (any more). The owner may call it from any thread.
  bool release(TxnId id) {
    // If the indicator is ours, these are our own words and name us; if not, (4) fails.
    const std::uint64_t pid_and_gen =
        words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::relaxed);
    const std::uint64_t birth =
        words_.load(Field::kSerializedWriterPidBirth, std::memory_order::relaxed);
    const std::uint64_t cleaning = state_word(WriterTag::kCleaning, {pid_of(pid_and_gen), birth});
    std::uint64_t expected = id.get();
    // (4) Synchronizes with (7): a check that finds CLEANING answers kOk, and what the owner did
    // before it let go has happened by then.
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, cleaning,
                                 std::memory_order::release, std::memory_order::relaxed)) {
      return false;
    }
    clean(cleaning);
    return true;
  }

  /// The owner's id; none if nobody owns the indicator, also while somebody is claiming it.
  [[nodiscard]] std::optional<TxnId> check() const {
    const auto id =
        TxnId::from_raw(words_.load(Field::kSerializedWriterTxnId, std::memory_order::acquire));
    return id ? std::optional(*id) : std::nullopt;
  }

  /// kOk if nobody owns or claims the indicator, or a stale owner was cleared; kBusy if somebody
  /// alive does. Finishes what dead claimers and cleaners left undone.
  template <class Alive>
  [[nodiscard]] Exclusion check_exclusion(std::uint64_t now_epoch_secs, Alive&& alive) {
    while (true) {
      // (7) Synchronizes with the (3), (4) or (6) that wrote what it finds.
      std::uint64_t state = words_.load(Field::kSerializedWriterTxnId, std::memory_order::acquire);
      if (state == 0) return Exclusion::kOk;
      const WriterTag tag = writer_tag(state);
      if (tag == WriterTag::kClaiming || tag == WriterTag::kCleaning) {
        const ProcessIdentity who = process_of(state);
        if (!known_dead(who.pid, who.birth, alive)) {
          // An owner that is letting go, or was evicted, excludes nobody.
          return tag == WriterTag::kCleaning ? Exclusion::kOk : Exclusion::kBusy;
        }
      } else if (!load_words().stale(now_epoch_secs, alive)) {
        // (9) If the state has changed, the words were not this owner's: zeroes that a release or
        // an eviction wrote look like an owner that nobody can judge. Who read such a word has
        // synchronized with its store, and so sees the change.
        if (words_.load(Field::kSerializedWriterTxnId, std::memory_order::relaxed) == state) {
          return Exclusion::kBusy;
        }
        words_.pause();
        continue;
      }
      const std::uint64_t cleaning = state_word(WriterTag::kCleaning, words_.self());
      // (5) It succeeds only if the state did not change since (7), so the words that were judged
      // are those of the owner that is evicted. Nothing is read through it and nothing released by
      // it: (7) has acquired the owner's words, (6) releases the zeroes, and a death is learnt from
      // the kernel, which reports it after the last store of the dead.
      if (words_.compare_exchange(Field::kSerializedWriterTxnId, state, cleaning,
                                  std::memory_order::relaxed, std::memory_order::relaxed)) {
        clean(cleaning);
        return Exclusion::kOk;
      }
      words_.pause();
    }
  }

 private:
  WriterWords load_words() const {
    WriterWords seen;
    // (8) Each synchronizes with the store that it reads from, and stays before (9).
    seen.pid_and_gen = words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::acquire);
    seen.birth = words_.load(Field::kSerializedWriterPidBirth, std::memory_order::acquire);
    seen.lease_expiry =
        words_.load(Field::kSerializedWriterLeaseExpiry, std::memory_order::acquire);
    return seen;
  }

  // CLEANING to free, by whoever `cleaning` names.
  void clean(std::uint64_t cleaning) {
    // For (8): whoever reads a zero knows that the state has changed.
    words_.store(Field::kSerializedWriterPidAndGen, 0, std::memory_order::release);
    words_.store(Field::kSerializedWriterPidBirth, 0, std::memory_order::release);
    words_.store(Field::kSerializedWriterLeaseExpiry, 0, std::memory_order::release);
    // (6) Synchronizes with (1) and (7). It fails only if somebody took us for dead; then they
    // zero the words and free the indicator.
    words_.compare_exchange(Field::kSerializedWriterTxnId, cleaning, 0, std::memory_order::release,
                            std::memory_order::relaxed);
  }

  W& words_;
};

}  // namespace fsqlshm::hardened

#endif  // FSQLSHM_HARDENED_WRITER_INDICATOR_H_
