// Bodies that several files of scenarios share.

#ifndef FSQLSHM_HARNESS_SCENARIOS_BODIES_H_
#define FSQLSHM_HARNESS_SCENARIOS_BODIES_H_

#include <string_view>

#include "harness/scenarios/scenario.h"

namespace fsqlshm::harness {

/// A check as a scenario makes it.
using Check = Exclusion (*)(Header&);

/// Reaches `evicted` if the check ends an owner's tenure.
[[nodiscard]] Body check_for_dead(Check check, std::string_view evicted);
/// After a check that may evict or take over, claims what a dead process left behind.
[[nodiscard]] Body check_then_follow(Check check);
/// Claims with id 2; reaches "followed" if a process died before.
void follow(Header& h);
/// Scenario::after where a process may have died: what it left behind is repaired.
void finish_after_deaths(Header& h);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_BODIES_H_
