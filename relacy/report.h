// What a search of a scenario means: as expected or not, and why. The result document's findings
// are made here.
//
// `details` of the document:
//   search            "random", "bounded" or "full"
//   context_bound     preemptions, for a bounded search
//   scenarios         a list of rows as harness/scenarios/search.h describes them
// and of an audit:
//   audit             {SUBJECT: {sites, weakenings, killed, survived, unexplained,
//                                matrix: [{site, in, order, weakened_to, killed, scenario,
//                                property,
//                                          executions, replay}]}}
// and of a litmus run:
//   litmus            list of {name, outcome, allowed, random, bounded, as_expected}
// Finding::trace is what to_json(Trace) makes.

#ifndef FSQLSHM_RELACY_REPORT_H_
#define FSQLSHM_RELACY_REPORT_H_

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "harness/program.h"
#include "harness/scenarios/search.h"
#include "search.h"
#include "trace.h"

namespace fsqlshm::relacy {

/// A random run of so many executions must reach every outcome that its scenario declares, and so
/// must a whole bounded search with at least kStandardBound preemptions.
inline constexpr std::uint64_t kStandardIterations = 100'000;
inline constexpr unsigned kStandardBound = 3;

using harness::Status;

/// Prints an execution that was asked for: what it violates is a finding. The error: see replay().
[[nodiscard]] harness::ExitCode conclude_replay(const harness::Program& program,
                                                std::string_view engine,
                                                const std::string& protocol,
                                                std::string_view scenario,
                                                const std::expected<Trace, std::string>& trace);

/// Judges a search. A violation is minimised (within `seconds`) and recorded.
[[nodiscard]] harness::ScenarioReport judge_search(const Subject& subject, const Scenario& scenario,
                                                   SearchResult result, const Budget& budget,
                                                   double seconds);

/// Judges a search without a violation.
void judge_clean(const Subject& subject, const Scenario& scenario, const Budget& budget,
                 harness::ScenarioReport& report);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_REPORT_H_
