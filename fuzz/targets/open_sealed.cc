// Headers into open(), with the checksum made right on a copy first: every engine gets past it,
// also one that cannot compute it.

#include "fuzz/check_open.h"

namespace fsqlshm::fuzz {

static constexpr std::string_view kReaches[] = {"accept", "too_small", "bad_magic",
                                                "version_mismatch", "invalid_page_size"};

constinit const Target kTarget = [] {
  Target target = sealed_target<SharedMemoryLayout, SharedMemoryLayoutView>("open_sealed");
  target.description = "the same bytes, the checksum made right first; the same validator";
  target.reaches = kReaches;
  target.share = {"accept", 0.85};
  target.weight = 2;
  return target;
}();

}  // namespace fsqlshm::fuzz
