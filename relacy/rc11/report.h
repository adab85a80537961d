// What a search of a scenario means, and how it is shown.
//
// `details` of the document:
//   search            "full"
//   scenarios         a list of rows as harness/scenarios/search.h describes them, with orders (of the steps
//                     of executions, judged), visits and unfair (see Explorer); outcomes are counted in orders
// and of an audit:
//   audit             {SUBJECT: {weakenings, killed, survived, unexplained,
//                                matrix: [{site, in, order, weakened_to, killed, killed_by_relacy,
//                                          scenario, property, executions, replay}]}}
// and of a litmus run:
//   litmus            list of {name, outcome, combinations, forbidden, relaxed_executions,
//                     synchronized_executions (acquire and release), strongest_executions, as_expected}
// Finding::trace is what relacy::to_json(Trace) makes.

#ifndef FSQLSHM_RELACY_RC11_REPORT_H_
#define FSQLSHM_RELACY_RC11_REPORT_H_

#include "harness/scenarios/search.h"
#include "relacy/rc11/search.h"

namespace fsqlshm::rc11 {

/// Judges a search, and records a violation.
[[nodiscard]] harness::ScenarioReport judge_search(const Subject& subject, const Scenario& scenario,
                                                   const SearchResult& result,
                                                   const Budget& budget = {});

/// Judges a search without a violation.
void judge_clean(const Subject& subject, const Scenario& scenario, const Budget& budget,
                 harness::ScenarioReport& report);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_REPORT_H_
