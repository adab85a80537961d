// The programs that the explorer runs: threads that load and store locations. It knows nothing of the
// header; litmus tests, random programs and scenarios are all programs.

#ifndef FSQLSHM_RELACY_RC11_PROGRAM_H_
#define FSQLSHM_RELACY_RC11_PROGRAM_H_

#include <atomic>
#include <csetjmp>
#include <cstdint>
#include <functional>
#include <vector>

namespace fsqlshm::rc11 {

class Graph;

using Location = std::uint8_t;  ///< 0 to kMaxLocations - 1
inline constexpr int kMaxThreads = 4;
inline constexpr std::size_t kMaxLocations = 14;
/// A thread that goes on after so many events has no end.
inline constexpr std::size_t kMaxEvents = 240;

enum class Access : std::uint8_t { kLoad, kStore, kCompareExchange, kFetchAdd, kDie };

/// What a thread asks the memory for.
struct Operation {
  Access access = Access::kLoad;
  Location location = 0;
  std::memory_order order = std::memory_order::relaxed;
  std::memory_order failure = std::memory_order::relaxed;  ///< kCompareExchange
  std::uint64_t expected = 0;                              ///< kCompareExchange
  std::uint64_t operand = 0;                               ///< stored, desired, added

  [[nodiscard]] bool reads() const noexcept {
    return access != Access::kStore && access != Access::kDie;
  }
  /// Whether it also writes, having read `found`.
  [[nodiscard]] bool writes(std::uint64_t found) const noexcept {
    return access != Access::kLoad && (access != Access::kCompareExchange || found == expected);
  }
  /// What it writes.
  [[nodiscard]] std::uint64_t result(std::uint64_t found) const noexcept {
    return access == Access::kFetchAdd ? found + operand : operand;
  }
  /// The order that it has after it has read `found`.
  [[nodiscard]] std::memory_order order_of(std::uint64_t found) const noexcept {
    return reads() && access != Access::kLoad && !writes(found) ? failure : order;
  }
  friend bool operator==(const Operation&, const Operation&) = default;
};

[[nodiscard]] constexpr bool acquires(std::memory_order order) noexcept {
  return order == std::memory_order::acquire || order == std::memory_order::acq_rel ||
         order == std::memory_order::seq_cst;
}
[[nodiscard]] constexpr bool releases(std::memory_order order) noexcept {
  return order == std::memory_order::release || order == std::memory_order::acq_rel ||
         order == std::memory_order::seq_cst;
}

/// The memory as a thread of a program sees it. A call may not return: nothing on the stack of a thread
/// may need its destructor.
class Memory {
 public:
  Memory() = default;
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  virtual ~Memory() = default;

  /// The value that the operation found; 0 for a store.
  virtual std::uint64_t perform(const Operation& operation) = 0;
  /// In every turn of a loop that waits for another thread.
  virtual void pause() = 0;
  /// The thread ends here; does not return.
  virtual void stop() = 0;

  std::uint64_t load(Location location, std::memory_order order) {
    return perform({.access = Access::kLoad, .location = location, .order = order});
  }
  void store(Location location, std::uint64_t value, std::memory_order order) {
    perform({.access = Access::kStore, .location = location, .order = order, .operand = value});
  }
  bool compare_exchange(Location location, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure) {
    const std::uint64_t found = perform({.access = Access::kCompareExchange,
                                         .location = location,
                                         .order = success,
                                         .failure = failure,
                                         .expected = expected,
                                         .operand = desired});
    const bool succeeds = found == expected;
    expected = found;
    return succeeds;
  }
  std::uint64_t fetch_add(Location location, std::uint64_t addend, std::memory_order order) {
    return perform(
        {.access = Access::kFetchAdd, .location = location, .order = order, .operand = addend});
  }
};

using ThreadBody = std::function<void(Memory&)>;

struct Program {
  struct Thread {
    ThreadBody body;
    /// It may stop for good before any of its operations; then it stores 0 here, with release.
    int alive = -1;
  };
  std::vector<std::uint64_t> first{};  ///< the first value of each location
  std::vector<Thread> threads{};
  unsigned spins = 0;  ///< turns of a waiting loop that may be like the one before
};

/// How the thread dies. REQUIRES: it may.
[[nodiscard]] inline Operation death_of(const Program::Thread& thread) {
  return {.access = Access::kDie,
          .location = static_cast<Location>(thread.alive),
          .order = std::memory_order::release};
}

/// What a thread does after the events that it has in a graph.
struct Next {
  enum class Kind : std::uint8_t {
    kUnknown,
    kOperation,
    kEnded,
    kWaits,    ///< in a loop whose last turn, from event `turn` on, read what the turn before read
    kEndless,  ///< it has kMaxEvents events and goes on
  };
  Kind kind = Kind::kUnknown;
  Operation operation{};
  std::size_t turn = 0;
};

/// Runs a thread from its start. What it reads is in the graph; at the first operation that is not
/// there it is left. So threads need no stacks of their own, and nothing is kept between graphs.
class Replayer final : public Memory {
 public:
  explicit Replayer(const Program& program) : program_(program) {}

  [[nodiscard]] Next next(const Graph& graph, int thread);

  std::uint64_t perform(const Operation& operation) override;
  void pause() override;
  void stop() override;

 private:
  [[noreturn]] void leave(Next::Kind kind);
  [[nodiscard]] bool turn_repeats() const;

  const Program& program_;
  const Graph* graph_ = nullptr;
  int thread_ = 0;
  std::size_t index_ = 0;     // of the thread's next event
  std::size_t turn_ = 0;      // where the present turn of a loop began
  std::size_t previous_ = 0;  // and the one before
  unsigned pauses_ = 0;
  unsigned repeats_ = 0;  // turns that were like the one before, in a row
  Next next_;
  std::jmp_buf end_{};
};

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_PROGRAM_H_
