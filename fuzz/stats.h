// Counters of what the inputs reached.
//
// A fuzzer that never gets past the first check finds nothing and looks clean; a target names the
// counters that a run has to move (Target::reaches), so that such a run is seen to be vacuous.

#ifndef FSQLSHM_FUZZ_STATS_H_
#define FSQLSHM_FUZZ_STATS_H_

#include <cstdint>
#include <string_view>

namespace fsqlshm::fuzz {

/// A named counter with static storage duration. Not for threads.
class Counter {
 public:
  explicit Counter(const char* name) noexcept : name_(name), next_(first_) { first_ = this; }
  Counter(const Counter&) = delete;
  Counter& operator=(const Counter&) = delete;

  void add(std::uint64_t count = 1) noexcept { value_ += count; }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }
  [[nodiscard]] const char* name() const noexcept { return name_; }

  /// The list of all.
  [[nodiscard]] static const Counter* first() noexcept { return first_; }
  [[nodiscard]] const Counter* next() const noexcept { return next_; }

 private:
  // Counters are made before main, in any order of translation units: constant-initialised.
  static constinit inline Counter* first_ = nullptr;

  const char* name_;
  std::uint64_t value_ = 0;
  Counter* next_;
};

/// The value of a counter by its name; 0 if there is none. Sources that a program does not use may be linked into it,
/// too, with a counter of the same name.
[[nodiscard]] inline std::uint64_t counter_value(std::string_view name) noexcept {
  std::uint64_t sum = 0;
  for (const Counter* c = Counter::first(); c != nullptr; c = c->next()) {
    if (c->name() == name) sum += c->value();
  }
  return sum;
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_STATS_H_
