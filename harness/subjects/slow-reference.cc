// The published protocol as a subject whose threads stand still in the middle of what they do to the writer.

#include <cstdint>

#include "fsqlshm.h"
#include "fsqlshm/protocol.h"
#include "harness/subjects/slow.h"

namespace fsqlshm::c_interface {

using Protocol = harness::Slow<ReferenceProtocol>;
constexpr const char* kImplementation = "fsqlshm " FSQLSHM_VERSION ", reference, slow";
constexpr std::uint64_t kPromises = FSQLSHM_P6_PROGRESS | FSQLSHM_SNAPSHOT | FSQLSHM_IDS;
constexpr const char* kKnownDefects = "D1 D2 D3 D4 D5 D6";

}  // namespace fsqlshm::c_interface

#include "c_header_functions.h"
