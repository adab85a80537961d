// What a search of a scenario means: as expected or not, and why. The result document's findings
// are made here.
//
// `details` of the document:
//   search            "random", "bounded" or "full"
//   context_bound     preemptions, for a bounded search
//   scenarios         list of {name, properties, status, threads, executions, seconds,
//                     complete, bound_reached (-1: none), next_iteration, outcomes: {name: count}}
//                     status: "clean", "violated", "known" (a violation that had to be found),
//                     "vacuous" or "missed" (a violation that had to be found and was not)
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

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/result.h"
#include "search.h"
#include "trace.h"

namespace fsqlshm::relacy {

/// A random run of so many executions must reach every outcome that its scenario declares, and so
/// must a whole bounded search with at least kStandardBound preemptions.
inline constexpr std::uint64_t kStandardIterations = 100'000;
inline constexpr unsigned kStandardBound = 3;

enum class Status : std::uint8_t { kClean, kViolated, kKnown, kVacuous, kMissed, kStopped };

struct ScenarioReport {
  Status status = Status::kClean;
  SearchResult result;
  std::optional<harness::Finding> finding{};
  std::optional<Trace> trace{};
};

[[nodiscard]] std::string_view to_string(Status status) noexcept;

/// Judges a search. A violation is minimised (within `seconds`) and recorded.
[[nodiscard]] ScenarioReport judge_search(const Subject& subject, const Scenario& scenario,
                                          SearchResult result, const Budget& budget,
                                          double seconds);

[[nodiscard]] nlohmann::json to_json(const Scenario& scenario, const ScenarioReport& report);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_REPORT_H_
