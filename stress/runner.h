// The parent of a stress run: forks workers over one file, kills, stops and replaces them, and
// judges what is left.

#ifndef FSQLSHM_STRESS_RUNNER_H_
#define FSQLSHM_STRESS_RUNNER_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/result.h"
#include "harness/subject.h"
#include "stress/role.h"
#include "stress/run_subject.h"

namespace fsqlshm::stress {

/// When a run ends before its time.
enum class Until : std::uint8_t {
  kTime,     ///< after a violation only
  kFound,    ///< after any finding, one that was to be expected too
  kReached,  ///< also when all has happened that must happen in a run (`unreached`)
};

struct RunConfig {
  WorkerConfig worker{};
  unsigned workers = 3;
  double seconds = 10;      ///< 0: until interrupted, or until `kills`
  bool kill = true;         ///< chaos: SIGKILL
  bool exec = true;         ///< chaos: one thread execs another program
  bool stop = true;         ///< chaos: SIGSTOP, then SIGCONT after 1 to 30 ms
  double chaos_rate = 20;   ///< acts of chaos a second
  std::uint64_t kills = 0;  ///< end after so many; 0: no such end
  Until until = Until::kTime;
  double patience = 20;          ///< seconds that a worker may take to stop when told to
  double locked_out = 5;         ///< seconds in which some writer and some publisher must get in
  std::filesystem::path dir{};   ///< where the file lies; empty: tmpfs
  std::string title = "stress";  ///< of the progress line
  bool quiet = false;
  /// Attacked in the place of a file of ours; its header lies in memory that the workers inherit.
  const harness::Subject* subject = nullptr;
};

/// Runs, and adds counts, findings and details to `result`:
///   details.roles      threads of each role in one worker
///   details.chaos      {"kill": bool, "exec": bool, "stop": bool, "rate": number}
///   details.recovered  times a publisher found an odd sequence number and reconciled
///   details.over_time  rows of counts since the start, {"seconds", NAME: count}
///   details.header     the header at the end, as fsqlshm-inspect shows it
/// Those of a run of several rounds are of all of them, but for details.header.
/// A run on a subject goes on, with a new header, after a finding that was to be expected (counts.rounds), unless it
/// is `until` one.
void run_stress(const RunConfig& config, harness::Result& result);

/// The run itself, over what is there already. Throws std::runtime_error.
void run_workers(const RunConfig& config, const WorkerConfig& worker, ControlBlock& control,
                 RunSubject& subject, harness::Result& result);

/// What a run did, in a line, by its counts.
[[nodiscard]] std::string headline_of(const nlohmann::json& counts);

/// Of 120 rows of details.over_time, or more, every second one goes: then it is true.
bool thin(std::vector<nlohmann::json>& rows);

/// What must have happened in a run and has not yet: a sentence each. A check that met nothing proves nothing. `count`:
/// how often so far, by the name of a count.
[[nodiscard]] std::vector<std::string> unreached(
    const RunConfig& config, const std::function<std::uint64_t(std::string_view)>& count);
/// Adds a vacuous finding for each of them, unless `result` has found something or was interrupted.
void judge_wants(const RunConfig& config, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RUNNER_H_
