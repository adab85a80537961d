// Counters of what the inputs reached, printed when the program ends.
//
// A fuzzer that never gets past the first check finds nothing and looks clean; with these lines a
// run can be told to be blind. The line is "fsqlshm-stats {json}" on standard error.

#ifndef FSQLSHM_FUZZ_STATS_H_
#define FSQLSHM_FUZZ_STATS_H_

#include <cstdint>
#include <string_view>

namespace fsqlshm::fuzz {

/// A named counter with static storage duration. Not for threads.
class Counter {
 public:
  explicit Counter(const char* name) noexcept;
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void add(std::uint64_t count = 1) noexcept { value_ += count; }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }
  [[nodiscard]] const char* name() const noexcept { return name_; }
  [[nodiscard]] Counter* next() const noexcept { return next_; }

 private:
  const char* name_;
  std::uint64_t value_ = 0;
  Counter* next_;
};

/// The value of a counter by its name; 0 if there is none.
[[nodiscard]] std::uint64_t counter_value(std::string_view name) noexcept;

/// From now on the counters are printed when the program exits normally.
void print_counters_at_exit(std::string_view target);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_STATS_H_
