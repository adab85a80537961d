// Death and standstill at every moment of every operation (moments.h, operations.h).
//
// Crash points: for every operation and every k, a child dies by SIGKILL on the real mapping before
// its k-th moment: an atomic step of an operation on a header, or a system call of creating the
// file. As k grows, what is observed must run through a given list, never back and never outside of
// it, and a newcomer must find everything usable.
//
// Stop points: one or two children stop, alive, before a step; the parent checks and acquires; then
// they go on. Two owners at once (P1) or changed words (P2, P5) are violations.

#ifndef FSQLSHM_STRESS_CRASH_POINTS_H_
#define FSQLSHM_STRESS_CRASH_POINTS_H_

#include <cstdint>
#include <filesystem>

#include "harness/result.h"
#include "stress/setting.h"

namespace fsqlshm::stress {

/// Prints the tables, and adds to `result`:
///   counts.crash_points, counts.atomic_steps   equal, or it is a finding
///   counts.creation_points, counts.system_calls   the same
///   counts.stop_points
///   details.crash_points   list of {operation, steps, moments: [names], outcomes: [one a moment],
///                          completed}
///   details.creation       the same
///   details.stop_points    list of {operation, points, outcomes: {text: count}}
void run_crash_points(const Setting& setting, harness::Result& result);

/// The part of it that stops processes; works in `folder`. The number of points.
template <class Protocol>
std::uint64_t run_stop_points(const std::filesystem::path& folder, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_CRASH_POINTS_H_
