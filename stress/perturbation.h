// An interceptor of the seam that disturbs the timing of a thread.

#ifndef FSQLSHM_STRESS_PERTURBATION_H_
#define FSQLSHM_STRESS_PERTURBATION_H_

#include <sched.h>

#include <chrono>
#include <cstdint>
#include <thread>

#include "fsqlshm/words.h"
#include "harness/intercepted_words.h"
#include "harness/random.h"

namespace fsqlshm::stress {

using harness::mix;
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
static_assert(Words<PerturbedWords>);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_PERTURBATION_H_
