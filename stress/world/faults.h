// Which system calls of the file layer can fail, and how.

#ifndef FSQLSHM_STRESS_WORLD_FAULTS_H_
#define FSQLSHM_STRESS_WORLD_FAULTS_H_

#include <cerrno>
#include <vector>

#include "stress/world/tracer.h"

namespace fsqlshm::world {

/// Every errno that is tried, the least harmful last.
inline constexpr int kErrnos[] = {EIO,    ENOSPC, EMFILE, ENOMEM, EACCES,
                                  ENFILE, EDQUOT, EAGAIN, EINTR};

/// Those with which a call that begins here can fail; none at a step, an exit, and where no call of
/// the file layer is.
[[nodiscard]] std::vector<int> errors_of(const Stop& stop, const Tracer& tracer);

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_FAULTS_H_
