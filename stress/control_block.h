// What the parent and its workers share beside the file: the expected state, statistics, the last
// events of each thread, and what went wrong. An anonymous shared mapping of the parent's, so it
// outlives every worker.

#ifndef FSQLSHM_STRESS_CONTROL_BLOCK_H_
#define FSQLSHM_STRESS_CONTROL_BLOCK_H_

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <string_view>

#include "stress/id_log.h"
#include "stress/register_log.h"
#include "stress/writer_log.h"

namespace fsqlshm::stress {

inline constexpr std::size_t kMaxThreads = 32;  // of one worker

[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(now / std::chrono::nanoseconds(1));
}

enum class Role : std::uint8_t {
  kPublisher,
  kReader,
  kWriter,
  kChecker,
  kAllocator,
  kGcMover,
  kOpener,
  kInspector,
};
inline constexpr std::size_t kRoles = 8;
inline constexpr std::array<std::string_view, kRoles> kRoleNames = {
    "publisher", "reader", "writer", "checker", "allocator", "gc", "opener", "inspector"};

enum class Counter : std::uint8_t {
  kPublishes,
  kReconciles,
  kLockBusy,
  kReads,
  kReadRetries,
  kReadTimeouts,
  kAcquires,
  kAcquireRefusals,
  kReleases,
  kEvictions,
  kChecksOk,
  kChecksBusy,
  kIds,
  kGcMoves,
  kGcReads,
  kOpens,
  kInspections,
  kAddedTurns,
};
inline constexpr std::size_t kCounters = 18;
inline constexpr std::array<std::string_view, kCounters> kCounterNames = {
    "publishes",      "reconciles",       "publication_lock_busy",
    "snapshot_reads", "snapshot_retries", "snapshot_timeouts",
    "acquires",       "acquire_refusals", "releases",
    "evictions",      "checks_ok",        "checks_busy",
    "txn_ids",        "gc_moves",         "gc_reads",
    "opens",          "inspections",      "added_role_turns"};

/// What a thread did last, for the report of a failure.
enum class Event : std::uint8_t {
  kNone,
  kStarted,
  kPublishBegin,
  kPublishEnd,
  kReconciled,
  kRead,
  kReadTimeout,
  kId,
  kAcquired,
  kRefused,
  kEntered,
  kReleased,
  kCheck,
  kGcStore,
  kGcLoad,
  kOpened,
};
inline constexpr std::array<std::string_view, 16> kEventNames = {
    "-",       "started",        "publish begins", "publish ended", "reconciled",
    "read",    "read timed out", "txn id",         "acquired",      "acquire refused",
    "entered", "release",        "check",          "gc store",      "gc load",
    "opened"};

/// The last 32 events of one thread; written by it alone.
class EventRing {
 public:
  static constexpr std::uint64_t kSize = 32;
  struct Entry {
    std::uint64_t ns;
    Event event;
    std::uint64_t a;
    std::uint64_t b;
  };

  void record(Event event, std::uint64_t a = 0, std::uint64_t b = 0) {
    const std::uint64_t index = next_.load(std::memory_order_relaxed);
    auto& slot = slots_[index % kSize];
    slot[0].store(now_ns(), std::memory_order_relaxed);
    slot[1].store(static_cast<std::uint64_t>(event), std::memory_order_relaxed);
    slot[2].store(a, std::memory_order_relaxed);
    slot[3].store(b, std::memory_order_relaxed);
    next_.store(index + 1, std::memory_order_release);
  }

  /// Oldest first. An entry that is being written may be mixed.
  template <class Visit>
  void visit(Visit&& visit) const {
    const std::uint64_t end = next_.load(std::memory_order_acquire);
    for (std::uint64_t i = end < kSize ? 0 : end - kSize; i < end; ++i) {
      const auto& slot = slots_[i % kSize];
      visit(Entry{slot[0].load(std::memory_order_relaxed),
                  static_cast<Event>(slot[1].load(std::memory_order_relaxed)),
                  slot[2].load(std::memory_order_relaxed),
                  slot[3].load(std::memory_order_relaxed)});
    }
  }

 private:
  std::atomic<std::uint64_t> next_ = 0;
  std::array<std::array<std::atomic<std::uint64_t>, 4>, kSize> slots_{};
};

/// What is checked in a running worker.
enum class Check : std::uint8_t {
  kTornTriple,
  kReadTooOld,
  kReadFromTheFuture,
  kTwoPublishers,
  kPublishRefused,
  kDuplicateTxnId,
  kTxnIdWentBack,
  kNoTxnId,
  kAcquiredBesideLiveOwner,
  kCheckOkBesideLiveOwner,
  kOwnerWordsChanged,
  kIndicatorWasNotClean,
  kReleaseRefusedLiveOwner,
  kReleaseOfAnEvictedOwner,
  kGcTooOld,
  kGcFromTheFuture,
  kOpenFailed,
  kGeometryChanged,
  kInvalidHeader,
  kWordWentBack,
  kCreatedTwice,
  kAddedRole,
  kPlanted,
};

struct CheckText {
  std::string_view property;
  std::string_view title;
  std::array<std::string_view, 4> values;  ///< what the numbers of a violation mean
};
/// In the order of Check.
[[nodiscard]] const CheckText& text_of(Check check);

struct alignas(64) ThreadState {
  std::atomic<std::uint64_t> role = 0;  ///< a Role, or kRoles and up: an added one
  std::array<std::atomic<std::uint64_t>, kCounters> counters{};
  EventRing events;

  /// REQUIRES: the thread itself calls.
  void add(Counter counter, std::uint64_t amount = 1) {
    auto& value = counters[static_cast<std::size_t>(counter)];
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
};

struct Violation {
  Check check;
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

  [[nodiscard]] std::uint64_t total(Counter counter) const {
    std::uint64_t sum = 0;
    for (const auto& worker : threads) {
      for (const ThreadState& thread : worker) {
        sum += thread.counters[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
      }
    }
    return sum;
  }
};

/// Owns memory that is shared with every child forked from now on.
template <class T>
class Shared {
 public:
  Shared() {
    void* const memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    value_ = new (memory) T();
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() {
    value_->~T();
    ::munmap(value_, sizeof(T));
  }
  T& operator*() const { return *value_; }
  T* operator->() const { return value_; }

 private:
  T* value_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_CONTROL_BLOCK_H_
