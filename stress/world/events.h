// The rows of the catalogue.

#ifndef FSQLSHM_STRESS_WORLD_EVENTS_H_
#define FSQLSHM_STRESS_WORLD_EVENTS_H_

#include <vector>

#include "stress/world/cell.h"

namespace fsqlshm::world {

/// All of them, those that make calls fail last. Their addresses do not change.
[[nodiscard]] const std::vector<Event>& events();

/// Nothing happens: every operation succeeds, and every property holds.
[[nodiscard]] const Event& no_event();

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_EVENTS_H_
