// What runs at the same time as a measurement: publishers at a given rate and further readers, in
// threads or processes, on processors of their own where the machine has them.

#ifndef FSQLSHM_BENCH_BACKGROUND_H_
#define FSQLSHM_BENCH_BACKGROUND_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "harness/child.h"

namespace fsqlshm::bench {

/// The processors that this process may run on. REQUIRES: first called before any pin_to.
[[nodiscard]] const std::vector<int>& allowed_cpus();

/// Moves the calling thread to `cpu`; false if the machine does not allow that.
bool pin_to(int cpu) noexcept;

/// The processor of measuring thread number `i`, counted from the front, and of publishers, counted
/// from the back: on two or more processors, reader 0 and the publisher never share one.
[[nodiscard]] int reader_cpu(std::size_t i);
[[nodiscard]] int publisher_cpu();

inline constexpr double kSaturating = std::numeric_limits<double>::infinity();

/// 0 as "0", 100000 as "100k", kSaturating as "saturating"; and back (a negative number if `text`
/// is none of that).
[[nodiscard]] std::string rate_name(double per_second);
[[nodiscard]] double parse_rate(const std::string& text);

enum class Where : std::uint8_t { kThread, kProcess };
[[nodiscard]] constexpr const char* where_name(Where where) {
  return where == Where::kThread ? "thread" : "process";
}

/// Lets one step begin at each tick of a clock of `per_second` ticks. Far from the next tick it
/// sleeps, close to it it spins. Ticks that were missed by more than kMaxLag are left out, so a
/// publisher that lost its processor does not continue with a burst.
class Pacer {
 public:
  static constexpr std::chrono::milliseconds kMaxLag{1};

  explicit Pacer(double per_second);

  /// Waits for the next tick; false if `stop` was set meanwhile.
  bool wait(const std::atomic<bool>& stop);

 private:
  using Clock = std::chrono::steady_clock;
  bool saturating_;
  Clock::duration interval_{};
  Clock::time_point due_{};
};

/// Something that repeats in the background from construction to stop().
class Background {
 public:
  /// Runs step(1), step(2) ... at `per_second` (above 0), pinned to `cpu`, in a thread or a forked
  /// process. Returns when the first step is done. In a process `step` may only do what is safe
  /// after a fork of a program with threads: memory accesses and system calls.
  /// Throws std::system_error.
  Background(Where where, int cpu, double per_second, std::function<void(std::uint64_t)> step);
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Ends it; to be called before the results are asked for. A process that does not end within
  /// ten seconds is killed.
  void stop();

  /// Steps done, and steps a second as achieved.
  [[nodiscard]] std::uint64_t steps() const noexcept;
  [[nodiscard]] double rate() const noexcept;

 private:
  struct Control {
    alignas(64) std::atomic<bool> stop{false};
    alignas(64) std::atomic<std::uint64_t> steps{0};
    std::atomic<std::int64_t> first_ns{0};  // when step 1 was done
    std::atomic<std::int64_t> last_ns{0};   // when the last one was
  };
  void run(int cpu, double per_second, const std::function<void(std::uint64_t)>& step);

  harness::Shared<Control> control_;
  std::thread thread_;
  harness::Child child_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_BACKGROUND_H_
