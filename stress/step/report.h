// What a search of a scenario means: as expected or not, and why. The result document's findings are made
// here.
//
// `details` of the document:
//   subject           file, checksum, implementation, promises, known defects
//   search            "random" or "bounded"
//   context_bound     preemptions, for a bounded search
//   scenarios         a list of rows as harness/scenarios/search.h describes them, with "cut" (executions that
//                     ended in a state that was met before), "steps" (accesses to the header) and "deaths"
// Finding::trace is what to_json(Trace) makes.

#ifndef FSQLSHM_STRESS_STEP_REPORT_H_
#define FSQLSHM_STRESS_STEP_REPORT_H_

#include <cstdint>

#include "harness/result.h"
#include "harness/subject.h"
#include "stress/step/search.h"

namespace fsqlshm::step {

/// A whole bounded search with at least so many preemptions must reach every outcome that its scenario
/// declares, in our own protocol; and so must so many random executions.
inline constexpr unsigned kStandardBound = 2;
inline constexpr std::uint64_t kStandardIterations = 20'000;

/// Whether this scenario has to end in a violation on this subject.
[[nodiscard]] bool must_fail(const harness::Subject& subject, const Scenario& scenario);

/// A violation of a random search is searched for again with few preemptions, within `seconds`.
[[nodiscard]] harness::ScenarioReport judge_search(const harness::Subject& subject,
                                                   const Scenario& scenario, SearchResult result,
                                                   const Budget& budget, double seconds);

/// The finding of a violation.
[[nodiscard]] harness::Finding finding_of(const harness::Subject& subject, const Scenario& scenario,
                                          const Found& found);

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_REPORT_H_
