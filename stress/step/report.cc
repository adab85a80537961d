#include "stress/step/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

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

std::vector<std::string> missed_outcomes(const Scenario& scenario, const SearchResult& result) {
  std::vector<std::string> missed;
  for (std::size_t i = 0; i < scenario.outcomes.size(); ++i) {
    if (result.reached[i] == 0) missed.push_back(scenario.outcomes[i]);
  }
  return missed;
}

// Only a search that was long enough can be blamed for what it did not reach, and only a subject whose
// ways are known: others may have no states that could be taken over.
bool must_reach_all(const harness::Subject& subject, const SearchResult& result,
                    const Budget& budget) {
  if (!is_our_hardened(subject)) return false;
  if (budget.search == Search::kRandom) return result.executions >= kStandardIterations;
  return budget.part.count == 1 && result.bound_reached >= static_cast<int>(kStandardBound);
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
  harness::Finding finding;
  finding.property = violation.property;
  finding.defect = foreseen ? std::string(scenario.defect.name) : violation.defect;
  finding.severity = foreseen ? "expected" : subject.severity(violation.property, violation.defect);
  finding.title =
      fmt::format("{}{}{}: {}: {}", finding.defect, finding.defect.empty() ? "" : " ",
                  scenario.name + (scenario.misuse ? ", its precondition broken on purpose" : ""),
                  violation.property, violation.text);
  finding.detail = found.detail;
  finding.trace = found.trace;
  finding.file = repository_path(found.file);
  finding.line = found.line;
  finding.replay = fmt::format("fsqlshm-step --subject {} --replay '{}'", subject.file().string(),
                               found.replay.text());
  return finding;
}

ScenarioReport judge_search(const harness::Subject& subject, const Scenario& scenario,
                            SearchResult result, const Budget& budget, bool stopped,
                            double seconds) {
  ScenarioReport report{.result = std::move(result)};
  const SearchResult& it = report.result;
  if (it.found) {
    Found shown = *it.found;
    if (budget.search == Search::kRandom) {
      auto smaller =
          search(subject, scenario,
                 {.bound = kStandardBound + 1, .seconds = seconds, .patience = budget.patience});
      if (smaller.found) shown = *std::move(smaller.found);
    }
    report.finding = finding_of(subject, scenario, shown);
    report.status = report.finding->severity == "expected" ? "known" : "violated";
    return report;
  }
  const std::string executions = fmt::format("{} executions", it.executions);
  if (stopped) {
    report.status = "stopped";
  } else if (must_fail(subject, scenario)) {
    report.status = "missed";
    report.finding = {
        .severity = "vacuous",
        .property = std::string(scenario.defect.property),
        .defect = std::string(scenario.defect.name),
        .title = fmt::format("{} was not found in {} by {}", scenario.defect.name, subject.name(),
                             scenario.name),
        .detail = executions + " and no violation: the scenario or its oracle is vacuous.\n"};
  } else if (must_reach_all(subject, it, budget)) {
    const std::vector<std::string> missed = missed_outcomes(scenario, it);
    if (missed.empty()) return report;
    report.status = "vacuous";
    report.finding = {
        .severity = "vacuous",
        .property = scenario.properties,
        .title = fmt::format("{} never reached: {}", scenario.name, fmt::join(missed, ", ")),
        .detail = executions + ".\n"};
  }
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
          {"status", report.status},
          {"threads", scenario.threads.size()},
          {"executions", result.executions},
          {"cut", result.cut},
          {"steps", result.accesses},
          {"deaths", result.deaths},
          {"seconds", result.seconds},
          {"complete", result.complete},
          {"bound_reached", result.bound_reached},
          {"next_iteration", result.next},
          {"outcomes", std::move(outcomes)}};
}

}  // namespace fsqlshm::step
