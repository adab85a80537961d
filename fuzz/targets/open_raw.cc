// Any bytes, of any length and at any alignment, into open().

#include "fuzz/check_open.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr Target kTarget = {
      .name = "open_raw",
      .max_size = 512,
      .run = run_raw<SharedMemoryLayout, SharedMemoryLayoutView>,
      .mutate = mutate_header,
      .cross = cross_headers,
      .units = header_units,
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz
