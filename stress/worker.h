// A worker process: maps the file once and runs several threads in their roles, until it is told to
// stop or killed.

#ifndef FSQLSHM_STRESS_WORKER_H_
#define FSQLSHM_STRESS_WORKER_H_

#include <cstdint>
#include <vector>

#include "harness/child.h"
#include "stress/control_block.h"
#include "stress/role.h"

namespace fsqlshm::stress {

/// Whether this program runs under ThreadSanitizer.
[[nodiscard]] bool under_tsan();
/// Exit status of a worker under TSan that found a race.
inline constexpr int kTsanExitStatus = 66;
/// Exit status of a worker that could not open the file.
inline constexpr int kWorkerOpenFailed = 3;

/// The life of a worker, from just after the fork; the exit status.
[[nodiscard]] int run_worker(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
                             std::uint64_t incarnation);

/// The workers of a run: starts, kills, stops, continues and replaces them.
class Workers {
 public:
  Workers(const WorkerConfig& config, ControlBlock& control, std::size_t count);

  /// A worker that ended although the parent did not kill it.
  struct End {
    std::size_t worker;
    pid_t pid;
    harness::ChildState how;
  };

  /// Throws std::system_error.
  void start_all();
  /// Sends SIGKILL, also to a worker that is stopped, and notes it before that. Does nothing to one
  /// that is over or about to die.
  void kill(std::size_t worker);
  /// The same, but one of its threads execs another program, which ends at once.
  void exec(std::size_t worker);
  /// Sends SIGSTOP; `turn` continues the worker at this time. Does nothing to one that does not run.
  void stop(std::size_t worker, std::uint64_t until_ns);
  /// Continues whom it is time to continue and takes note of those that ended; replaces those that
  /// were killed if `replace`, unless another one ended.
  [[nodiscard]] std::vector<End> turn(std::uint64_t now_ns, bool replace);
  void continue_all();

  /// Those that are not over.
  [[nodiscard]] std::vector<std::size_t> here() const;
  [[nodiscard]] std::size_t count() const { return workers_.size(); }

  [[nodiscard]] std::uint64_t kills() const { return kills_; }
  [[nodiscard]] std::uint64_t execs() const { return execs_; }
  [[nodiscard]] std::uint64_t stops() const { return stops_; }
  [[nodiscard]] std::uint64_t starts() const { return starts_; }
  /// Threads that were killed and may each have lost a transaction id.
  [[nodiscard]] std::uint64_t lost_threads() const { return lost_threads_; }

 private:
  struct Worker {
    harness::Child child;
    std::uint64_t incarnation = 0;
    bool killed = false;            // by us, not yet seen to be over
    bool execs = false;             // killed by an exec
    std::uint64_t continue_ns = 0;  // when to send SIGCONT; 0: not stopped
  };

  void start(std::size_t worker);
  void end(std::size_t worker, bool by_exec);

  const WorkerConfig& config_;
  ControlBlock& control_;
  std::vector<Worker> workers_;
  std::uint64_t kills_ = 0;
  std::uint64_t execs_ = 0;
  std::uint64_t stops_ = 0;
  std::uint64_t starts_ = 0;
  std::uint64_t lost_threads_ = 0;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_WORKER_H_
