#include "fsqlshm/geometry.h"

#include <bit>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fsqlshm {
namespace {

constexpr std::size_t kVersionWord = offsets::kVersion / 8;    // with page_size above it
constexpr std::size_t kSlotsWord = offsets::kMaxTxnSlots / 8;  // with align0 above it
constexpr std::size_t kRegionWords = offsets::kLockTableOffset / 8;
constexpr std::size_t kChecksumWord = offsets::kLayoutChecksum / 8;

constexpr std::uint64_t kMagicWord = std::bit_cast<std::uint64_t>(kMagic);

constexpr std::uint64_t pack(std::uint32_t low, std::uint32_t high) noexcept {
  return low | (std::uint64_t{high} << 32);
}
constexpr std::uint32_t low_half(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word);
}
constexpr std::uint32_t high_half(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 32);
}

// One step of xxh3_64 over 16 bytes, taken as two little-endian words.
std::uint64_t mix(std::uint64_t low, std::uint64_t high, std::size_t secret) noexcept {
  const std::array<std::uint64_t, 2> pair = {low, high};
  return XXH3_mix16B(reinterpret_cast<const xxh_u8*>(pair.data()), XXH3_kSecret + secret, 0);
}

// xxh3_64, seed 0, of the 60 bytes [0, 20) and [104, 144) of the header, put together in registers
// from the library's own steps. Copying them into a buffer for XXH3_64bits takes four times as
// long: its 8-byte loads straddle the copy's stores, and a load that straddles stores has to wait
// until they are in the cache. For 33 to 64 bytes the hash is four steps, over the bytes from 16,
// from 32 before the end, from 0, and from 16 before the end.
std::uint64_t checksum_of(const ImmutableWords& words) noexcept {
  // At 16: the slot count without align0, then the offsets, which are four bytes off their words.
  const std::uint64_t at_16 =
      pack(low_half(words.slots_and_align0), low_half(words.lock_table_offset));
  const std::uint64_t at_24 =
      pack(high_half(words.lock_table_offset), low_half(words.witness_offset));
  static_assert(offsets::kAlign0 + offsets::kLayoutChecksum - offsets::kLockTableOffset == 60);
  return XXH3_avalanche(60 * XXH_PRIME64_1 + mix(at_16, at_24, 32) +
                        mix(words.witness_offset, words.txn_slot_offset, 48) +
                        mix(words.magic, words.version_and_page_size, 0) +
                        mix(words.committed_readers_offset, words.committed_readers_bytes, 16));
}

}  // namespace

Geometry Geometry::derive(PageSize page_size, std::uint32_t max_txn_slots) noexcept {
  // 2^32-1 slots take less than 2^41 bytes in all, so nothing here can overflow.
  Geometry g;
  g.page_size = page_size;
  g.max_txn_slots = max_txn_slots == 0 ? kDefaultMaxTxnSlots : max_txn_slots;
  const std::uint64_t slots = g.max_txn_slots;
  g.lock_table_offset = kHeaderSize;
  g.witness_offset = g.lock_table_offset + slots * kLockTableBytesPerSlot;
  g.txn_slot_offset = g.witness_offset + slots * kWitnessBytesPerSlot;
  g.committed_readers_offset = g.txn_slot_offset + slots * kTxnSlotBytesPerSlot;
  g.committed_readers_bytes = (slots + 7) / 8;
  g.layout_checksum = g.compute_checksum();
  return g;
}

std::uint64_t Geometry::compute_checksum() const noexcept {
  std::array<std::uint64_t, kHeaderWords> words{};
  encode_geometry(*this, words);
  return checksum_of(ImmutableWords::read([&](std::size_t i) { return words[i]; }));
}

bool ImmutableWords::valid() const noexcept {
  return magic == kMagicWord && low_half(version_and_page_size) == kLayoutVersion &&
         PageSize::from_raw(high_half(version_and_page_size)).has_value() &&
         layout_checksum == checksum_of(*this);
}

ShmError ImmutableWords::first_error() const noexcept {
  if (magic != kMagicWord) return ShmError(ShmErrorCode::kBadMagic, magic, kMagicWord);
  if (const std::uint32_t version = low_half(version_and_page_size); version != kLayoutVersion) {
    return ShmError(ShmErrorCode::kVersionMismatch, version, kLayoutVersion);
  }
  const auto page_size = PageSize::from_raw(high_half(version_and_page_size));
  if (!page_size) return page_size.error();
  return ShmError(ShmErrorCode::kChecksumMismatch, layout_checksum, checksum_of(*this));
}

void encode_geometry(const Geometry& geometry,
                     std::span<std::uint64_t, kHeaderWords> words) noexcept {
  words[0] = kMagicWord;
  words[kVersionWord] = pack(kLayoutVersion, geometry.page_size.get());
  words[kSlotsWord] = pack(geometry.max_txn_slots, 0);
  words[kRegionWords] = geometry.lock_table_offset;
  words[kRegionWords + 1] = geometry.witness_offset;
  words[kRegionWords + 2] = geometry.txn_slot_offset;
  words[kRegionWords + 3] = geometry.committed_readers_offset;
  words[kRegionWords + 4] = geometry.committed_readers_bytes;
  words[kChecksumWord] = geometry.layout_checksum;
}

}  // namespace fsqlshm
