// Code that is not trusted to return: it runs in a child process, and what becomes of it is a value. And what
// that is made of, for processes with several threads: what each says last, and whose life gives no sign.

#ifndef FSQLSHM_HARNESS_GUARDED_H_
#define FSQLSHM_HARNESS_GUARDED_H_

#include <signal.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fsqlshm::harness {

/// What code that is not trusted does to the process that runs it. It ends the process at once.
enum class Breach : std::uint8_t { kNone, kForked, kClosedDescriptors };

/// What a child says that it does: the last words if it fails, and a sign of life if it does not.
class Doing {
 public:
  /// "fsqlshm_header_open"; cut after 127 bytes. Cheap; thread safety: one thread at a time.
  void operator()(std::string_view what) noexcept;
  /// Ends the process, with what it said last, if it has closed the descriptor of `keep_open`.
  void check_descriptors() noexcept;
  /// Every call from now on begins with that: a call of the system.
  void keep_open(int descriptor) noexcept { kept_ = descriptor; }
  /// Ends the process. Async-signal-safe.
  [[noreturn]] void breach(Breach what) noexcept;
  /// On behalf of what it does it: "traces.jsonl:3"; cut likewise.
  void during(std::string_view what) noexcept;
  /// Only a sign of life.
  void operator()() noexcept {
    signs_.store(signs_.load(std::memory_order::relaxed) + 1, std::memory_order::relaxed);
  }

  /// For the parent.
  [[nodiscard]] std::string text() const { return text_.data(); }
  [[nodiscard]] std::string context() const { return context_.data(); }
  [[nodiscard]] std::uint64_t signs() const noexcept {
    return signs_.load(std::memory_order::relaxed);
  }
  [[nodiscard]] Breach breach() const noexcept { return breach_.load(); }

 private:
  std::array<char, 128> text_{};
  std::array<char, 128> context_{};
  std::atomic<std::uint64_t> signs_{0};
  std::atomic<Breach> breach_{Breach::kNone};
  int kept_ = -1;
};

/// What a thread leaves behind, in memory that it shares with whoever judges it.
struct LastWords {
  Doing doing;
  std::atomic<bool> watched{false};           ///< there is a `Watched` for it
  std::atomic<int> signal{0};                 ///< that the thread raised and that kills its process
  std::atomic<const void*> address{nullptr};  ///< that the signal named

  /// Whether it was this thread that ended its process.
  [[nodiscard]] bool fell() const noexcept {
    return signal.load() != 0 || doing.breach() != Breach::kNone;
  }
  /// Those of the calling thread; null if it is not watched.
  [[nodiscard]] static LastWords* mine() noexcept;
};

/// While it lives, `words` are those of the calling thread: a signal of the hardware, and an abort, are noted
/// there before they kill the process, which leaves no core file; so is a fork (but for a Child's), which does not happen. The handlers are those of the process, and
/// are installed once: another one that is installed later takes their place. REQUIRES: the thread that made it destroys it.
class Watched {
 public:
  explicit Watched(LastWords& words);
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;
  ~Watched();

 private:
  // For the handler: the signal may come from a stack that overflowed.
  std::unique_ptr<std::byte[]> stack_;
  stack_t former_{};
};

/// Looks after watched threads: which of them gave no sign of life for too long.
class Patience {
 public:
  explicit Patience(std::chrono::nanoseconds limit) : limit_(limit) {}

  /// The first of `threads`, by index, that has been silent for longer than the limit. REQUIRES: the same
  /// threads each time. To be called every now and then.
  [[nodiscard]] std::optional<std::size_t> silent(std::span<const LastWords* const> threads);
  /// For how long a thread has been silent, as far as `silent` has seen. REQUIRES: that was called.
  [[nodiscard]] std::chrono::nanoseconds silence_of(std::size_t thread) const {
    return Clock::now() - seen_[thread].since;
  }

 private:
  using Clock = std::chrono::steady_clock;
  struct Seen {
    std::uint64_t signs = 0;
    Clock::time_point since;
  };
  std::chrono::nanoseconds limit_;
  std::vector<Seen> seen_;
};

/// Why a child did not return.
struct GuardedFailure {
  enum class Kind : std::uint8_t { kCrashed, kHung, kThrew, kForked, kClosedDescriptors };
  Kind kind = Kind::kCrashed;
  std::string doing{};            ///< what it said last; "nothing yet" if it did not
  std::string context{};          ///< on behalf of what
  std::string how{};              ///< "died of signal 11", "gave no sign of life for 10 s" ...
  const void* address = nullptr;  ///< that a signal of the hardware named; or null

  /// "crashed in DOING".
  [[nodiscard]] std::string what() const;
  /// "crashed in DOING: HOW".
  [[nodiscard]] std::string text() const { return what() + ": " + how; }
  /// What did not hold.
  [[nodiscard]] std::string_view property() const;

  /// Of a thread that gave no sign of life for `patience`.
  [[nodiscard]] static GuardedFailure hung(const LastWords& thread,
                                           std::chrono::nanoseconds patience);
  /// Of a thread that raised a signal or was stopped for a breach, or else of one whose process ended like that.
  [[nodiscard]] static GuardedFailure crashed(const LastWords& thread, std::string how);
};

/// Runs `body` in a child and gives what it returned. A child that gives no sign of life for
/// `patience` is killed. A request to stop (run.h) is passed on: the child gets a SIGTERM, which it
/// ignores unless it installs a stop handler of its own. `more`: of threads that the body starts; in memory that
/// is shared with the child. A body without them must not close descriptors that are not its own. Throws std::system_error if there can be no child.
[[nodiscard]] std::expected<std::string, GuardedFailure> guarded(
    const std::function<std::string(Doing&)>& body,
    std::chrono::nanoseconds patience = std::chrono::seconds(10),
    std::span<const LastWords* const> more = {});

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_GUARDED_H_
