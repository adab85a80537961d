// How long readers wait when a publisher dies in the middle of a publish.

#ifndef FSQLSHM_STRESS_RECOVERY_H_
#define FSQLSHM_STRESS_RECOVERY_H_

#include <cstdint>

#include "harness/result.h"
#include "stress/setting.h"

namespace fsqlshm::stress {

/// A publisher sends itself SIGKILL before a step in the middle of a publish; another process waits
/// for the publication lock and reconciles; a third reads all the time. The time is from just
/// before the signal to the end of the first read that succeeds. Adds to `result`:
///   counts.deaths
///   details.recovery_us  {"median", "p90", "p99", "max"} in microseconds
void run_recovery(const Setting& setting, std::uint64_t deaths, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RECOVERY_H_
