// Forks, in a process whose other threads are in the middle of everything, and cancels waiters.

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "stress/publisher_name.h"
#include "stress/role.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kChildFailed = {
    "W1 fork", "a forked child could not do what it may do", {"wait status"}};
constexpr Check kNoGuard = {
    "W1 fork", "a process whose threads fork gets no guard any more", {"error"}};

enum : std::uint8_t { kForks, kUnwinds, kExecs, kCancels };

class Forker {
 public:
  static constexpr bool kNeedsFile = true;

  ~Forker() {
    for (const pid_t child : children_) ::waitpid(child, nullptr, 0);
  }

  void operator()(auto& me) {
    reap(me);
    if (children_.size() < 4) {
      switch (me.random.below(4)) {
        case 0:
          return fork_an_idler(me);
        case 1:
          return fork_past_a_guard(me);
        case 2:
          return fork_an_exec(me);
        default:
          return cancel_a_waiter(me);
      }
    }
    sleep_ns(1'000'000);
  }

 private:
  void reap(auto& me) {
    std::erase_if(children_, [&](pid_t child) {
      int status = 0;
      const pid_t over = ::waitpid(child, &status, WNOHANG);
      if (over == child && status != 0)
        me.violation(kChildFailed, {static_cast<std::uint64_t>(status)});
      return over != 0;
    });
  }

  // Runs `body`, which may not start threads, in a child whose exit status is what it returns. Counts
  // `what`.
  template <class Body>
  void fork(auto& me, std::uint8_t what, const Body& body) {
    KillLog& kills = me.control.kills;
    const auto [worker, incarnation, thread] = me.name();
    kills.fork_begins(worker, incarnation);
    const pid_t child = ::fork();
    if (child <= 0) kills.fork_ends(worker, incarnation);
    if (child == 0) ::_exit(body());
    if (child < 0) return;
    children_.push_back(child);
    me.count(kForks);
    if (what != kForks) me.count(what);
    me.record("forked", static_cast<std::uint64_t>(child));
  }

  // Outlives its parent, if that is killed meanwhile.
  void fork_an_idler(auto& me) {
    const std::uint64_t ns = me.random.below(30'000'000);
    fork(me, kForks, [&] {
      sleep_ns(ns);
      return 0;
    });
  }

  // The child ends the guard that it inherited; the parent goes on holding it.
  void fork_past_a_guard(auto& me) {
    auto guard = me.file.lock_publication();
    if (!guard) return me.violation(kNoGuard, {static_cast<std::uint64_t>(guard.error().code())});
    const PublisherName name(me);
    fork(me, kUnwinds, [&] {
      const auto ended = std::move(*guard);
      return 0;
    });
    sleep_ns(me.random.below(2'000'000));
  }

  void fork_an_exec(auto& me) {
    fork(me, kExecs, [] {
      ::execl("/bin/true", "true", nullptr);
      return 127;
    });
  }

  // A waiter for the lock that others keep taking: cancelled in its turn's queue, in the kernel's,
  // with the lock in hand, or after its end.
  void cancel_a_waiter(auto& me) {
    std::thread waiter = start_thread([&] {
      for (int i = 0; i < 20; ++i) {
        const auto guard = me.file.lock_publication();
        if (!guard) return;
        const PublisherName name(me);
        ::pthread_testcancel();
      }
    });
    sleep_ns(me.random.below(1'000'000));
    ::pthread_cancel(waiter.native_handle());
    waiter.join();
    me.count(kCancels);
  }

  std::vector<pid_t> children_;
};

[[maybe_unused]] const bool kAdded = add_role(role<Forker>({
    .name = "forker",
    .does = "fork children that sleep, unwind and exec, and cancel waiters",
    .counts = {"process_forks", "unwinds_in_children", "child_execs", "cancelled_waiters"},
    .wants = {{.count = "unwinds_in_children"}, {.count = "cancelled_waiters"}},
}));

}  // namespace
}  // namespace fsqlshm::stress
