// What the parent and its workers share next to the file: the expected state, statistics, the last
// events of each thread, and what went wrong. An anonymous shared mapping of the parent's, so it
// outlives every worker.

#ifndef FSQLSHM_STRESS_CONTROL_BLOCK_H_
#define FSQLSHM_STRESS_CONTROL_BLOCK_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "harness/guarded.h"
#include "stress/id_log.h"
#include "stress/register_log.h"
#include "stress/writer_log.h"

namespace fsqlshm::stress {

inline constexpr std::size_t kMaxThreads = 32;  // of one worker
inline constexpr std::size_t kMaxCounts = 6;    // of one role

[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(now / std::chrono::nanoseconds(1));
}

/// The last 32 events of one thread; written by it alone.
class EventRing {
 public:
  static constexpr std::uint64_t kSize = 32;
  struct Entry {
    std::uint64_t ns;
    const char* what;
    std::uint64_t a;
    std::uint64_t b;
  };

  void record(const char* what, std::uint64_t a = 0, std::uint64_t b = 0) {
    const std::uint64_t index = next_.load(std::memory_order_relaxed);
    Slot& slot = slots_[index % kSize];
    slot.ns.store(now_ns(), std::memory_order_relaxed);
    slot.what.store(what, std::memory_order_relaxed);
    slot.a.store(a, std::memory_order_relaxed);
    slot.b.store(b, std::memory_order_relaxed);
    next_.store(index + 1, std::memory_order_release);
  }

  /// Oldest first. An entry that is being written may be mixed.
  template <class Visit>
  void visit(Visit&& visit) const {
    const std::uint64_t end = next_.load(std::memory_order_acquire);
    for (std::uint64_t i = end < kSize ? 0 : end - kSize; i < end; ++i) {
      const Slot& slot = slots_[i % kSize];
      visit(Entry{slot.ns.load(std::memory_order_relaxed),
                  slot.what.load(std::memory_order_relaxed), slot.a.load(std::memory_order_relaxed),
                  slot.b.load(std::memory_order_relaxed)});
    }
  }

 private:
  struct Slot {
    std::atomic<std::uint64_t> ns = 0;
    std::atomic<const char*> what = nullptr;
    std::atomic<std::uint64_t> a = 0;
    std::atomic<std::uint64_t> b = 0;
  };
  std::atomic<std::uint64_t> next_ = 0;
  std::array<Slot, kSize> slots_{};
};

/// Something that a role checks. Made static: a violation names it by its address, which is the same
/// in the parent and in every worker.
struct Check {
  std::string_view property;
  std::string_view title;
  std::array<std::string_view, 4> values{};  ///< what the numbers of a violation mean; "": unused
  std::string_view defect{};  ///< the known defect of `reference` that a violation there shows
};

struct alignas(64) ThreadState {
  std::array<std::atomic<std::uint64_t>, kMaxCounts> counts{};  ///< in the order of its role's
  EventRing events;
  harness::LastWords last_words;  ///< of a run on a subject: what the thread calls

  /// REQUIRES: the thread itself calls.
  void count(std::size_t which, std::uint64_t amount) {
    auto& value = counts[which];
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
};

struct Violation {
  const Check* check;
  std::uint64_t worker;
  std::uint64_t incarnation;
  std::uint64_t thread;
  std::uint64_t ns;
  std::array<std::uint64_t, 4> values;
};

/// The first violations of a run. A process that dies while it reports leaves an empty place.
class ViolationList {
 public:
  static constexpr std::uint64_t kMax = 64;

  void report(const Violation& violation) {
    const std::uint64_t index = count_.fetch_add(1);
    if (index >= kMax) return;
    Slot& slot = slots_[index];
    slot.violation = violation;
    slot.ready.store(1, std::memory_order_release);
  }
  [[nodiscard]] std::uint64_t count() const { return count_.load(); }
  template <class Visit>
  void visit(Visit&& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.ready.load(std::memory_order_acquire) == 1) visit(slot.violation);
    }
  }

 private:
  struct Slot {
    std::atomic<std::uint64_t> ready = 0;
    Violation violation{};
  };
  std::atomic<std::uint64_t> count_ = 0;
  std::array<Slot, kMax> slots_{};
};

// The padding keeps what different threads write on different cache lines.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): see above
struct ControlBlock {
  std::atomic<std::uint64_t> stop = 0;
  LeaseClock clock{};
  KillLog kills{};
  alignas(64) std::atomic<std::uint64_t> publisher = 0;  // worker + 1 and incarnation, 0: none
  RegisterLog snapshot{};
  RegisterLog gc_horizon{};
  WriterLog writers{clock, kills};
  IdLog ids{};
  ViolationList violations{};
  std::array<std::array<ThreadState, kMaxThreads>, kMaxWorkers> threads{};
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_CONTROL_BLOCK_H_
