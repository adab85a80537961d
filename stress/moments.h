// Moments: the points in an operation at which something can happen to its process, which are its
// atomic steps and the system calls of creating and opening a file.
//
//   event      what happens: a signal, a failing call, or any function
//   moment     before which atomic step or system call, counted from 1
//   operation  what the process is doing (see operations.h)

#ifndef FSQLSHM_STRESS_MOMENTS_H_
#define FSQLSHM_STRESS_MOMENTS_H_

#include <array>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "fsqlshm/file_mapping.h"
#include "fsqlshm/words.h"
#include "harness/child.h"
#include "harness/intercepted_words.h"

namespace fsqlshm::stress {

/// Happens in the process itself. Returns the errno with which a system call fails because of it; 0
/// lets the call happen.
using Event = std::function<int()>;

[[nodiscard]] inline Event sends_itself(int signal) {
  return [signal] {
    ::raise(signal);
    return 0;
  };
}

/// What a process tells of its moments, in memory that it shares with its parent.
struct MomentLog {
  static constexpr std::size_t kMax = 128;
  std::uint64_t count = 0;
  std::array<std::string_view, kMax> names{};  ///< literals, so the parent has them too
  bool ended = false;                          ///< the operation came to its end
};

/// The moments of this process. REQUIRES: one thread.
class Moments {
 public:
  /// From `begin` on: counts in `log`, and lets `event` happen before moment `at`; 0: never.
  static void arm(MomentLog& log, std::uint64_t at, Event event) {
    shared_log = &log;
    wanted = at;
    happens = std::move(event);
  }
  static void begin() { counting = shared_log != nullptr; }
  /// Called at each moment.
  static int pass(std::string_view name) {
    if (!counting) return 0;
    if (shared_log->count < MomentLog::kMax) shared_log->names[shared_log->count] = name;
    return ++shared_log->count == wanted ? happens() : 0;
  }

 private:
  static inline MomentLog* shared_log = nullptr;
  static inline std::uint64_t wanted = 0;
  static inline Event happens;
  static inline bool counting = false;
};

struct StepMoments {
  static void before(const harness::AtomicStep& step) {
    static_cast<void>(Moments::pass(field_name(step.field)));
  }
};
/// The seam whose atomic steps are moments. System calls become moments by a
/// harness::ScopedBeforeCall.
using MomentWords = harness::InterceptedWords<MappedWords, StepMoments>;
static_assert(Words<MomentWords>);

/// What a process keeps open: the file's state stays established, and its owners live.
using Kept = std::shared_ptr<const void>;
/// An operation on the file at this path. Calls Moments::begin where its moments begin to count.
using Work = std::function<Kept(const std::filesystem::path&)>;

/// A child that works on a file, with an event before one of its moments.
class StruckProcess {
 public:
  /// `stays`: stops when its work is done, and so lives on, with what it keeps; else it ends.
  StruckProcess(const Work& work, const std::filesystem::path& path, std::uint64_t at,
                const Event& event, bool stays = false)
      : child_([&, this] {
          Moments::arm(*log_, at, event);
          const Kept kept = work(path);
          log_->ended = true;
          if (stays) ::raise(SIGSTOP);
          return 0;
        }) {}

  /// Waits until it is over or stops.
  harness::ChildState wait() { return child_.wait(); }
  void resume() { child_.send(SIGCONT); }
  [[nodiscard]] const MomentLog& log() const { return *log_; }

 private:
  harness::Shared<MomentLog> log_;
  harness::Child child_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_MOMENTS_H_
