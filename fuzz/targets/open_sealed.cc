// Headers into open(), with the checksum made right on a copy first: every engine gets past it,
// also one that cannot compute it.

#include "fuzz/check_open.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr Target kTarget =
      sealed_target<SharedMemoryLayout, SharedMemoryLayoutView>("open_sealed");
  return kTarget;
}

}  // namespace fsqlshm::fuzz
