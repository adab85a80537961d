// The place for one more role: a function that the threads of every worker call again and again.
// docs/extending.md has an example.

#ifndef FSQLSHM_STRESS_ADDED_ROLE_H_
#define FSQLSHM_STRESS_ADDED_ROLE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/random.h"
#include "stress/control_block.h"

namespace fsqlshm::stress {

using harness::Random;

/// What a thread of an added role has at hand.
struct RoleTools {
  const ShmFile& file;  ///< of the run, mapped by this worker for this role; operations of hardened
  ControlBlock& control;                  ///< the expected state, see its logs
  Random random;                          ///< of this thread; follows from the run's seed
  std::array<std::uint64_t, 4> values{};  ///< what the report of a violation shows
};

struct AddedRole {
  std::string name{};
  std::string property{};  ///< what a violation breaks
  unsigned threads = 1;    ///< in each worker
  /// One turn, short enough that a run ends soon after it is told to. False if the property does
  /// not hold, which ends the run. REQUIRES: takes no transaction id, because ids that are lost are
  /// counted.
  bool (*turn)(RoleTools& tools) = nullptr;
};

/// Those that take part in every run, in campaigns too. A new one is listed in added_role.cc.
[[nodiscard]] std::vector<AddedRole> added_roles();

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ADDED_ROLE_H_
