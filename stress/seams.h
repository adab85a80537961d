// Two interceptors of the seam: one that disturbs the timing of a thread, and one that counts
// atomic steps and ends or stops the process before a given one.

#ifndef FSQLSHM_STRESS_SEAMS_H_
#define FSQLSHM_STRESS_SEAMS_H_

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <thread>

#include "fsqlshm/words.h"
#include "harness/intercepted_words.h"
#include "harness/random.h"

namespace fsqlshm::stress {

using harness::Random;

/// Before one operation in `one_in` the thread yields, or sleeps for up to 100 us.
struct Perturbation {
  static inline thread_local Random random{0};
  static inline thread_local std::uint64_t one_in = 0;  // 0: never

  static void before(const harness::AtomicStep& /*step*/) {
    if (one_in == 0 || !random.one_in(one_in)) return;
    if (random.one_in(4)) {
      std::this_thread::sleep_for(std::chrono::microseconds(1 + random.below(100)));
    } else {
      ::sched_yield();
    }
  }
};
using PerturbedWords = harness::InterceptedWords<RawWords, Perturbation>;

/// Counts the steps of this process from `arm` on, and before step number `at` sends itself a
/// signal: SIGKILL dies there, SIGSTOP waits there to be continued.
struct Steps {
  static inline std::uint64_t count = 0;
  static inline std::uint64_t at = 0;  // 1 is the first step; 0: none
  static inline int signal = SIGKILL;
  /// Set just before the signal, for who wants to know when; may be null.
  static inline std::atomic<std::uint64_t>* when_ns = nullptr;

  static void arm(std::uint64_t step, int with) {
    count = 0;
    at = step;
    signal = with;
  }
  static void before(const harness::AtomicStep& /*step*/) {
    if (++count != at) return;
    if (when_ns != nullptr) {
      const auto now = std::chrono::steady_clock::now().time_since_epoch();
      when_ns->store(static_cast<std::uint64_t>(now / std::chrono::nanoseconds(1)));
    }
    ::kill(::getpid(), signal);
  }
};
/// REQUIRES: one thread.
using CrashingWords = harness::InterceptedWords<RawWords, Steps>;

static_assert(Words<PerturbedWords> && Words<CrashingWords>);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_SEAMS_H_
