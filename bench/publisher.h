// Publishers of any subject in the background: one that repeats, and one that dies.

#ifndef FSQLSHM_BENCH_PUBLISHER_H_
#define FSQLSHM_BENCH_PUBLISHER_H_

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>

#include "background.h"
#include "harness/child.h"
#include "subject.h"

namespace fsqlshm::bench {

/// A handle on `memory`, made in the thread or process that asks first: the one that uses it.
template <class S>
class LateHandle {
 public:
  explicit LateHandle(typename S::Memory& memory) : memory_(&memory) {}
  [[gnu::always_inline]] S& operator*() {
    if (!handle_) [[unlikely]]
      handle_ = std::make_shared<S>(*memory_);
    return *handle_;
  }

 private:
  typename S::Memory* memory_;
  std::shared_ptr<S> handle_;
};

/// A publisher of `S` in the background, none at rate 0. Publishes triple 2, 3 ...
/// REQUIRES: this process has no handle on `memory` yet.
template <class S>
[[nodiscard]] std::unique_ptr<Background> start_publisher(Where where, double per_second,
                                                          typename S::Memory& memory) {
  if (per_second == 0) return nullptr;
  return std::make_unique<Background>(where, publisher_cpu(), per_second,
                                      [handle = LateHandle<S>(memory)](std::uint64_t n) mutable {
                                        (*handle).publish(triple_of(n + 1));
                                      });
}

/// A process that will die in the middle of a publish.
/// REQUIRES: this process has no handle on the memory yet.
template <Recoverable S>
class DyingPublisher {
 public:
  explicit DyingPublisher(typename S::Memory& memory)
      : child_([this, &memory] {
          while (!now_->load()) std::this_thread::sleep_for(std::chrono::microseconds(100));
          S(memory).die_within_publish();
          return 1;
        }) {}

  /// Waits until it is dead; false if it ended otherwise.
  bool let_die() {
    now_->store(true);
    return child_.wait().died_of(SIGKILL);
  }

 private:
  harness::Shared<std::atomic<bool>> now_;
  harness::Child child_;
};

/// The death of this process, for subjects' die_within_publish.
inline void die() noexcept { ::kill(::getpid(), SIGKILL); }

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_PUBLISHER_H_
