// Any bytes, of any length and at any alignment, into open().

#include "fuzz/check_open.h"

namespace fsqlshm::fuzz {

static constexpr std::string_view kReaches[] = {
    "accept",           "too_small",         "bad_magic",
    "version_mismatch", "invalid_page_size", "checksum_mismatch"};

constinit const Target kTarget = [] {
  Target target = header_target<run_open<SharedMemoryLayout, SharedMemoryLayoutView>>("open_raw");
  target.description = "any bytes, any length and alignment; a validator from the wire table";
  target.reaches = kReaches;
  return target;
}();

}  // namespace fsqlshm::fuzz
