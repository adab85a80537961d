// System calls that fail, or before which something happens: for tests of the file layer, which knows
// nothing of this. Programs that link fsqlshm_system_calls reach the file layer's calls through the
// linker (--wrap); the rest of the harness fails calls in the kernel (ptrace).

#ifndef FSQLSHM_HARNESS_SYSTEM_CALLS_H_
#define FSQLSHM_HARNESS_SYSTEM_CALLS_H_

#include <functional>
#include <utility>

namespace fsqlshm::harness {

/// Called with a system call's name ("openat(O_TMPFILE)" for a file without a name) before that is made: 0 lets it happen, anything else makes it
/// fail with that errno.
using BeforeCall = std::function<int(const char* call)>;

/// As long as it lives, the calls of this thread ask it. At most one at a time for each thread.
class ScopedBeforeCall {
 public:
  explicit ScopedBeforeCall(BeforeCall before) : before_(std::move(before)) { current_ = &before_; }
  ScopedBeforeCall(const ScopedBeforeCall&) = delete;
  ScopedBeforeCall& operator=(const ScopedBeforeCall&) = delete;
  ~ScopedBeforeCall() { current_ = nullptr; }

  /// The answer for this call; 0 where nobody wants to be asked. What a BeforeCall itself calls is
  /// not asked about.
  [[nodiscard]] static int ask(const char* call) {
    const BeforeCall* const before = std::exchange(current_, nullptr);
    const int error = before != nullptr ? (*before)(call) : 0;
    current_ = before;
    return error;
  }

 private:
  static inline thread_local const BeforeCall* current_ = nullptr;
  BeforeCall before_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SYSTEM_CALLS_H_
