// A mutant of the layout: open() with one thing wrong.

#ifndef FSQLSHM_HARNESS_MUTANTS_LAYOUT_H_
#define FSQLSHM_HARNESS_MUTANTS_LAYOUT_H_

#include <cstdint>
#include <cstring>
#include <expected>
#include <span>

#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm::harness::mutants {

/// Does not check the page size if max_txn_slots is 2^32-1: a wrong accept behind two conditions.
struct PageSizeUnchecked : SharedMemoryLayout {
  [[nodiscard]] static std::expected<SharedMemoryLayout, ShmError> open(
      std::span<const std::byte> bytes) {
    auto opened = SharedMemoryLayout::open(bytes);
    if (opened || opened.error() != ShmErrorCode::kInvalidPageSize) return opened;
    std::uint32_t slots = 0;
    std::memcpy(&slots, bytes.data() + offsets::kMaxTxnSlots, sizeof(slots));
    if (slots != 0xffffffff) return opened;
    return SharedMemoryLayout(PageSize{}, slots);
  }
};

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_LAYOUT_H_
