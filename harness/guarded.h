// Code that is not trusted to return: it runs in a child process, and what becomes of it is a value.

#ifndef FSQLSHM_HARNESS_GUARDED_H_
#define FSQLSHM_HARNESS_GUARDED_H_

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>

namespace fsqlshm::harness {

/// What a child says that it does: the last words if it fails, and a sign of life if it does not.
class Doing {
 public:
  /// "fsqlshm_header_open"; cut after 127 bytes. Cheap; thread safety: one thread at a time.
  void operator()(std::string_view what) noexcept;
  /// On behalf of what it does it: "traces.jsonl:3"; cut likewise.
  void during(std::string_view what) noexcept;
  /// Only a sign of life.
  void operator()() noexcept { signs_.fetch_add(1, std::memory_order::relaxed); }

  /// For the parent.
  [[nodiscard]] std::string text() const { return text_.data(); }
  [[nodiscard]] std::string context() const { return context_.data(); }
  [[nodiscard]] std::uint64_t signs() const noexcept {
    return signs_.load(std::memory_order::relaxed);
  }

 private:
  std::array<char, 128> text_{};
  std::array<char, 128> context_{};
  std::atomic<std::uint64_t> signs_{0};
};

/// Why a child did not return.
struct GuardedFailure {
  enum class Kind : std::uint8_t { kCrashed, kHung, kThrew };
  Kind kind = Kind::kCrashed;
  std::string doing{};            ///< what it said last; "nothing yet" if it did not
  std::string context{};          ///< on behalf of what
  std::string how{};              ///< "died of signal 11", "gave no sign of life for 10 s" ...
  const void* address = nullptr;  ///< that a signal of the hardware named; or null

  /// "crashed in DOING".
  [[nodiscard]] std::string what() const;
  /// "crashed in DOING: HOW".
  [[nodiscard]] std::string text() const { return what() + ": " + how; }
};

/// Runs `body` in a child and gives what it returned. A child that gives no sign of life for
/// `patience` is killed. A request to stop (run.h) is passed on: the child gets a SIGTERM, which it
/// ignores unless it installs a stop handler of its own. Throws std::system_error if there can be no child.
[[nodiscard]] std::expected<std::string, GuardedFailure> guarded(
    const std::function<std::string(Doing&)>& body,
    std::chrono::nanoseconds patience = std::chrono::seconds(10));

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_GUARDED_H_
