#include "report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ranges>

namespace fsqlshm::relacy {
namespace {

// Path in the repository of a file of a trace.
std::string repository_path(std::string_view source) {
  return source.starts_with("relacy/") ? std::string(source)
                                       : fmt::format("core/include/fsqlshm/{}", source);
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

std::vector<std::string> missed_outcomes(const ScenarioSpec& spec, const SearchResult& result) {
  std::vector<std::string> missed;
  for (std::size_t i = 0; i < spec.outcomes.size(); ++i) {
    if (result.reached[i] == 0) missed.push_back(spec.outcomes[i]);
  }
  return missed;
}

// Only a search that was long enough can be blamed for what it did not reach.
bool long_enough(const SearchResult& result, const Budget& budget) {
  if (budget.search == Search::kRandom) return result.executions >= kStandardIterations;
  if (budget.shard_count != 1) return false;
  return budget.search == Search::kFull ? result.complete
                                        : result.bound_reached >= static_cast<int>(kStandardBound);
}

}  // namespace

std::string_view to_string(Status status) noexcept {
  switch (status) {
    case Status::kClean:
      return "clean";
    case Status::kViolated:
      return "violated";
    case Status::kKnown:
      return "known";
    case Status::kVacuous:
      return "vacuous";
    case Status::kMissed:
      return "missed";
    case Status::kStopped:
      return "stopped";
  }
  return "";
}

bool must_fail(const Subject& subject, const ScenarioSpec& spec) {
  return spec.misuse || (subject.name == "reference" && !spec.defect.empty()) ||
         subject.caught_by == spec.name;
}

ScenarioReport judge_search(const Subject& subject, NamedScenario& scenario, SearchResult result,
                            const Budget& budget, double seconds) {
  const ScenarioSpec& spec = scenario.spec();
  const bool broken = !subject.caught_by.empty();
  ScenarioReport report{.result = std::move(result)};
  harness::Finding finding;

  if (report.result.violation) {
    SearchResult shown = report.result;
    if (budget.search == Search::kRandom) {
      if (auto smaller = minimise(subject, scenario, shown, kStandardBound, seconds)) {
        shown = *std::move(smaller);
      }
    }
    const Violation& violation = *shown.violation;
    const std::string& wanted = broken ? subject.caught_property : spec.defect_property;
    const bool known =
        broken || (must_fail(subject, spec) && violation.property.starts_with(wanted));
    report.status = known ? Status::kKnown : Status::kViolated;
    finding.severity = known ? "expected" : "violation";
    finding.property = violation.property;
    finding.title =
        fmt::format("{}{}{}: {}: {}", spec.defect.empty() || broken ? "" : spec.defect + " ",
                    spec.name, spec.misuse ? ", its precondition broken on purpose" : "",
                    violation.property, violation.text);
    finding.replay = fmt::format("fsqlshm-relacy --replay '{}'", shown.replay.text());
    if (auto trace = replay(shown.replay)) {
      finding.trace = to_json(*trace);
      finding.detail = render(*trace);
      locate(finding, *trace);
      report.trace = *std::move(trace);
    }
    report.finding = std::move(finding);
    return report;
  }

  if (must_fail(subject, spec)) {
    report.status = Status::kMissed;
    const std::string what = broken ? subject.name : spec.defect;
    finding.severity = "vacuous";
    finding.property = broken ? subject.caught_property : spec.defect_property;
    finding.title = fmt::format("{} was not found in {} by {}", what, subject.name, spec.name);
    finding.detail = fmt::format(
        "{} executions and no violation: the scenario or its oracle is "
        "blind.\n",
        report.result.executions);
    report.finding = std::move(finding);
    return report;
  }
  if (broken || !long_enough(report.result, budget)) return report;
  const std::vector<std::string> missed = missed_outcomes(spec, report.result);
  if (missed.empty()) return report;
  report.status = Status::kVacuous;
  finding.severity = "vacuous";
  finding.property = spec.properties;
  finding.title = fmt::format("{} never reached: {}", spec.name, fmt::join(missed, ", "));
  finding.detail = fmt::format("{} executions.\n", report.result.executions);
  report.finding = std::move(finding);
  return report;
}

nlohmann::json to_json(const ScenarioSpec& spec, const ScenarioReport& report) {
  const SearchResult& result = report.result;
  nlohmann::json outcomes = nlohmann::json::object();
  for (std::size_t i = 0; i < spec.outcomes.size(); ++i) {
    outcomes[spec.outcomes[i]] = result.reached[i];
  }
  return {{"name", spec.name},
          {"properties", spec.properties},
          {"status", to_string(report.status)},
          {"threads", spec.lanes.size()},
          {"executions", result.executions},
          {"seconds", result.seconds},
          {"executions_per_second",
           result.seconds > 0 ? static_cast<double>(result.executions) / result.seconds : 0.0},
          {"complete", result.complete},
          {"bound_reached", result.bound_reached},
          {"next_iteration", result.next},
          {"outcomes", std::move(outcomes)}};
}

}  // namespace fsqlshm::relacy
