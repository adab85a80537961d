// The hardened serialized-writer indicator. Same words, same meaning, and sequentially the same
// bytes as the published one; the defects D2 to D6 of that are gone.
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
// The payload names who claims or cleans: 22 bits of pid (the kernel's PID_MAX_LIMIT is 2^22) and 40
// bits of birth. On a file the birth is the random token of one open, so the name is that of an open
// and dies with it, at an exec too (shm_file.h). Elsewhere it is the start time in clock ticks (348
// years at 100 Hz). A name that does not fit is stored as "unknown" and is never judged dead; `clear`
// repairs what it leaves behind.
//
// Thread safety: any number of threads and processes.
// REQUIRES: an id is used for one acquire only (ids come from alloc_txn_id). A second use would let
// a check that was preempted for the whole first tenure evict the second.
//
// Invariants:
//   I1  pid, birth and lease are written only by the process that the state names, so no late store
//       can hit a successor: exclusion (P1), integrity (P2) and eviction (P5).
//   I2  A check that finds CLAIMING or CLEANING asks only whether the process named there lives,
//       and takes over if it is dead: every death is repaired (P4).
//   I3  Free means that all four words are zero (P3).
//   I4  No operation waits for another (P6):
//       `acquire` and `release` do not loop;
//       `check_exclusion` looks again only after another process changed the state.

#ifndef FSQLSHM_HARDENED_WRITER_INDICATOR_H_
#define FSQLSHM_HARDENED_WRITER_INDICATOR_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "fsqlshm/process.h"
#include "fsqlshm/types.h"
#include "fsqlshm/words.h"
#include "fsqlshm/writer_words.h"

namespace fsqlshm::hardened {

/// What the top two bits of the state word say.
enum class WriterTag : std::uint8_t {
  kFreeOrOwned = 0,  ///< nobody, or the owner's id
  kClaiming = 1,     ///< the process named there is about to own it
  kCleaning = 2,     ///< the process named there zeroes the words
  kUnused = 3,       ///< an id that nobody knows
};

/// What the state word says.
[[nodiscard]] constexpr WriterTag writer_tag(std::uint64_t state) noexcept {
  return static_cast<WriterTag>(state >> 62);
}

/// Bits of a birth that fit into a state word.
inline constexpr int kClaimTickBits = 40;
/// Bits of a pid that fit into a state word.
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

/// The indicator, over any implementation of the seam.
template <Words W>
class WriterIndicator {
 public:
  explicit WriterIndicator(W& words) noexcept
      : words_(words) {}  ///< REQUIRES: `words` outlives it.

