// A deliberately wrong open(): the canary. A run that does not find this fault is vacuous.

#ifndef FSQLSHM_FUZZ_TESTING_FAULTY_LAYOUT_H_
#define FSQLSHM_FUZZ_TESTING_FAULTY_LAYOUT_H_

#include <algorithm>
#include <expected>
#include <span>

#include "fsqlshm/shared_memory_layout.h"
#include "fuzz/wire.h"

namespace fsqlshm::fuzz {

/// Does not check the page size if max_txn_slots is 2^32-1 and the checksum is right: a wrong
/// accept behind a checksum and two conditions.
struct FaultyLayout : SharedMemoryLayout {
  [[nodiscard]] static std::expected<SharedMemoryLayout, ShmError> open(
      std::span<const std::byte> bytes) {
    auto opened = SharedMemoryLayout::open(bytes);
    if (opened || opened.error() != ShmErrorCode::kInvalidPageSize) return opened;
    const Bytes header(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (wire::get32(header, wire::kSlots) != 0xffffffff) return opened;
    if (wire::get64(header, wire::kChecksum) != wire::checksum(header)) return opened;
    return SharedMemoryLayout(PageSize{}, 0xffffffff);
  }
};

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_TESTING_FAULTY_LAYOUT_H_
