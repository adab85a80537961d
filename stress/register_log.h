// What is known, outside of the header, about a register that one writer at a time sets to
// ascending values: enough to judge every single read of it.
//
// A history of such a register is linearizable if and only if (Lamport, "On Interprocess
// Communication", 1986), for every read with value n:
//   R1  the write of n began before the read ended;
//   R2  no write of a later value had ended before the read began;
//   R3  no read that ended before this one began returned a later value (new-old inversion).
//
// `begun` and `done` are set by the writer around each write, `seen` by readers. A read takes
// low = max(done, seen) before it starts, and then checks low <= n <= begun.
//   R1 is n <= begun, loaded after the read.
//   R2 is done <= n, loaded before the read.
//   R3: an earlier read that returned m found, after its end, either m <= done, and then R2 covers
//   it (done never goes down), or m > done, and then it raised `seen` to m, which low includes. So
//   the shared line `seen` is written only by reads that meet a write in the act.
// Reads and writes count from the first to the last of these accesses, so the check never blames a
// correct register, and it is complete for everything that is ordered through this log. A writer
// that died leaves a value that may or may not take effect until a later value is done, as for any
// write that never ended.
//
// Thread safety: writers one at a time; any number of readers, in any process.

#ifndef FSQLSHM_STRESS_REGISTER_LOG_H_
#define FSQLSHM_STRESS_REGISTER_LOG_H_

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "fsqlshm/types.h"
#include "harness/random.h"

namespace fsqlshm::stress {

using harness::mix;

enum class ReadVerdict : std::uint8_t { kGood, kTooOld, kFromTheFuture };

class RegisterLog {
 public:
  /// The next value to write; the caller is the one writer.
  [[nodiscard]] std::uint64_t next() const { return begun_.load(std::memory_order_acquire) + 1; }
  [[nodiscard]] std::uint64_t begun() const { return begun_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t done() const { return done_.load(std::memory_order_acquire); }

  void begin_write(std::uint64_t n) { begun_.store(n, std::memory_order_release); }
  void end_write(std::uint64_t n) { done_.store(n, std::memory_order_release); }

  /// Before a read: the least value that it may return.
  [[nodiscard]] std::uint64_t begin_read() const {
    return std::max(done(), seen_.load(std::memory_order_acquire));
  }
  /// After a read that returned `n`.
  [[nodiscard]] ReadVerdict end_read(std::uint64_t low, std::uint64_t n) {
    if (n < low) return ReadVerdict::kTooOld;
    if (n > begun()) return ReadVerdict::kFromTheFuture;
    if (n > done()) raise_seen(n);
    return ReadVerdict::kGood;
  }

 private:
  void raise_seen(std::uint64_t n) {
    std::uint64_t seen = seen_.load(std::memory_order_relaxed);
    while (seen < n && !seen_.compare_exchange_weak(seen, n, std::memory_order_acq_rel)) {
    }
  }

  alignas(64) std::atomic<std::uint64_t> begun_ = 0;
  std::atomic<std::uint64_t> done_ = 0;
  alignas(64) std::atomic<std::uint64_t> seen_ = 0;
};

/// The triple that publish number `n` puts in force. All of it follows from n, so a read that mixes
/// two publishes shows by itself. 0 is what a new header holds.
[[nodiscard]] constexpr ShmSnapshot triple_of(std::uint64_t n) noexcept {
  if (n == 0) return ShmSnapshot();
  return {CommitSeq(n), SchemaEpoch(mix(n)), mix(~n)};
}

/// Whether `snapshot` is the triple of any publish.
[[nodiscard]] constexpr bool whole(const ShmSnapshot& snapshot) noexcept {
  return snapshot == triple_of(snapshot.commit_seq.get());
}

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_REGISTER_LOG_H_