  /// False if any process holds, claims or cleans the indicator, be it dead or alive: what a
  /// process that died left behind is repaired by `check_exclusion`.
  bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease_expiry) {
    const std::uint64_t claiming = state_word(WriterTag::kClaiming, {pid, birth});
    std::uint64_t expected = 0;
    // (1) Synchronizes with the (6) that freed the indicator, so that the zeroes of that cleaning
    // come before the words written below. Without it a zero could overwrite one of them.
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, claiming,
                                 std::memory_order::acquire, std::memory_order::relaxed)) {
      return false;
    }
    // (2) Only this process writes the words while the state names it; (3) publishes them. A check
    // that reads one before (3) has met a live claimer and may answer busy.
    const std::uint64_t old =
        words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::relaxed);
    words_.store(Field::kSerializedWriterPidAndGen, next_pid_and_gen(old, pid),
                 std::memory_order::relaxed);
    words_.store(Field::kSerializedWriterPidBirth, birth, std::memory_order::relaxed);
    words_.store(Field::kSerializedWriterLeaseExpiry, lease_expiry, std::memory_order::relaxed);
    // (3) Synchronizes with (7), so that a check that finds the id judges these words. Without it a
    // check could judge this owner by the words of its predecessor and evict it (D5). The exchange
    // fails only if a check took this process for dead; then the indicator is not ours.
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
    // (4) Synchronizes with (7), so that a check that finds CLEANING and answers kOk sees what the
    // owner did before its release. Without it the next writer could miss the owner's last changes.
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, cleaning,
                                 std::memory_order::release, std::memory_order::relaxed)) {
      return false;
    }
    clean(cleaning);
    return true;
  }

  /// The owner's id; none while the indicator is free, claimed or cleaned.
  [[nodiscard]] std::optional<TxnId> check() const {
    const auto id =
        TxnId::from_raw(words_.load(Field::kSerializedWriterTxnId, std::memory_order::acquire));
    return id ? std::optional(*id) : std::nullopt;
  }

  /// kOk if no process owns or claims the indicator, or a stale owner was cleared; kBusy if a live
  /// one does. Finishes what claimers and cleaners that died left undone.
  template <class Alive>
  [[nodiscard]] Exclusion check_exclusion(std::uint64_t now_epoch_secs, Alive&& alive) {
    while (true) {
      const std::uint64_t state = load_state();
      if (state == 0) return Exclusion::kOk;
      const WriterTag tag = writer_tag(state);
      if (tag == WriterTag::kClaiming || tag == WriterTag::kCleaning) {
        const ProcessIdentity who = process_of(state);
        if (!known_dead(who.pid, who.birth, alive)) {
          // An owner in the middle of its release, or one that was evicted, excludes nobody.
          return tag == WriterTag::kCleaning ? Exclusion::kOk : Exclusion::kBusy;
        }
      } else if (!stale(load_words(), now_epoch_secs, alive)) {
        // (9) If the state has changed, the words were not this owner's: the zeroes that a release
        // or an eviction writes look like an owner that nothing can judge. A check that read such
        // a zero at (8) has synchronized with its store and sees the change here. Without the
        // second look it would answer busy although no writer lives (D6).
        if (words_.load(Field::kSerializedWriterTxnId, std::memory_order::relaxed) == state) {
          return Exclusion::kBusy;
        }
        words_.pause();
        continue;
      }
      if (evict(state)) return Exclusion::kOk;
      words_.pause();
    }
  }

  /// Frees the indicator if its state is `state`, whatever that says; false if it is not, or is 0.
  /// REQUIRES: the caller knows that who is named there is gone.
  bool clear(std::uint64_t state) { return state != 0 && load_state() == state && evict(state); }

 private:
  std::uint64_t load_state() const {
    // (7) Synchronizes with the (3), (4) or (6) that wrote what it finds, so that the words read
    // by (8) are not older than the state, and kOk means that the last owner's work is visible.
    return words_.load(Field::kSerializedWriterTxnId, std::memory_order::acquire);
  }

  // REQUIRES: load_state found `state`.
  bool evict(std::uint64_t state) {
    const std::uint64_t cleaning = state_word(WriterTag::kCleaning, words_.self());
    // (5) It succeeds only if the state did not change since (7), so the words that were judged
    // are those of the owner that is evicted. It can be relaxed: (7) has acquired the owner's
    // words, (6) releases the zeroes, and the kernel reports a death after the last store of the
    // process that died.
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, state, cleaning,
                                 std::memory_order::relaxed, std::memory_order::relaxed)) {
      return false;
    }
    clean(cleaning);
    return true;
  }

  // A lease protects an owner from a guess, not from certainty (`Alive::kCertain`).
  template <class Alive>
  static bool stale(const WriterWords& owner, std::uint64_t now_epoch_secs, Alive& alive) {
    if constexpr (requires { requires std::remove_cvref_t<Alive>::kCertain; }) {
      if (known_dead(pid_of(owner.pid_and_gen), owner.birth, alive)) return true;
    }
    return owner.stale(now_epoch_secs, alive);
  }

  WriterWords load_words() const {
    WriterWords seen;
    // (8) Each synchronizes with the store that it reads from and is ordered before (9), so that a
    // zero of a release is followed by a state that has changed.
    seen.pid_and_gen = words_.load(Field::kSerializedWriterPidAndGen, std::memory_order::acquire);
    seen.birth = words_.load(Field::kSerializedWriterPidBirth, std::memory_order::acquire);
    seen.lease_expiry =
        words_.load(Field::kSerializedWriterLeaseExpiry, std::memory_order::acquire);
    return seen;
  }

  // CLEANING to free. REQUIRES: the state was set to `cleaning` by this thread.
  void clean(std::uint64_t cleaning) {
    // For (8): a check that reads a zero sees that the state has changed.
    words_.store(Field::kSerializedWriterPidAndGen, 0, std::memory_order::release);
    words_.store(Field::kSerializedWriterPidBirth, 0, std::memory_order::release);
    words_.store(Field::kSerializedWriterLeaseExpiry, 0, std::memory_order::release);
    // (6) Synchronizes with (1) and (7), so that the next owner's words come after these zeroes.
    // The exchange fails only if a check took this process for dead; then that check zeroes the
    // words again and frees the indicator.
    words_.compare_exchange(Field::kSerializedWriterTxnId, cleaning, 0, std::memory_order::release,
                            std::memory_order::relaxed);
  }

  W& words_;
};

}  // namespace fsqlshm::hardened

#endif  // FSQLSHM_HARDENED_WRITER_INDICATOR_H_
