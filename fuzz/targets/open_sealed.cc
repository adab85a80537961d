// Headers into open(), with the checksum made right on a copy first: every engine gets past it,
// also one that cannot compute it.

#include "fuzz/check_open.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr Target kTarget = {
      .name = "open_sealed",
      .max_size = 512,
      .run = run_sealed<SharedMemoryLayout, SharedMemoryLayoutView>,
      .mutate = mutate_header,
      .cross = cross_headers,
      .units = header_units,
      .repair = wire::seal,
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz
