// Small programs that are drawn, for comparing the explorer with brute force.

#ifndef FSQLSHM_RELACY_RC11_RANDOM_PROGRAM_H_
#define FSQLSHM_RELACY_RC11_RANDOM_PROGRAM_H_

#include <cstdint>

#include "relacy/rc11/program.h"

namespace fsqlshm::rc11 {

/// Two or three threads of loads, stores, exchanges and additions of any order on up to three
/// locations. Some threads wait in the end for a location to change; some may die, and are watched.
[[nodiscard]] Program random_program(std::uint64_t seed);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_RANDOM_PROGRAM_H_
