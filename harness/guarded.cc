#include "harness/guarded.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <exception>
#include <system_error>
#include <utility>

#include "harness/child.h"
#include "harness/run.h"

namespace fsqlshm::harness {
namespace {

// What the child ends with. A body that calls exit itself is told apart.
constexpr int kReturned = 100;
constexpr int kThrew = 101;

// What a child leaves behind.
struct Legacy {
  Doing doing;
  std::atomic<const void*> address{nullptr};
};

// Of the child that this process is; a signal handler has no other way to know.
Legacy* g_legacy = nullptr;

void note_address(int signal, siginfo_t* info, void*) {
  g_legacy->address.store(info->si_addr, std::memory_order::relaxed);
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// A stack of its own: the signal may come from a stack that overflowed.
void watch_for_crashes(Legacy& legacy) {
  g_legacy = &legacy;
  const rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  static std::array<std::byte, 64 * 1024> stack;
  const stack_t own = {.ss_sp = stack.data(), .ss_flags = 0, .ss_size = stack.size()};
  ::sigaltstack(&own, nullptr);
  struct sigaction action{};
  action.sa_sigaction = note_address;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int signal : {SIGSEGV, SIGBUS}) ::sigaction(signal, &action, nullptr);
  // The others are told by their number; a sanitizer's handler would turn them into an exit.
  for (const int signal : {SIGILL, SIGFPE, SIGABRT, SIGTRAP}) ::signal(signal, SIG_DFL);
}

// A file in memory for the text of the child.
class Text {
 public:
  Text() : fd_(::memfd_create("guarded", MFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "cannot make a memfd");
  }
  Text(const Text&) = delete;
  Text& operator=(const Text&) = delete;
  ~Text() { ::close(fd_); }

  [[nodiscard]] bool write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = ::write(fd_, text.data(), text.size());
      if (written < 0) return false;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }
  [[nodiscard]] std::string read() const {
    std::string text;
    std::array<char, 4096> piece{};
    off_t at = 0;
    while (true) {
      const ssize_t got = ::pread(fd_, piece.data(), piece.size(), at);
      if (got <= 0) return text;
      text.append(piece.data(), static_cast<std::size_t>(got));
      at += got;
    }
  }

 private:
  int fd_;
};

int live(const std::function<std::string(Doing&)>& body, Legacy& legacy, const Text& text) {
  watch_for_crashes(legacy);
  try {
    if (text.write(body(legacy.doing))) return kReturned;
  } catch (const std::exception& error) {
    static_cast<void>(text.write(error.what()));
  }
  return kThrew;
}

// Waits until the child is over, or `patience` passed without a sign of life. False: it hung.
bool wait(Child& child, const Doing& doing, std::chrono::nanoseconds patience) {
  std::uint64_t seen = doing.signs();
  auto since = std::chrono::steady_clock::now();
  bool told = false;
  while (!child.wait_for(std::chrono::milliseconds(50)).over()) {
    const auto now = std::chrono::steady_clock::now();
    if (stop_requested() && !std::exchange(told, true)) child.send(SIGTERM);
    if (doing.signs() != seen) {
      seen = doing.signs();
      since = now;
    } else if (now - since >= patience) {
      return false;
    }
  }
  return true;
}

void keep(std::array<char, 128>& text, std::string_view what) noexcept {
  const std::size_t size = std::min(what.size(), text.size() - 1);
  std::memcpy(text.data(), what.data(), size);
  text[size] = 0;
}

}  // namespace

void Doing::operator()(std::string_view what) noexcept {
  keep(text_, what);
  operator()();
}

void Doing::during(std::string_view what) noexcept {
  keep(context_, what);
  operator()();
}

std::string GuardedFailure::what() const {
  const char* const verb =
      kind == Kind::kCrashed ? "crashed" : (kind == Kind::kHung ? "hung" : "threw an exception");
  return fmt::format("{} in {}", verb, doing);
}

std::expected<std::string, GuardedFailure> guarded(const std::function<std::string(Doing&)>& body,
                                                   std::chrono::nanoseconds patience) {
  using Kind = GuardedFailure::Kind;
  const Shared<Legacy> legacy;
  const Text text;
  Child child([&] { return live(body, *legacy, text); });
  const bool ended = wait(child, legacy->doing, patience);
  child.end();
  const auto fail = [&](Kind kind, std::string how) {
    const std::string doing = legacy->doing.text();
    return std::unexpected(GuardedFailure{.kind = kind,
                                          .doing = doing.empty() ? "nothing yet" : doing,
                                          .context = legacy->doing.context(),
                                          .how = std::move(how),
                                          .address = legacy->address.load()});
  };
  if (!ended) {
    return fail(Kind::kHung, fmt::format("gave no sign of life for {:.3g} s",
                                         std::chrono::duration<double>(patience).count()));
  }
  if (child.state().exited(kReturned)) return text.read();
  if (child.state().exited(kThrew)) return fail(Kind::kThrew, text.read());
  return fail(Kind::kCrashed, child.state().text());
}

}  // namespace fsqlshm::harness
