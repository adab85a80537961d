// One thread of another process under ptrace(2), held at every system call.
//
// A program under trace tells of what is no system call by making one that no kernel has: kMarkerCall,
// with a Marker and a value. So atomic steps become moments like the calls.

#ifndef FSQLSHM_STRESS_WORLD_TRACER_H_
#define FSQLSHM_STRESS_WORLD_TRACER_H_

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fsqlshm::world {

/// Its answer is ENOSYS.
inline constexpr long kMarkerCall = 0x7f51;

enum class Marker : std::uint8_t {
  kBegin,    ///< of the operation
  kStep,     ///< before an atomic step; the value is the Field
  kRecover,  ///< in the callback of the first opener
  kEnd,      ///< of the operation
};

/// Makes the call; without a tracer nothing happens.
void mark(Marker marker, std::uint64_t value = 0);

/// Where a thread is held.
struct Stop {
  enum class Kind : unsigned char {
    kEntry,    ///< before a system call, or at a marker
    kExit,     ///< after a system call
    kBlocked,  ///< not held: it sleeps in the system call that it entered last
    kGone,     ///< the thread or its process is over
  };
  Kind kind = Kind::kGone;
  long number = -1;
  std::array<std::uint64_t, 6> arguments{};
  long result = 0;  ///< kExit; negative: an errno

  [[nodiscard]] bool marker() const { return number == kMarkerCall; }
  [[nodiscard]] bool is(Marker which) const {
    return marker() && arguments[0] == static_cast<std::uint64_t>(which);
  }
};

class Tracer {
 public:
  /// Seizes a thread of a process whose memory the caller may read. Kills the process if the caller
  /// dies. Throws std::system_error.
  Tracer(pid_t process, pid_t thread);
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  /// Lets the thread go on without a tracer.
  ~Tracer();

  /// Lets the thread go on to its next stop. With `tell_blocked`, kBlocked once it sleeps in a call
  /// that waits for others; then `next` goes on waiting. Throws std::runtime_error after `limit`.
  Stop next(bool tell_blocked, std::chrono::milliseconds limit = std::chrono::seconds(5));

  /// At an entry: the call answers -`error`, and is not made, unless it `happens_too`.
  void fail_call(int error, bool happens_too = false);
  /// At an exit: what the call is seen to answer.
  void set_result(long result);

  /// Does not let the thread go on, but notes if it is over.
  void reap();

  /// Text at an address of the process, at most some hundred bytes; for traces.
  [[nodiscard]] std::string text_at(std::uint64_t address) const;
  /// Bytes at an address of the process; false if there are none.
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const;

  [[nodiscard]] pid_t process() const { return process_; }
  [[nodiscard]] bool over() const { return over_; }

 private:
  [[nodiscard]] bool sleeps() const;
  Stop stopped_in_call();
  void resume(int signal);

  pid_t process_;
  pid_t thread_;
  bool held_ = false;
  bool over_ = false;
  bool in_call_ = false;  // the last stop was an entry
  long number_ = -1;      // of that call
  int pending_signal_ = 0;
  std::optional<long> forced_result_{};  // at the exit to come
};

/// "openat(AT_FDCWD, \"foo\", O_RDWR|O_CLOEXEC)", and " = -ENOENT" at an exit.
[[nodiscard]] std::string describe(const Stop& stop, const Tracer& tracer);
/// "openat", "commit_seq" for a step, "recover".
[[nodiscard]] std::string name_of(const Stop& stop);

/// "EIO"; "errno 200" for one that is not known.
[[nodiscard]] std::string errno_name(int error);
/// "openat"; "call 999" for one that the file layer has no business with.
[[nodiscard]] std::string call_name(long number);

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_TRACER_H_
