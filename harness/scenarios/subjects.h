// The protocols that scenarios run against, in every engine that compiles them in: hardened, reference and
// the mutants.

#ifndef FSQLSHM_HARNESS_SCENARIOS_SUBJECTS_H_
#define FSQLSHM_HARNESS_SCENARIOS_SUBJECTS_H_

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "harness/mutants/all.h"
#include "harness/scenarios/scenario.h"
#include "harness/scenarios/search.h"

namespace fsqlshm::harness {

struct ScenarioSubject {
  std::string name;
  std::string description;
  /// A mutant: this scenario must notice ...
  std::string caught_by{};
  /// ... that a property whose name starts like this does not hold.
  std::string caught_property{};

  [[nodiscard]] bool is_mutant() const noexcept { return !caught_by.empty(); }
};

/// Calls `visit` with each as template argument, and with what there is to say of it.
template <class Visit>
void for_each_subject(Visit&& visit) {
  visit.template operator()<HardenedProtocol>({"hardened", "the library's protocol"});
  visit.template operator()<ReferenceProtocol>({"reference", "as published: must show D1 to D6"});
  mutants::for_each([&visit]<class Mutant> {
    if constexpr (!Mutant::kInfo.scenario.empty()) {
      visit.template operator()<Mutant>(
          {fmt::format("mutant-{}", Mutant::kInfo.name), std::string(Mutant::kInfo.wrong),
           std::string(Mutant::kInfo.scenario), std::string(Mutant::kInfo.property)});
    }
  });
}

/// The operations of `Protocol` on `words`, judged, for one search of `scenario`.
template <class Protocol, Words W>
std::unique_ptr<Header> make_header(ScenarioExecution& execution, W words,
                                    const Scenario& scenario) {
  return std::make_unique<HeaderOf<Header, W, Protocol>>(
      execution, std::move(words), Protocol::kName == HardenedProtocol::kName,
      Protocol::kName != ReferenceProtocol::kName, requires { Protocol::kFenceBeforeLock; },
      scenario.outcomes);
}

/// Whether this scenario has to end in a violation on this subject.
[[nodiscard]] inline bool must_fail(const ScenarioSubject& subject, const Scenario& scenario) {
  if (subject.is_mutant()) return subject.caught_by == scenario.name;
  return scenario.misuse || (subject.name == "reference" && !scenario.defect.name.empty());
}

/// Names the protocols and the scenarios: --list.
ExitCode list_protocols();

/// What a search of this scenario has to come by.
[[nodiscard]] std::optional<Required> required_of(const ScenarioSubject& subject,
                                                  const Scenario& scenario);
/// Status and finding of a search with this violation. The finding, to which what shows it again is to be
/// added.
Finding& judge_violation(const ScenarioSubject& subject, const Scenario& scenario,
                         const FoundViolation& violation, ScenarioReport& report);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_SUBJECTS_H_
