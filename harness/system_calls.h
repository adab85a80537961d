// System calls that fail, or before which something happens: for tests of the file layer, which knows
// nothing of this. Programs that link fsqlshm_system_calls reach the file layer's calls through the
// linker (--wrap); the rest of the harness fails calls in the kernel (ptrace).

#ifndef FSQLSHM_HARNESS_SYSTEM_CALLS_H_
#define FSQLSHM_HARNESS_SYSTEM_CALLS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace fsqlshm::harness {

/// Called with a system call's name ("openat(O_TMPFILE)" for a file without a name) before that is
/// made: 0 lets it happen, anything else makes it fail with that errno.
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

/// A system that lies: called in the place of every call, in every thread and in forked children. None
/// for the truth; else what the call is said to answer, with errno where that is a failure. What it
/// calls itself is real. Besides the calls above it is asked about getrandom, munmap, sem_wait,
/// sem_trywait, sem_post and pthread_atfork.
using Lie = std::optional<long> (*)(std::string_view call,
                                    std::span<const std::uint64_t> arguments);

/// From now on; nullptr: the truth again.
void tell_lies(Lie lie) noexcept;

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SYSTEM_CALLS_H_
