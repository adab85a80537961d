#include "report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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

std::vector<std::string> missed_outcomes(const Scenario& scenario, const SearchResult& result) {
  std::vector<std::string> missed;
  for (std::size_t i = 0; i < scenario.outcomes.size(); ++i) {
    if (result.reached[i] == 0) missed.push_back(scenario.outcomes[i]);
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

// A violation is searched for again with few preemptions, and recorded.
void report_violation(const Subject& subject, const Scenario& scenario, const Budget& budget,
                      double seconds, ScenarioReport& report) {
  SearchResult shown = report.result;
  if (budget.search == Search::kRandom) {
    if (auto smaller = minimise(subject, scenario, shown, kStandardBound, seconds)) {
      shown = *std::move(smaller);
    }
  }
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): the caller has found one, and minimise, too
  const Violation& violation = *shown.violation;
  const bool mutant = subject.is_mutant();
  const bool known = mutant || (must_fail(subject, scenario) &&
                                violation.property.starts_with(scenario.defect.property));
  report.status = known ? Status::kKnown : Status::kViolated;
  harness::Finding& finding = report.finding.emplace();
  finding.severity = known ? "expected" : "violation";
  finding.property = violation.property;
  finding.defect = mutant ? "" : known ? std::string(scenario.defect.name) : violation.defect;
  finding.title =
      fmt::format("{}{}{}: {}: {}", finding.defect, finding.defect.empty() ? "" : " ",
                  scenario.name + (scenario.misuse ? ", its precondition broken on purpose" : ""),
                  violation.property, violation.text);
  finding.replay = fmt::format("fsqlshm-relacy --replay '{}'", shown.replay.text());
  if (auto trace = replay(subject, scenario, shown.replay)) {
    finding.trace = to_json(*trace);
    finding.detail = render(*trace);
    locate(finding, *trace);
    report.trace = *std::move(trace);
  }
}

}  // namespace

std::string_view to_string(Status status) noexcept {
  constexpr std::array<std::string_view, 6> kNames = {"clean",   "violated", "known",
                                                      "vacuous", "missed",   "stopped"};
  return kNames[static_cast<std::size_t>(status)];
}

ScenarioReport judge_search(const Subject& subject, const Scenario& scenario, SearchResult result,
                            const Budget& budget, double seconds) {
  ScenarioReport report{.result = std::move(result)};
  if (report.result.violation) {
    report_violation(subject, scenario, budget, seconds, report);
    return report;
  }
  const bool mutant = subject.is_mutant();
  const std::string executions = fmt::format("{} executions", report.result.executions);
  if (must_fail(subject, scenario)) {
    report.status = Status::kMissed;
    report.finding = {
        .severity = "vacuous",
        .property = mutant ? subject.caught_property : std::string(scenario.defect.property),
        .defect = mutant ? "" : std::string(scenario.defect.name),
        .title = fmt::format("{} was not found in {} by {}",
                             mutant ? std::string_view(subject.name) : scenario.defect.name,
                             subject.name, scenario.name),
        .detail = executions + " and no violation: the scenario or its oracle is vacuous.\n"};
    return report;
  }
  if (mutant || !long_enough(report.result, budget)) return report;
  const std::vector<std::string> missed = missed_outcomes(scenario, report.result);
  if (missed.empty()) return report;
  report.status = Status::kVacuous;
  report.finding = {
      .severity = "vacuous",
      .property = scenario.properties,
      .title = fmt::format("{} never reached: {}", scenario.name, fmt::join(missed, ", ")),
      .detail = executions + ".\n"};
  return report;
}

nlohmann::json to_json(const Scenario& scenario, const ScenarioReport& report) {
  const SearchResult& result = report.result;
  nlohmann::json outcomes = nlohmann::json::object();
  for (std::size_t i = 0; i < scenario.outcomes.size(); ++i) {
    outcomes[scenario.outcomes[i]] = result.reached[i];
  }
  return {{"name", scenario.name},
          {"properties", scenario.properties},
          {"status", to_string(report.status)},
          {"threads", scenario.threads.size()},
          {"executions", result.executions},
          {"seconds", result.seconds},
          {"complete", result.complete},
          {"bound_reached", result.bound_reached},
          {"next_iteration", result.next},
          {"outcomes", std::move(outcomes)}};
}

}  // namespace fsqlshm::relacy
