// open_sealed against an open() with a planted fault: a run that does not find it is blind.

#include "fuzz/check_open.h"
#include "fuzz/target.h"
#include "fuzz/testing/faulty_layout.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr Target kTarget = sealed_target<FaultyLayout, SharedMemoryLayoutView>("canary");
  return kTarget;
}

}  // namespace fsqlshm::fuzz
