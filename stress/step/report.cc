#include "stress/step/report.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "stress/step/subject_header.h"

namespace fsqlshm::step {
namespace {

// Of a file of the repository, its path in there; else the path as it is.
std::string repository_path(const std::string& file) {
  for (const std::string_view root : {"/core/include/fsqlshm/", "/harness/"}) {
    const std::size_t at = file.rfind(root);
    if (at != std::string::npos) return file.substr(at + 1);
  }
  return file;
}

}  // namespace

bool must_fail(const harness::Subject& subject, const Scenario& scenario) {
  const auto& known = subject.known_defects();
  return scenario.misuse || std::ranges::find(known, scenario.defect.name) != known.end();
}

harness::Finding finding_of(const harness::Subject& subject, const Scenario& scenario,
                            const Found& found) {
  const Violation& violation = found.violation;
  const bool foreseen =
      must_fail(subject, scenario) && violation.property == scenario.defect.property;
  harness::Finding finding = harness::violation_finding(
      scenario, violation, foreseen ? scenario.defect.name : std::string_view(violation.defect),
      foreseen ? "expected" : subject.severity(violation.property, violation.defect));
  finding.detail = found.detail;
  finding.trace = found.trace;
  finding.file = repository_path(found.file);
  finding.line = found.line;
  finding.replay = replay_command(subject, found.replay);
  return finding;
}

harness::ScenarioReport judge_search(const harness::Subject& subject, const Scenario& scenario,
                                     SearchResult result, const Budget& budget, double seconds) {
  harness::ScenarioReport report{
      .summary = static_cast<const harness::SearchSummary&>(result),
      .counts = {{"steps", result.steps}, {"cut", result.cut}, {"deaths", result.deaths}},
      .refusal = result.refusal};
  if (result.found) {
    Found shown = *std::move(result.found);
    if (budget.search == Search::kRandom) {
      auto smaller = search(subject, scenario, {.bound = kStandardBound + 1, .seconds = seconds});
      if (smaller.found) shown = *std::move(smaller.found);
    }
    report.finding = finding_of(subject, scenario, shown);
    report.status = report.finding->severity == "expected" ? harness::Status::kKnown
                                                           : harness::Status::kViolated;
    return report;
  }
  const Scenario::Defect& defect = scenario.defect;
  std::optional<harness::Required> required;
  if (must_fail(subject, scenario)) {
    required = {.name = std::string(defect.name),
                .property = std::string(defect.property),
                .defect = std::string(defect.name)};
  }
  // Only a subject whose ways are known can be blamed for what was not reached: others may have no
  // states that could be taken over.
  const bool must_reach =
      is_our_hardened(subject) &&
      harness::long_enough(report.summary, budget, kStandardBound, kStandardIterations);
  harness::judge_clean(scenario, subject.name(), required, must_reach, report);
  return report;
}

}  // namespace fsqlshm::step
