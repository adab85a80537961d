// What is checked of a snapshot, or of its commit_seq alone (register_log.h says why this suffices).

#ifndef FSQLSHM_STRESS_ROLES_SNAPSHOT_H_
#define FSQLSHM_STRESS_ROLES_SNAPSHOT_H_

#include "stress/role.h"

namespace fsqlshm::stress {

inline constexpr Check kReadTooOld = {
    "snapshot linearizability",
    "a read returned an older snapshot than was in force when it began",
    {"returned", "oldest allowed"}};
inline constexpr Check kReadFromTheFuture = {
    "snapshot linearizability",
    "a read returned a snapshot whose publish had not begun",
    {"returned", "youngest begun"}};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ROLES_SNAPSHOT_H_
