#include "harness/scenarios/subjects.h"

#include "harness/scenarios/exploration.h"

namespace fsqlshm::harness {

ExitCode list_protocols() {
  fmt::print("Protocols:\n");
  for_each_subject([]<class Protocol>(const ScenarioSubject& subject) {
    fmt::print("  {:<30} {}\n", subject.name, subject.description);
  });
  fmt::print("\nScenarios:\n");
  for (const Scenario& scenario : scenarios()) {
    fmt::print("  ");
    list_scenario(scenario, "reference");
  }
  return kExitClean;
}

std::optional<Required> required_of(const ScenarioSubject& subject, const Scenario& scenario) {
  if (!must_fail(subject, scenario)) return std::nullopt;
  if (subject.is_mutant()) {
    return Required{.name = subject.name, .property = subject.caught_property};
  }
  const Scenario::Defect& defect = scenario.defect;
  return Required{.name = std::string(defect.name),
                  .property = std::string(defect.property),
                  .defect = std::string(defect.name)};
}

Finding& judge_violation(const ScenarioSubject& subject, const Scenario& scenario,
                         const FoundViolation& violation, ScenarioReport& report) {
  const bool known =
      subject.is_mutant() ||
      (must_fail(subject, scenario) && violation.property.starts_with(scenario.defect.property));
  report.status = known ? Status::kKnown : Status::kViolated;
  const std::string_view defect = subject.is_mutant() ? ""
                                  : known             ? scenario.defect.name
                                                      : std::string_view(violation.defect);
  return report.finding.emplace(
      violation_finding(scenario, violation, defect, known ? "expected" : "violation"));
}

}  // namespace fsqlshm::harness
