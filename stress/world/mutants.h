// The file layer over a system that lies in one call: what it would be without one of its
// precautions. The catalogue must find each of them.

#ifndef FSQLSHM_STRESS_WORLD_MUTANTS_H_
#define FSQLSHM_STRESS_WORLD_MUTANTS_H_

#include <span>
#include <string_view>

#include "harness/system_calls.h"

namespace fsqlshm::world {

struct Mutant {
  const char* name;
  const char* about;
  std::string_view property;  ///< that a finding must name
  const char* cell;           ///< EVENT:OPERATION, the row and column that can find it
  harness::Lie lie;
};

[[nodiscard]] std::span<const Mutant> mutants();

/// Environment variable with the name of a mutant. Its lies begin with the program, because the file
/// layer makes calls before `main`.
inline constexpr const char* kMutantVariable = "FSQLSHM_WORLD_MUTANT";

/// nullptr if there is none of that name.
[[nodiscard]] const Mutant* find_mutant(std::string_view name);

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_MUTANTS_H_
