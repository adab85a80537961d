// The header part of the C interface: the hardened protocol.

#include <cstdint>

#include "fsqlshm.h"
#include "fsqlshm/protocol.h"

namespace fsqlshm::c_interface {

using Protocol = HardenedProtocol;
constexpr const char* kImplementation = "fsqlshm " FSQLSHM_VERSION ", hardened";
constexpr std::uint64_t kPromises = FSQLSHM_PROMISES_ALL;
constexpr const char* kKnownDefects = "";

}  // namespace fsqlshm::c_interface

#include "c_header_clear.h"
