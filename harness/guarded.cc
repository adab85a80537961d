#include "harness/guarded.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <exception>
#include <mutex>
#include <utility>

#include "harness/child.h"
#include "harness/memory_file.h"
#include "harness/run.h"

namespace fsqlshm::harness {
namespace {

// What the child ends with. A body that calls exit itself is told apart.
constexpr int kReturned = 100;
constexpr int kThrew = 101;
constexpr int kBreach = 102;

constexpr std::size_t kHandlerStack = std::size_t{64} * 1024;
constexpr std::array kDeadlySignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP};

// Of the calling thread; a signal handler has no other way to know.
thread_local LastWords* t_last_words = nullptr;

void note_signal(int signal, siginfo_t* info, void*) {
  if (LastWords* const words = t_last_words) {
    if (signal == SIGSEGV || signal == SIGBUS) {
      words->address.store(info->si_addr, std::memory_order::relaxed);
    }
    words->signal.store(signal, std::memory_order::release);
  }
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// Before a fork of the process that runs it.
void refuse_fork() {
  if (t_last_words == nullptr || Child::starting()) return;
  t_last_words->doing.breach(Breach::kForked);
}

// Of the process, and of its children.
void handle_signals() {
  ::pthread_atfork(refuse_fork, nullptr, nullptr);
  const rlimit no_core = {.rlim_cur = 0, .rlim_max = 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  struct sigaction action{};
  action.sa_sigaction = note_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (const int signal : kDeadlySignals) ::sigaction(signal, &action, nullptr);
}

int live(const std::function<std::string(Doing&)>& body, LastWords& words, const MemoryFile& text,
         bool checks_descriptors) {
  const Watched watched(words);
  if (checks_descriptors) words.doing.keep_open(text.descriptor());
  try {
    const std::string answer = body(words.doing);
    words.doing.check_descriptors();
    if (text.write(answer)) return kReturned;
  } catch (const std::exception& error) {
    static_cast<void>(text.write(error.what()));
  }
  return kThrew;
}

// Waits until the child is over; or the index of a thread that hangs.
std::optional<std::size_t> wait(Child& child, std::span<const LastWords* const> threads,
                                std::chrono::nanoseconds limit) {
  Patience patience(limit);
  bool told = false;
  while (!child.wait_for(std::chrono::milliseconds(50)).over()) {
    if (stop_requested() && !std::exchange(told, true)) child.send(SIGTERM);
    if (const auto silent = patience.silent(threads)) return silent;
  }
  return std::nullopt;
}

void keep(std::array<char, 128>& text, std::string_view what) noexcept {
  const std::size_t size = std::min(what.size(), text.size() - 1);
  std::memcpy(text.data(), what.data(), size);
  text[size] = 0;
}

}  // namespace

void Doing::operator()(std::string_view what) noexcept {
  check_descriptors();
  keep(text_, what);
  operator()();
}

void Doing::during(std::string_view what) noexcept {
  keep(context_, what);
  operator()();
}

void Doing::check_descriptors() noexcept {
  if (kept_ >= 0 && ::fcntl(kept_, F_GETFD) < 0) breach(Breach::kClosedDescriptors);
}

void Doing::breach(Breach what) noexcept {
  breach_.store(what);
  ::_exit(kBreach);
}

std::string GuardedFailure::what() const {
  // In the order of Kind.
  constexpr std::array kVerbs = {"crashed", "hung", "threw an exception", "forked",
                                 "closed descriptors"};
  return fmt::format("{} in {}", kVerbs[static_cast<std::size_t>(kind)], doing);
}

std::string_view GuardedFailure::property() const {
  const bool returned = kind == Kind::kForked || kind == Kind::kClosedDescriptors;
  return returned ? "a call leaves its process as it is" : "every call returns";
}

LastWords* LastWords::mine() noexcept { return t_last_words; }

Watched::Watched(LastWords& words)
    : stack_(std::make_unique_for_overwrite<std::byte[]>(kHandlerStack)) {
  const stack_t own = {.ss_sp = stack_.get(), .ss_flags = 0, .ss_size = kHandlerStack};
  ::sigaltstack(&own, &former_);
  static std::once_flag handled;
  std::call_once(handled, handle_signals);
  words.signal.store(0, std::memory_order::relaxed);
  words.address.store(nullptr, std::memory_order::relaxed);
  words.doing("");
  t_last_words = &words;
  words.watched.store(true, std::memory_order::release);
}

Watched::~Watched() {
  t_last_words->watched.store(false, std::memory_order::release);
  t_last_words = nullptr;
  ::sigaltstack(&former_, nullptr);
}

std::optional<std::size_t> Patience::silent(std::span<const LastWords* const> threads) {
  const auto now = Clock::now();
  if (seen_.empty()) seen_.resize(threads.size(), {.signs = 0, .since = now});
  for (std::size_t i = 0; i < threads.size(); ++i) {
    const std::uint64_t signs = threads[i]->doing.signs();
    if (signs != seen_[i].signs || !threads[i]->watched.load(std::memory_order::acquire)) {
      seen_[i] = {.signs = signs, .since = now};
    } else if (now - seen_[i].since >= limit_) {
      return i;
    }
  }
  return std::nullopt;
}

GuardedFailure GuardedFailure::hung(const LastWords& thread, std::chrono::nanoseconds patience) {
  GuardedFailure failure =
      crashed(thread, fmt::format("gave no sign of life for {:.3g} s",
                                  std::chrono::duration<double>(patience).count()));
  failure.kind = Kind::kHung;
  return failure;
}

GuardedFailure GuardedFailure::crashed(const LastWords& thread, std::string how) {
  const std::string doing = thread.doing.text();
  Kind kind = Kind::kCrashed;
  if (thread.doing.breach() == Breach::kForked) {
    kind = Kind::kForked;
    how = "no call may start a process";
  } else if (thread.doing.breach() == Breach::kClosedDescriptors) {
    kind = Kind::kClosedDescriptors;
    how = "the descriptors of its process are not its own";
  }
  return {.kind = kind,
          .doing = doing.empty() ? "nothing yet" : doing,
          .context = thread.doing.context(),
          .how = std::move(how),
          .address = thread.address.load()};
}

std::expected<std::string, GuardedFailure> guarded(const std::function<std::string(Doing&)>& body,
                                                   std::chrono::nanoseconds patience,
                                                   std::span<const LastWords* const> more) {
  const Shared<LastWords> words;
  const MemoryFile text;
  std::vector<const LastWords*> threads = {&*words};
  threads.insert(threads.end(), more.begin(), more.end());
  Child child([&] { return live(body, *words, text, more.empty()); });
  const auto silent = wait(child, threads, patience);
  child.end();
  if (silent) return std::unexpected(GuardedFailure::hung(*threads[*silent], patience));
  const ChildState end = child.state();
  if (end.exited(kReturned)) return text.read();
  // Who fell; if nobody said so, the first.
  const auto fell = std::ranges::find_if(threads, [](const LastWords* one) { return one->fell(); });
  GuardedFailure failure =
      GuardedFailure::crashed(fell == threads.end() ? *words : **fell, end.text());
  if (end.exited(kThrew)) {
    failure.kind = GuardedFailure::Kind::kThrew;
    failure.how = text.read();
  }
  return std::unexpected(std::move(failure));
}

}  // namespace fsqlshm::harness
