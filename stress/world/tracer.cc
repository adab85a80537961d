#include "stress/world/tracer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace fsqlshm::world {
namespace {

using std::chrono::microseconds;
using std::chrono::steady_clock;

// glibc's ptrace(2) takes an enum that lacks some requests, and variadic arguments.
long trace(long request, pid_t thread, std::uintptr_t address, std::uintptr_t data) {
  return ::syscall(SYS_ptrace, request, thread, address, data);
}

void expect(long result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

// Calls in which a thread waits for another thread or process.
bool waits(long number) {
  return number == SYS_fcntl || number == SYS_futex || number == SYS_clock_nanosleep;
}

}  // namespace

void mark(Marker marker, std::uint64_t value) {
  ::syscall(kMarkerCall, static_cast<long>(marker), value);
}

Tracer::Tracer(pid_t process, pid_t thread) : process_(process), thread_(thread) {
  expect(trace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), "seize");
  expect(trace(PTRACE_INTERRUPT, thread, 0, 0), "interrupt");
  int status = 0;
  if (::waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) {
    throw std::runtime_error("a thread that was seized does not stop");
  }
  held_ = true;
}

Tracer::~Tracer() {
  if (over_) return;
  int status = 0;
  if (!held_) {
    trace(PTRACE_INTERRUPT, thread_, 0, 0);
    if (::waitpid(thread_, &status, __WALL) != thread_ || !WIFSTOPPED(status)) return;
  }
  trace(PTRACE_DETACH, thread_, 0, static_cast<std::uintptr_t>(pending_signal_));
}

void Tracer::resume(int signal) {
  // The thread may be gone: the process was killed while it was held.
  trace(PTRACE_SYSCALL, thread_, 0, static_cast<std::uintptr_t>(signal));
  held_ = false;
}

bool Tracer::sleeps() const {
  std::ifstream file(fmt::format("/proc/{}/task/{}/stat", process_, thread_));
  std::string line;
  std::getline(file, line);
  const std::size_t end = line.rfind(')');
  return end != line.npos && line.substr(end).starts_with(") S");
}

Stop Tracer::next(bool tell_blocked, std::chrono::milliseconds limit) {
  if (over_) return {};
  if (held_) resume(std::exchange(pending_signal_, 0));
  const auto start = steady_clock::now();
  for (int looks = 0;; ++looks) {
    int status = 0;
    const pid_t got = ::waitpid(thread_, &status, __WALL | WNOHANG);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 || (got == thread_ && !WIFSTOPPED(status))) {
      over_ = true;
      return {};
    }
    if (got == thread_) {
      held_ = true;
      const int signal = WSTOPSIG(status);
      if (signal == (SIGTRAP | 0x80)) return stopped_in_call();
      resume(status >> 16 != 0 ? 0 : signal);  // events are not for the thread, signals are
      continue;
    }
    const auto waited = steady_clock::now() - start;
    if (tell_blocked && in_call_ && waits(number_) && waited > microseconds(300) && sleeps()) {
      return {.kind = Stop::Kind::kBlocked, .number = number_};
    }
    if (waited > limit) {
      throw std::runtime_error(fmt::format("no next moment within {} ms, last seen in {}",
                                           limit.count(), call_name(number_)));
    }
    if (looks < 200) {
      ::sched_yield();
    } else {
      std::this_thread::sleep_for(microseconds(50));
    }
  }
}

void Tracer::reap() {
  int status = 0;
  const pid_t got = ::waitpid(thread_, &status, __WALL | WNOHANG);
  over_ = over_ || (got == thread_ && !WIFSTOPPED(status)) || (got < 0 && errno == ECHILD);
}

Stop Tracer::stopped_in_call() {
  struct __ptrace_syscall_info info = {};
  if (trace(PTRACE_GET_SYSCALL_INFO, thread_, sizeof info,
            reinterpret_cast<std::uintptr_t>(&info)) < 0) {
    over_ = true;
    return {};
  }
  Stop stop;
  if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
    in_call_ = true;
    number_ = static_cast<long>(info.entry.nr);
    stop.kind = Stop::Kind::kEntry;
    stop.number = number_;
    for (std::size_t i = 0; i < stop.arguments.size(); ++i) stop.arguments[i] = info.entry.args[i];
    return stop;
  }
  in_call_ = false;
  if (const auto forced = std::exchange(forced_result_, std::nullopt)) set_result(*forced);
  struct user_regs_struct registers = {};
  trace(PTRACE_GETREGS, thread_, 0, reinterpret_cast<std::uintptr_t>(&registers));
  stop.kind = Stop::Kind::kExit;
  stop.number = number_;
  stop.result = static_cast<long>(registers.rax);
  stop.arguments = {registers.rdi, registers.rsi, registers.rdx,
                    registers.r10, registers.r8,  registers.r9};
  return stop;
}

void Tracer::fail_call(int error, bool happens_too) {
  forced_result_ = -error;
  if (happens_too) return;
  struct user_regs_struct registers = {};
  expect(trace(PTRACE_GETREGS, thread_, 0, reinterpret_cast<std::uintptr_t>(&registers)),
         "registers");
  registers.orig_rax = ~std::uint64_t{0};
  expect(trace(PTRACE_SETREGS, thread_, 0, reinterpret_cast<std::uintptr_t>(&registers)),
         "registers");
}

void Tracer::set_result(long result) {
  struct user_regs_struct registers = {};
  expect(trace(PTRACE_GETREGS, thread_, 0, reinterpret_cast<std::uintptr_t>(&registers)),
         "registers");
  registers.rax = static_cast<std::uint64_t>(result);
  expect(trace(PTRACE_SETREGS, thread_, 0, reinterpret_cast<std::uintptr_t>(&registers)),
         "registers");
}

bool Tracer::read(std::uint64_t address, void* to, std::size_t size) const {
  const int fd = ::open(fmt::format("/proc/{}/mem", process_).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const ssize_t got = ::pread(fd, to, size, static_cast<off_t>(address));
  ::close(fd);
  return got == static_cast<ssize_t>(size);
}

std::string Tracer::text_at(std::uint64_t address) const {
  std::string text;
  for (char c = 0; text.size() < 300 && read(address + text.size(), &c, 1) && c != 0;) text += c;
  return text;
}

}  // namespace fsqlshm::world
