// Subjects of the model checker: the protocols that scenarios run against.

#ifndef FSQLSHM_RELACY_SCENARIO_H_
#define FSQLSHM_RELACY_SCENARIO_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checker.h"
#include "harness/scenarios/scenario.h"

namespace fsqlshm::relacy {

using harness::find_scenario;
using harness::Header;
using harness::Scenario;
using harness::scenarios;

static_assert(Words<RelacyWords>);

struct Subject {
  std::string name;
  std::string description;
  /// For one search, whose outcomes it counts.
  std::unique_ptr<Header> (*make_header)(const Scenario& scenario);
  /// A mutant: this scenario must notice ...
  std::string caught_by{};
  /// ... that a property whose name starts like this does not hold.
  std::string caught_property{};

  [[nodiscard]] bool is_mutant() const noexcept { return !caught_by.empty(); }
};

/// hardened, reference and the mutants.
[[nodiscard]] const std::vector<Subject>& subjects();
[[nodiscard]] const Subject* find_subject(std::string_view name);

/// Whether this scenario has to end in a violation on this subject.
[[nodiscard]] bool must_fail(const Subject& subject, const Scenario& scenario);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SCENARIO_H_
