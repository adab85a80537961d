// open_sealed against an open() with a planted fault: a run that does not find it is blind.

#include "fuzz/check_open.h"
#include "fuzz/target.h"
#include "fuzz/testing/faulty_layout.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr Target kTarget = {
      .name = "canary",
      .max_size = 512,
      .run = run_sealed<FaultyLayout, SharedMemoryLayoutView>,
      .mutate = mutate_header,
      .cross = cross_headers,
      .units = header_units,
      .repair = wire::seal,
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz
