// Outcome tables in the manner of jcstress: two threads run one operation each on a fresh header,
// many times, on real hardware. Every outcome that is possible has a verdict; what was seen is
// counted.

#ifndef FSQLSHM_STRESS_OUTCOMES_H_
#define FSQLSHM_STRESS_OUTCOMES_H_

#include <cstdint>
#include <string>

#include "harness/result.h"

namespace fsqlshm::stress {

struct OutcomesConfig {
  bool reference = false;
  bool expect_defects = false;
  std::uint64_t iterations = 200'000;  ///< of each race
  double race_seconds = 3;             ///< a race also ends after this time, if it was one
  bool quiet = false;
};

/// Prints the tables, and adds to `result`:
///   counts.iterations
///   details.outcomes  list of {race, outcomes: [{outcome, verdict, meaning, count}]}
/// A forbidden outcome that was seen is a violation. A race of which no interesting outcome was
/// ever seen did not race: that is a vacuous finding.
void run_outcomes(const OutcomesConfig& config, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_OUTCOMES_H_
