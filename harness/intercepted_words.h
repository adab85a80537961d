// One seam for everything that watches or disturbs the steps of a protocol: crash points, schedules,
// recordings, perturbation.

#ifndef FSQLSHM_HARNESS_INTERCEPTED_WORDS_H_
#define FSQLSHM_HARNESS_INTERCEPTED_WORDS_H_

#include <atomic>
#include <cstdint>
#include <source_location>
#include <utility>

#include "fsqlshm/process.h"
#include "fsqlshm/wire_format.h"
#include "fsqlshm/words.h"

namespace fsqlshm::harness {

enum class Access : std::uint8_t { kLoad, kStore, kCompareExchange, kFetchAdd };

/// One atomic step, as the protocol asked for it.
struct AtomicStep {
  Access access{};
  Field field{};
  std::memory_order order{};          ///< of success, for a compare_exchange
  std::memory_order failure_order{};  ///< kCompareExchange
  std::source_location where{};
};

/// What a step did to its word.
struct StepEffect {
  std::uint64_t before = 0;
  std::uint64_t after = 0;  ///< equal to `before` for a load and for a compare_exchange that failed
  bool success = true;      ///< of a compare_exchange
};

/// Whether C++ allows this step to name these orders; the others are undefined behaviour.
[[nodiscard]] constexpr bool legal_orders(const AtomicStep& step) noexcept {
  const auto loads = [](std::memory_order order) {
    return order != std::memory_order::release && order != std::memory_order::acq_rel;
  };
  switch (step.access) {
    case Access::kLoad:
      return loads(step.order);
    case Access::kStore:
      return step.order == std::memory_order::relaxed || step.order == std::memory_order::release ||
             step.order == std::memory_order::seq_cst;
    case Access::kCompareExchange:
      return loads(step.failure_order);
    case Access::kFetchAdd:
      return true;
  }
  return false;
}

/// What can be told of every step. An interceptor that has `after` is told what the step did,
/// which costs a load before each store.
template <class I>
concept Interceptor =
    requires(I& interceptor, const AtomicStep& step) { interceptor.before(step); };

/// Passes every operation on to `Base`, and tells `I` before and, if it wants to know, after it.
/// Copyable if both are; an interceptor that is to be shared is a pointer-like handle.
///
/// Thread safety: that of `Base` and `I`. `before` and `after` are called by the thread whose step
/// it is.
template <class Base, Interceptor I>
class InterceptedWords {
 public:
  explicit InterceptedWords(Base base, I interceptor = {})
      : base_(std::move(base)), interceptor_(std::move(interceptor)) {}

  [[nodiscard]] std::uint64_t load(
      Field field, std::memory_order order,
      std::source_location where = std::source_location::current()) const {
    const AtomicStep step{.access = Access::kLoad, .field = field, .order = order, .where = where};
    interceptor_.before(step);
    const std::uint64_t value = base_.load(field, order, where);
    after(step, {.before = value, .after = value});
    return value;
  }

  void store(Field field, std::uint64_t value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    const AtomicStep step{.access = Access::kStore, .field = field, .order = order, .where = where};
    interceptor_.before(step);
    std::uint64_t before = 0;
    if constexpr (kTellsEffects) before = base_.load(field, std::memory_order::relaxed, where);
    base_.store(field, value, order, where);
    after(step, {.before = before, .after = value});
  }

  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure,
                        std::source_location where = std::source_location::current()) {
    const AtomicStep step{.access = Access::kCompareExchange,
                          .field = field,
                          .order = success,
                          .failure_order = failure,
                          .where = where};
    interceptor_.before(step);
    const bool done = base_.compare_exchange(field, expected, desired, success, failure, where);
    after(step, {.before = expected, .after = done ? desired : expected, .success = done});
    return done;
  }

  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order order,
                          std::source_location where = std::source_location::current()) {
    const AtomicStep step{
        .access = Access::kFetchAdd, .field = field, .order = order, .where = where};
    interceptor_.before(step);
    const std::uint64_t before = base_.fetch_add(field, addend, order, where);
    after(step, {.before = before, .after = before + addend});
    return before;
  }

  /// Interceptors may bound or yield in `paused` and stand in for the process in `self`.
  void pause() const {
    if constexpr (requires { interceptor_.paused(); }) {
      interceptor_.paused();
    } else {
      base_.pause();
    }
  }
  [[nodiscard]] ProcessIdentity self() const {
    if constexpr (requires { interceptor_.self(); }) {
      return interceptor_.self();
    } else {
      return base_.self();
    }
  }

  [[nodiscard]] Base& base() noexcept { return base_; }
  [[nodiscard]] const Base& base() const noexcept { return base_; }
  [[nodiscard]] I& interceptor() const noexcept { return interceptor_; }

 private:
  static constexpr bool kTellsEffects =
      requires(I& interceptor, const AtomicStep& step, const StepEffect& effect) {
        interceptor.after(step, effect);
      };
  void after(const AtomicStep& step, const StepEffect& effect) const {
    if constexpr (kTellsEffects) interceptor_.after(step, effect);
  }

  Base base_;
  mutable I interceptor_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_INTERCEPTED_WORDS_H_
