// open_sealed against an open() with a planted fault: a run that does not find it checks nothing.

#include "fuzz/check_open.h"
#include "harness/mutants/layout.h"

namespace fsqlshm::fuzz {

static constexpr KnownFault kFaults[] = {
    {.name = "planted", .property = "open: expected invalid_page_size, found accept"}};

constinit const Target kTarget = [] {
  Target target =
      sealed_target<harness::mutants::PageSizeUnchecked, SharedMemoryLayoutView>("canary");
  target.description = "open_sealed on an open() with a planted fault";
  target.known_faults = kFaults;
  return target;
}();

}  // namespace fsqlshm::fuzz
