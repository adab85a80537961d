// Death and standstill at every atomic step.
//
// Crash points: for every operation that changes the header and every k, a child dies by SIGKILL on
// the real mapping before its k-th atomic step. Its parent then reads, checks, reconciles and
// acquires, and compares with what is allowed: as k grows the outcomes must run through a given
// list, never back and never outside of it, and every state must be repaired.
//
// Creation points: the same for every system call of creating the file, with and without O_TMPFILE.
//
// Stop points: one or two children stop, alive, before a step; the parent checks and acquires; then
// they go on. Two owners at once (P1) or changed words (P2, P5) are violations.

#ifndef FSQLSHM_STRESS_CRASH_POINTS_H_
#define FSQLSHM_STRESS_CRASH_POINTS_H_

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "harness/result.h"

namespace fsqlshm::stress {

struct CrashPointsConfig {
  bool reference = false;
  bool expect_defects = false;  ///< turn the reference's known defects into "expected" findings
  std::filesystem::path dir{};
  bool quiet = false;
};

/// Prints the tables, and adds to `result`:
///   counts.crash_points, counts.atomic_steps   equal, or it is a finding
///   counts.creation_points, counts.system_calls
///   counts.stop_points
///   details.crash_points   list of {operation, steps, outcomes: [one a point], completed}
///   details.creation       list of {way, calls: [{call, outcome}]}
///   details.stop_points    list of {scenario, points, outcomes: {text: count}}
void run_crash_points(const CrashPointsConfig& config, harness::Result& result);

/// Keeps one finding, now "expected", for each defect ("D3") that titles name, and adds a vacuous
/// one for each of `certain` that is missing; `possible` may be missing. Other findings stay.
void expect_defects(harness::Result& result, std::initializer_list<std::string_view> certain,
                    std::initializer_list<std::string_view> possible = {});

/// Findings of one kind at many points: the first is kept, the others are counted.
class FindingsByKind {
 public:
  explicit FindingsByKind(harness::Result& result) : result_(result) {}
  ~FindingsByKind();
  FindingsByKind(const FindingsByKind&) = delete;
  FindingsByKind& operator=(const FindingsByKind&) = delete;

  void add(const std::string& kind, harness::Finding finding);

 private:
  struct Kind {
    std::size_t index;
    std::uint64_t more = 0;
  };
  harness::Result& result_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_CRASH_POINTS_H_
