#include "fsqlshm/geometry.h"

#include <cstring>

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

// The checksummed bytes as they lie in the header: [0, 20) and [104, 144).
constexpr std::size_t kHeadBytes = offsets::kAlign0;
constexpr std::size_t kTailBytes = offsets::kLayoutChecksum - offsets::kLockTableOffset;

std::uint64_t checksum_of(std::span<const std::uint64_t, kHeaderWords> words) noexcept {
  std::array<unsigned char, kHeadBytes + kTailBytes> bytes;
  static_assert(sizeof(bytes) == 60);
  std::memcpy(bytes.data(), words.data(), kHeadBytes);
  std::memcpy(bytes.data() + kHeadBytes, words.data() + kRegionWords, kTailBytes);
  return XXH3_64bits(bytes.data(), bytes.size());
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
  return checksum_of(words);
}

std::expected<Geometry, ShmError> decode_geometry(
    std::span<const std::uint64_t, kHeaderWords> words) noexcept {
  if (words[0] != kMagicWord) {
    return std::unexpected(ShmError(ShmErrorCode::kBadMagic, words[0], kMagicWord));
  }
  if (const std::uint32_t version = low_half(words[kVersionWord]); version != kLayoutVersion) {
    return std::unexpected(ShmError(ShmErrorCode::kVersionMismatch, version, kLayoutVersion));
  }
  const std::expected<PageSize, ShmError> page_size =
      PageSize::from_raw(high_half(words[kVersionWord]));
  if (!page_size) return std::unexpected(page_size.error());
  if (const std::uint64_t computed = checksum_of(words); words[kChecksumWord] != computed) {
    return std::unexpected(
        ShmError(ShmErrorCode::kChecksumMismatch, words[kChecksumWord], computed));
  }
  return Geometry{
      .page_size = *page_size,
      .max_txn_slots = low_half(words[kSlotsWord]),
      .lock_table_offset = words[kRegionWords],
      .witness_offset = words[kRegionWords + 1],
      .txn_slot_offset = words[kRegionWords + 2],
      .committed_readers_offset = words[kRegionWords + 3],
      .committed_readers_bytes = words[kRegionWords + 4],
      .layout_checksum = words[kChecksumWord],
  };
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
