#include "harness/child.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <system_error>
#include <thread>

namespace fsqlshm::harness {
namespace {

thread_local bool t_starting = false;

// noexcept: an exception must not unwind into the parent's code, which this process is a copy of.
[[noreturn]] void live(const std::function<int()>& body, pid_t parent) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(0);  // the parent died before the call above
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  // _exit: the parent's buffers and destructors are the parent's business.
  ::_exit(body());
}

}  // namespace

std::string ChildState::text() const {
  switch (kind) {
    case Kind::kRunning:
      return "runs";
    case Kind::kStopped:
      return "stopped";
    case Kind::kExited:
      return fmt::format("ended with status {}", number);
    case Kind::kSignalled:
      return fmt::format("died of signal {}", number);
  }
  return "";
}

Child::Child(const std::function<int()>& body) {
  const pid_t parent = ::getpid();
  std::fflush(nullptr);  // under TSan a child that ends writes its copy of what was not written yet
  t_starting = true;
  pid_ = ::fork();
  t_starting = false;
  if (pid_ == 0) live(body, parent);
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "cannot fork");
}

bool Child::starting() noexcept { return t_starting; }

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  end();
  pid_ = std::exchange(other.pid_, 0);
  state_ = std::exchange(other.state_, {});
  return *this;
}

ChildState Child::look(bool blocking) {
  if (!here()) return state_;
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, WUNTRACED | (blocking ? 0 : WNOHANG));
  } while (got < 0 && errno == EINTR);
  if (got == 0) return state_;
  if (got < 0) {
    state_ = {ChildState::Kind::kExited, -1};  // reaped by other code: nothing is known of its end
  } else if (WIFSTOPPED(status)) {
    state_ = {ChildState::Kind::kStopped, WSTOPSIG(status)};
  } else if (WIFEXITED(status)) {
    state_ = {ChildState::Kind::kExited, WEXITSTATUS(status)};
  } else {
    state_ = {ChildState::Kind::kSignalled, WTERMSIG(status)};
  }
  return state_;
}

ChildState Child::wait_for(std::chrono::nanoseconds limit) {
  using std::chrono::microseconds;
  const auto deadline = std::chrono::steady_clock::now() + limit;
  // The kernel has no wait with a limit that sees stops too, so this asks, ever less often.
  microseconds pause(20);
  while (!poll().over() && !state_.stopped() && here() &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, microseconds(1000));
  }
  return state_;
}

void Child::send(int signal) {
  if (!here()) return;
  if (signal == SIGCONT) state_ = {};
  ::kill(pid_, signal);
}

void Child::end() {
  send(SIGKILL);
  while (here()) wait();
}

ChildState run_in_child(const std::function<int()>& body, std::chrono::nanoseconds limit) {
  Child child(body);
  child.wait_for(limit);
  child.end();
  return child.state();
}

}  // namespace fsqlshm::harness
