// Does nothing: what the engine itself costs, to measure the others against.

#include "fuzz/target.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr Target kTarget = {
      .name = "empty",
      .max_size = 512,
      .run = [](Bytes) -> std::optional<Failure> { return std::nullopt; },
      .units = [](Bytes) { return std::vector<Unit>(); },
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz
