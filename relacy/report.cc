#include "report.h"

#include <fmt/format.h>

#include <ranges>

namespace fsqlshm::relacy {
namespace {

// Path in the repository of a file of a trace.
std::string repository_path(std::string_view source) {
  const bool whole = source.starts_with("relacy/") || source.starts_with("harness/");
  return whole ? std::string(source) : fmt::format("core/include/fsqlshm/{}", source);
}

// The place of the last operation: where it went wrong.
void locate(harness::Finding& finding, const Trace& trace) {
  for (const Step& step : trace.steps | std::views::reverse) {
    if (step.where.line() == 0) continue;
    finding.file = repository_path(source_name(step.where.file_name()));
    finding.line = static_cast<int>(step.where.line());
    return;
  }
}

// A violation is searched for again with few preemptions, and recorded.
void report_violation(const Subject& subject, const Scenario& scenario, const Budget& budget,
                      double seconds, SearchResult shown, harness::ScenarioReport& report) {
  if (budget.search == Search::kRandom) {
    if (auto smaller = minimise(subject, scenario, shown, kStandardBound, seconds)) {
      shown = *std::move(smaller);
    }
  }
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): the caller has found one, and minimise, too
  const Violation& violation = *shown.violation;
  const bool known =
      subject.is_mutant() ||
      (must_fail(subject, scenario) && violation.property.starts_with(scenario.defect.property));
  report.status = known ? Status::kKnown : Status::kViolated;
  const std::string_view defect = subject.is_mutant() ? ""
                                  : known             ? scenario.defect.name
                                                      : std::string_view(violation.defect);
  report.finding =
      harness::violation_finding(scenario, violation, defect, known ? "expected" : "violation");
  report.finding->replay = fmt::format("fsqlshm-relacy --replay '{}'", shown.replay.text());
  if (const auto trace = replay(subject, scenario, shown.replay)) {
    report.finding->trace = to_json(*trace);
    report.finding->detail = render(*trace);
    locate(*report.finding, *trace);
  }
}

// What a search of this scenario has to come by.
std::optional<harness::Required> required(const Subject& subject, const Scenario& scenario) {
  if (!must_fail(subject, scenario)) return std::nullopt;
  if (subject.is_mutant()) {
    return harness::Required{.name = subject.name, .property = subject.caught_property};
  }
  const Scenario::Defect& defect = scenario.defect;
  return harness::Required{.name = std::string(defect.name),
                           .property = std::string(defect.property),
                           .defect = std::string(defect.name)};
}

}  // namespace

harness::ScenarioReport judge_search(const Subject& subject, const Scenario& scenario,
                                     SearchResult result, const Budget& budget, double seconds) {
  harness::ScenarioReport report{.summary = result};
  if (result.violation) {
    report_violation(subject, scenario, budget, seconds, std::move(result), report);
    return report;
  }
  const bool must_reach =
      !subject.is_mutant() &&
      harness::long_enough(report.summary, budget, kStandardBound, kStandardIterations);
  harness::judge_clean(scenario, subject.name, required(subject, scenario), must_reach, report);
  return report;
}

}  // namespace fsqlshm::relacy
