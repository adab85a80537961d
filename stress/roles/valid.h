// What must be valid in a header that is in use.

#ifndef FSQLSHM_STRESS_ROLES_VALID_H_
#define FSQLSHM_STRESS_ROLES_VALID_H_

#include "stress/role.h"

namespace fsqlshm::stress {

inline constexpr Check kInvalidHeader = {
    "valid header", "a header that validate rejects", {"error", "found", "expected"}};

/// The words of a live header are no snapshot of it: an odd number and a horizon ahead pass, and the
/// writer's words may be those of different owners.
void expect_valid(auto& me, const HeaderBytes& bytes) {
  for (const ShmError& error : validate(bytes)) {
    switch (error.code()) {
      case ShmErrorCode::kSnapshotSeqOdd:
      case ShmErrorCode::kGcHorizonAhead:
      case ShmErrorCode::kWriterUnjudgeable:
      case ShmErrorCode::kWriterLeftovers:
        break;
      default:
        me.violation(kInvalidHeader,
                     {static_cast<std::uint64_t>(error.code()), error.found(), error.expected()});
    }
  }
}

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ROLES_VALID_H_
