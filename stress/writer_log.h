// What is known, outside of the header, about who is the serialized writer: a log of tenures with
// fencing tokens of its own, by which the properties of the writer indicator are judged.
//
// A tenure is entered after its acquire succeeded and left before its release is called, so while
// it is in the log the owner really owns; it is protected until its lease runs out or its process is
// killed. "Killed" is what the parent noted before it sent the signal. The published protocol lets a
// lease outlive its process; there a tenure with a lease is protected until that runs out.
//
//   P1  An acquire succeeded, so the tenure in the log must not be protected any more at the time
//       it returned. And: a check answered ok, so no tenure that spans the whole check may have
//       been protected.
//   P2  While a tenure is protected, id, pid, birth and lease are the owner's.
//   P3  A new owner's generation is 1: the words were zero when the indicator was free.
//   P4  A check that began when the parent had reaped the owner's process does not answer busy
//       because of that owner, lease or not: deaths are certain.
//   P5  A protected owner's release succeeds; one that was succeeded by another gets false.
//
// Thread safety: all of it, from any process, at any time.

#ifndef FSQLSHM_STRESS_WRITER_LOG_H_
#define FSQLSHM_STRESS_WRITER_LOG_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace fsqlshm::stress {

inline constexpr std::size_t kMaxWorkers = 32;

/// Whom the parent killed, when it was about to, and whom it has reaped.
class KillLog {
 public:
  /// REQUIRES: the parent calls, before it sends the signal; incarnations ascend.
  void about_to_kill(std::size_t worker, std::uint64_t incarnation, std::uint64_t now_ns) {
    // In this order: an earlier incarnation counts as killed all the time. This one may do so too
    // early, by the time between the two stores.
    entries_[worker].incarnation.store(incarnation);
    entries_[worker].when_ns.store(now_ns);
  }
  /// Whether this incarnation's kill was sent at or before `now_ns`.
  [[nodiscard]] bool killed(std::size_t worker, std::uint64_t incarnation,
                            std::uint64_t now_ns) const {
    const Entry& entry = entries_[worker];
    while (true) {
      const std::uint64_t last = entry.incarnation.load();
      if (last != incarnation) return last > incarnation;
      const std::uint64_t when = entry.when_ns.load();
      if (entry.incarnation.load() == last) return when <= now_ns;
    }
  }

  /// REQUIRES: the parent calls, when the process is gone.
  void note_reaped(std::size_t worker, std::uint64_t incarnation) {
    entries_[worker].reaped.store(incarnation);
  }
  /// Also false if a child of it may still be inside of fork: that has its descriptors, and so its
  /// locks.
  [[nodiscard]] bool reaped(std::size_t worker, std::uint64_t incarnation) const {
    const Entry& entry = entries_[worker];
    const std::uint64_t forks = entry.forks[incarnation % kForkSlots].load();
    const bool forking = forks / kMaxForks == incarnation && forks % kMaxForks != 0;
    return !forking && entry.reaped.load() >= incarnation;
  }
  /// Before a fork. REQUIRES: fewer than kMaxForks children of this incarnation are inside of one.
  void fork_begins(std::size_t worker, std::uint64_t incarnation) {
    std::atomic<std::uint64_t>& forks = entries_[worker].forks[incarnation % kForkSlots];
    std::uint64_t found = forks.load();
    const std::uint64_t none = incarnation * kMaxForks;
    while (!forks.compare_exchange_weak(found,
                                        (found / kMaxForks == incarnation ? found : none) + 1)) {
    }
  }
  /// After it, in the child, or in the parent if there is no child.
  void fork_ends(std::size_t worker, std::uint64_t incarnation) {
    std::atomic<std::uint64_t>& forks = entries_[worker].forks[incarnation % kForkSlots];
    std::uint64_t found = forks.load();
    while (found / kMaxForks == incarnation && !forks.compare_exchange_weak(found, found - 1)) {
    }
  }

 private:
  static constexpr std::uint64_t kMaxForks = 64;
  // A child may still be inside of fork when its parent's successors fork.
  static constexpr std::uint64_t kForkSlots = 64;
  struct Entry {
    std::atomic<std::uint64_t> incarnation = 0;  // the last that was killed; the first is 1
    std::atomic<std::uint64_t> when_ns = 0;
    std::atomic<std::uint64_t> reaped = 0;  // the last incarnation of which nothing is left
    // kMaxForks * incarnation + children inside of fork
    std::array<std::atomic<std::uint64_t>, kForkSlots> forks{};
  };
  std::array<Entry, kMaxWorkers> entries_{};
};

/// The clock by which leases are judged, in "seconds" that last `tick_ns`: a lease of 30 of them is
/// over soon enough to be seen expiring many times in a run.
struct LeaseClock {
  std::uint64_t start_ns = 0;
  std::uint64_t tick_ns = 5'000'000;
  static constexpr std::uint64_t kEpoch = 1'000'000;

