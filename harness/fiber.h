// A stack of its own for every virtual thread, switched by hand.

#ifndef FSQLSHM_HARNESS_FIBER_H_
#define FSQLSHM_HARNESS_FIBER_H_

#include <ucontext.h>

#include <csetjmp>
#include <cstddef>
#include <functional>

namespace fsqlshm::harness {

/// Runs jobs, one after the other, on a stack of its own. Not for threads: what resumes a fiber
/// is the only one who does.
class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Gives an idle fiber something to do at the next `resume`. An exception must not leave `job`.
  void start(std::function<void()> job);
  /// Runs the job until it suspends itself or ends.
  void resume();
  /// From within the job: back to what resumed it.
  void suspend();
  /// Gives up a job that suspended itself: what lives on its stack is not destroyed.
  void abandon();
  /// Where its stack begins: the highest address.
  [[nodiscard]] const std::byte* stack_top() const noexcept {
    return static_cast<const std::byte*>(own_.uc_stack.ss_sp) + kStackSize;
  }
  [[nodiscard]] bool idle() const noexcept { return idle_; }

 private:
  static void enter(unsigned low, unsigned high);
  void make_context();
  void switch_to_job();
  void switch_to_caller();
  [[noreturn]] void loop();

  // Sanitizers multiply the size of frames; the deepest chain here is about ten calls.
  static constexpr std::size_t kStackSize = std::size_t{256} << 10;

  ucontext_t own_{};
  ucontext_t caller_{};
  std::jmp_buf own_place_{};
  std::jmp_buf caller_place_{};
  bool entered_ = false;  // own_place_ is where the job goes on, and not own_
  std::byte* mapping_ = nullptr;
  std::function<void()> job_;
  bool idle_ = true;
  // What AddressSanitizer wants to know about the two stacks.
  void* own_fake_stack_ = nullptr;
  void* caller_fake_stack_ = nullptr;
  const void* caller_bottom_ = nullptr;
  std::size_t caller_size_ = 0;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_FIBER_H_
