// Disturbs the timing of code that has no seam: in the middle of a function of a subject.

#ifndef FSQLSHM_STRESS_INTERRUPTIONS_H_
#define FSQLSHM_STRESS_INTERRUPTIONS_H_

#include <csignal>
#include <cstdint>

#include "harness/random.h"
#include "harness/subject.h"
#include "harness/subject_header.h"

namespace fsqlshm::stress {

/// While it lives, the calling thread stands still in some of its calls, after one of the first instructions of the
/// subject: it yields, or sleeps for up to 100 us. The processor's trap flag counts them, so that every instruction
/// has its chance; a timer would seldom hit an operation that takes 50 ns. On processors other than x86-64, and under
/// TSan, which delays signals, the thread stands still before the call.
class Interruptions {
 public:
  /// One call in `one_in` is disturbed. REQUIRES: the thread has no other one; the subject handles no SIGTRAP.
  Interruptions(const harness::Subject& subject, std::uint64_t one_in, std::uint64_t seed);
  Interruptions(const Interruptions&) = delete;
  Interruptions& operator=(const Interruptions&) = delete;
  ~Interruptions();

  /// Lets the interruptions of the calling thread, if it has any, come into its calls.
  [[nodiscard]] static harness::CallSurroundings of_calls() { return {before_call, after_call}; }

 private:
  static bool before_call();
  static void after_call();
  static void trap(int signal, siginfo_t* info, void* context);
  void stand_still();

  std::uintptr_t first_ = 0;  // the addresses of the subject's code
  std::uintptr_t last_ = 0;
  std::uint64_t one_in_;
  std::uint64_t inside_ = 0;  // instructions of the subject to go
  std::uint64_t steps_ = 0;   // instructions to go at most
  harness::Random random_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_INTERRUPTIONS_H_
