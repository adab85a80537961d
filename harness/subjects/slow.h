// A protocol whose steps stand still, for tests of engines that run real threads: they meet in the middle of its
// operations on the busiest machine, too.

#ifndef FSQLSHM_HARNESS_SUBJECTS_SLOW_H_
#define FSQLSHM_HARNESS_SUBJECTS_SLOW_H_

#include <chrono>
#include <thread>

#include "fsqlshm/words.h"
#include "harness/intercepted_words.h"
#include "harness/random.h"

namespace fsqlshm::harness {

/// Sleeps before one step in eight.
struct Sleepy {
  static void before(const AtomicStep& /*step*/) {
    thread_local Random random(std::hash<std::thread::id>()(std::this_thread::get_id()));
    if (random.one_in(8)) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
};

template <Words W>
class SleepyWords {
 protected:
  explicit SleepyWords(const W& words) : words_(words) {}
  InterceptedWords<W, Sleepy> words_;
};

/// `Part`, a template over the seam, on the words that it is given. REQUIRES: a copy of those leads to the same words.
template <template <class> class Part, Words W>
class SlowPart : SleepyWords<W>, public Part<InterceptedWords<W, Sleepy>> {
 public:
  explicit SlowPart(const W& words)
      : SleepyWords<W>(words), Part<InterceptedWords<W, Sleepy>>(SleepyWords<W>::words_) {}
};

template <class Protocol>
struct Slow {
  template <Words W>
  using Seqlock = typename Protocol::template Seqlock<W>;
  template <Words W>
  using WriterIndicator = SlowPart<Protocol::template WriterIndicator, W>;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SUBJECTS_SLOW_H_