  [[nodiscard]] std::uint64_t at(std::uint64_t now_ns) const {
    return kEpoch + (now_ns - start_ns) / tick_ns;
  }
};

struct Tenure {
  std::uint64_t id = 0;     ///< transaction id
  std::uint64_t lease = 0;  ///< in the clock's seconds, 0: none
  std::uint64_t worker = 0;
  std::uint64_t incarnation = 0;
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): written words on lines of their own
class WriterLog {
 public:
  WriterLog(const LeaseClock& clock, const KillLog& kills) : clock_(clock), kills_(kills) {}

  /// Whether leases outlive their processes, as in the published protocol. REQUIRES: nobody uses the
  /// log yet.
  void leases_outlive_processes(bool they_do) { leases_outlive_ = they_do; }

  /// Announces a tenure to be: its token is what `enter` and `leave` want.
  [[nodiscard]] std::uint64_t announce(const Tenure& tenure) {
    const std::uint64_t token = next_token_.fetch_add(1);
    Slot& slot = ring_[token % kRing];
    slot.token.store(0);
    slot.id.store(tenure.id);
    slot.lease.store(tenure.lease);
    slot.worker.store(tenure.worker);
    slot.incarnation.store(tenure.incarnation);
    slot.token.store(token);
    return token;
  }

  /// Whether the tenure has lost its protection by `now_ns`. A token that is so old that its entry
  /// was used again is over for sure.
  [[nodiscard]] bool over(std::uint64_t token, std::uint64_t now_ns) const {
    const auto tenure = find(token);
    if (!tenure) return true;
    if (tenure->lease != 0 && clock_.at(now_ns) >= tenure->lease) return true;
    if (tenure->lease != 0 && leases_outlive_) return false;
    return kills_.killed(tenure->worker, tenure->incarnation, now_ns);
  }

  /// The transaction id of a tenure whose process is gone, so that no check may answer busy because
  /// of it any more; 0: none such.
  [[nodiscard]] std::uint64_t id_of_the_dead(std::uint64_t token) const {
    const auto tenure = find(token);
    const bool dead =
        tenure && !leases_outlive_ && kills_.reaped(tenure->worker, tenure->incarnation);
    return dead ? tenure->id : 0;
  }

  enum class Entry : std::uint8_t {
    kEntered,
    kLapsed,    ///< the caller's own lease ran out before it got here; nothing was entered
    kViolation  ///< a protected tenure is in the log: `other`
  };
  /// After an acquire that had returned by `acquired_ns`. `now_ns` is called for the time.
  template <class Now>
  [[nodiscard]] Entry enter(std::uint64_t token, std::uint64_t acquired_ns, Now&& now_ns,
                            std::uint64_t& other) {
    other = holder_.load();
    while (true) {
      if (other != 0 && !over(other, acquired_ns)) {
        // A successor of ours, if we were evicted in between.
        return over(token, now_ns()) ? Entry::kLapsed : Entry::kViolation;
      }
      if (holder_.compare_exchange_strong(other, token)) return Entry::kEntered;
    }
  }

  /// Before the release. False if another tenure entered after it.
  [[nodiscard]] bool leave(std::uint64_t token) {
    return holder_.compare_exchange_strong(token, 0);
  }

  /// The token in the log, 0 for none.
  [[nodiscard]] std::uint64_t holder() const { return holder_.load(); }

 private:
  struct Slot {
    std::atomic<std::uint64_t> token = 0;
    std::atomic<std::uint64_t> id = 0;
    std::atomic<std::uint64_t> lease = 0;
    std::atomic<std::uint64_t> worker = 0;
    std::atomic<std::uint64_t> incarnation = 0;
  };
  static constexpr std::uint64_t kRing = 1 << 14;

  // None for a token that is so old that its entry was used again, and for 0.
  [[nodiscard]] std::optional<Tenure> find(std::uint64_t token) const {
    const Slot& slot = ring_[token % kRing];
    if (token == 0 || slot.token.load() != token) return std::nullopt;
    const Tenure tenure = {slot.id.load(), slot.lease.load(), slot.worker.load(),
                           slot.incarnation.load()};
    if (slot.token.load() != token) return std::nullopt;
    return tenure;
  }

  const LeaseClock& clock_;  // in the same shared block, which every process maps at one address
  const KillLog& kills_;
  bool leases_outlive_ = false;
  alignas(64) std::atomic<std::uint64_t> next_token_ = 1;
  alignas(64) std::atomic<std::uint64_t> holder_ = 0;
  std::array<Slot, kRing> ring_{};
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_WRITER_LOG_H_
