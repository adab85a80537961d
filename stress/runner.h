// The parent of a stress run: forks workers over one file, kills, stops and replaces them, and
// judges what is left.

#ifndef FSQLSHM_STRESS_RUNNER_H_
#define FSQLSHM_STRESS_RUNNER_H_

#include <cstdint>
#include <filesystem>

#include "harness/result.h"
#include "stress/role.h"

namespace fsqlshm::stress {

struct RunConfig {
  WorkerConfig worker{};
  unsigned workers = 3;
  double seconds = 10;          ///< 0: until interrupted, or until `kills`
  bool kill = true;             ///< chaos: SIGKILL
  bool exec = true;             ///< chaos: one thread execs another program
  bool stop = true;             ///< chaos: SIGSTOP, then SIGCONT after 1 to 30 ms
  double chaos_rate = 20;       ///< acts of chaos a second
  std::uint64_t kills = 0;      ///< end after so many; 0: no such end
  double patience = 20;         ///< seconds that a worker may take to stop when told to
  std::filesystem::path dir{};  ///< where the file lies; empty: tmpfs
  bool quiet = false;
};

/// Runs, and adds counts, findings and details to `result`:
///   details.roles      threads of each role in one worker
///   details.chaos      {"kill": bool, "exec": bool, "stop": bool, "rate": number}
///   details.recovered  times a publisher found an odd sequence number and reconciled
///   details.over_time  rows of counts since the start, {"seconds", NAME: count}
///   details.header     the header at the end, as fsqlshm-inspect shows it
void run_stress(const RunConfig& config, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RUNNER_H_
