// What it costs the runner to check every read.

#ifndef FSQLSHM_STRESS_VERIFICATION_H_
#define FSQLSHM_STRESS_VERIFICATION_H_

#include <cstdint>

#include "harness/result.h"
#include "stress/setting.h"

namespace fsqlshm::stress {

struct VerificationConfig {
  std::uint64_t rounds = 9;
  double seconds = 1;  ///< of each run; there are two in a round
  unsigned readers = 2;
};

/// The runner with one publisher at 10,000 publishes a second and nothing else but readers, in turn
/// with and without checks of what they read. Adds to `result`:
///   counts.snapshot_reads   checked ones
///   details.verification    {"readers", "checked_per_second", "bare_per_second": medians, all
///                           readers together; "checked_ns", "bare_ns", "cost_ns": medians of one
///                           reader's time for a read, and of the rounds' differences}
void run_verification(const Setting& setting, const VerificationConfig& config,
                      harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_VERIFICATION_H_
