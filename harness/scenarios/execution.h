// One execution of a scenario, as its bodies and the header's operations see it. Each engine that runs
// scenarios implements this once.

#ifndef FSQLSHM_HARNESS_SCENARIOS_EXECUTION_H_
#define FSQLSHM_HARNESS_SCENARIOS_EXECUTION_H_

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fsqlshm/process.h"
#include "harness/properties/execution.h"

namespace fsqlshm::harness {

inline constexpr int kMaxThreads = 4;    ///< of a scenario
inline constexpr int kMaxProcesses = 4;  ///< of a scenario

/// The property of what is wrong with a scenario itself.
inline constexpr std::string_view kBadScenario = "scenario";

class ScenarioExecution : public Execution {
 public:
  /// First value of a word; only in Scenario::before, once.
  virtual void init(Field field, std::uint64_t value) = 0;
  /// The process is dead from the start, and every thread knows; only in Scenario::before.
  virtual void bury(int process) = 0;
  /// Processes that died while the threads ran.
  [[nodiscard]] virtual unsigned deaths() const = 0;
  /// Pauses of the running thread so far. REQUIRES: thread() >= 0.
  [[nodiscard]] virtual unsigned pauses() const = 0;

  /// The publication lock of a mapped file: a kernel lock is a mutex to the memory model. Spins.
  /// Scenarios with it do not use the gc horizon, whose word it may have (see lock_word).
  virtual void lock_publication() = 0;
  virtual void unlock_publication() = 0;

  /// What process number `process` calls itself.
  [[nodiscard]] static constexpr ProcessIdentity identity(int process) noexcept {
    return {.pid = 101 + static_cast<std::uint32_t>(process),
            .birth = kKnownBirth | (1001 + static_cast<std::uint64_t>(process))};
  }

  /// Ends the execution: a property does not hold.
  template <class... Args>
  [[noreturn]] void fail(std::string_view property, fmt::format_string<Args...> format,
                         Args&&... args) {
    std::array<char, 400> text;
    const auto end =
        fmt::format_to_n(text.data(), text.size(), format, std::forward<Args>(args)...).out;
    violated({.property = property, .rule = {text.data(), end}, .detail = {}, .defect = {}});
    std::abort();  // violated does not return in an engine that runs scenarios
  }

 protected:
  using Execution::Execution;
  ~ScenarioExecution() = default;
};

/// The publication lock as a mutex on the word of the gc horizon.
void lock_word(auto&& words) {
  std::uint64_t free = 0;
  while (!words.compare_exchange(Field::kGcHorizon, free, 1, std::memory_order::acquire,
                                 std::memory_order::relaxed)) {
    free = 0;
    words.pause();
  }
}
void unlock_word(auto&& words) { words.store(Field::kGcHorizon, 0, std::memory_order::release); }

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_EXECUTION_H_
