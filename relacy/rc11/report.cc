#include "relacy/rc11/report.h"

#include <fmt/format.h>

namespace fsqlshm::rc11 {

harness::ScenarioReport judge_search(const Subject& subject, const Scenario& scenario,
                                     const SearchResult& result, const Budget& budget) {
  harness::ScenarioReport report{
      .summary = static_cast<const harness::SearchSummary&>(result),
      .counts = {{"orders", result.judged}, {"visits", result.visits}, {"unfair", result.unfair}}};
  if (!result.violation) {
    judge_clean(subject, scenario, budget, report);
    return report;
  }
  harness::Finding& finding =
      harness::judge_violation(subject, scenario, *result.violation, report);
  finding.replay = fmt::format("fsqlshm-rc11 --replay '{}'", result.replay.text());
  if (const auto trace = replay(result.replay)) {
    finding.trace = relacy::to_json(*trace);
    finding.detail = relacy::render(*trace);
    finding.file = relacy::last_file(*trace);
    finding.line = relacy::last_line(*trace);
  }
  return report;
}

void judge_clean(const Subject& subject, const Scenario& scenario, const Budget& budget,
                 harness::ScenarioReport& report) {
  const bool must_reach =
      !subject.is_mutant() && report.summary.complete && budget.shard.count == 1;
  // One part of the executions need not have the violation.
  auto required = harness::required_of(subject, scenario);
  if (budget.shard.count > 1) required.reset();
  harness::judge_clean(scenario, subject.name, required, must_reach, report);
}

}  // namespace fsqlshm::rc11
