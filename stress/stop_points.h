// Standstill before each atomic step: live processes that are not running for a while.

#ifndef FSQLSHM_STRESS_STOP_POINTS_H_
#define FSQLSHM_STRESS_STOP_POINTS_H_

#include <filesystem>

#include "harness/result.h"
#include "stress/crash_points.h"

namespace fsqlshm::stress {

/// Part of run_crash_points; works in `folder`. Instantiated for both protocols.
template <class Protocol>
void run_stop_points(const CrashPointsConfig& config, const std::filesystem::path& folder,
                     harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_STOP_POINTS_H_
