#include "fuzz/wire.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fsqlshm::fuzz::wire {

std::string hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) text += {kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

std::uint64_t checksum(Bytes header) noexcept {
  std::array<std::uint8_t, 60> input;
  std::memcpy(input.data(), header.data(), 20);             // magic, version, page size, slots
  std::memcpy(input.data() + 20, header.data() + 104, 40);  // four offsets and a size
  return XXH3_64bits(input.data(), input.size());
}

void seal(MutableBytes bytes) noexcept {
  if (bytes.size() >= kSize) put64(bytes, kChecksum, checksum(bytes));
}

void derive_regions(MutableBytes header) noexcept {
  const std::uint64_t slots = get32(header, kSlots);
  const std::uint64_t witness = 216 + 64 * slots;
  const std::uint64_t txn_slots = witness + 128 * slots;
  put64(header, 104, 216);
  put64(header, 112, witness);
  put64(header, 120, txn_slots);
  put64(header, 128, txn_slots + 128 * slots);
  put64(header, 136, slots / 8 + (slots % 8 == 0 ? 0 : 1));
}

std::array<std::uint8_t, kSize> fresh_header(std::uint32_t page_size,
                                             std::uint32_t slots) noexcept {
  std::array<std::uint8_t, kSize> header{};
  std::memcpy(header.data(), kMagic.data(), kMagic.size());
  put32(header, kVersion, 1);
  put32(header, kPageSize, page_size);
  put32(header, kSlots, slots);
  put64(header, kFirstAtomic, 1);
  derive_regions(header);
  seal(header);
  return header;
}

}  // namespace fsqlshm::fuzz::wire
