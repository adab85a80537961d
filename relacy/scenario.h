// Subjects of the model checker: the protocols that scenarios run against.

#ifndef FSQLSHM_RELACY_SCENARIO_H_
#define FSQLSHM_RELACY_SCENARIO_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "checker.h"
#include "harness/scenarios/subjects.h"

namespace fsqlshm::relacy {

using harness::find_scenario;
using harness::Header;
using harness::must_fail;
using harness::Scenario;
using harness::scenarios;

static_assert(Words<RelacyWords>);

struct Subject : harness::ScenarioSubject {
  /// For one search, whose outcomes it counts.
  std::unique_ptr<Header> (*make_header)(const Scenario& scenario);
};

/// hardened, reference and the mutants.
[[nodiscard]] const std::vector<Subject>& subjects();
[[nodiscard]] const Subject* find_subject(std::string_view name);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SCENARIO_H_
