// open_sealed against an open() with a planted fault: a run that does not find it checks nothing.

#include "fuzz/check_open.h"
#include "fuzz/target.h"
#include "fuzz/testing/faulty_layout.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr KnownFault kFaults[] = {
      {.name = "planted", .property = "open: expected invalid_page_size, found accept"}};
  static constexpr Target kTarget = [] {
    Target target = sealed_target<FaultyLayout, SharedMemoryLayoutView>("canary");
    target.description = "open_sealed on an open() with a planted fault";
    target.known_faults = kFaults;
    return target;
  }();
  return kTarget;
}

}  // namespace fsqlshm::fuzz
