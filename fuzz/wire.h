// The wire table once more, in the fuzzer's own words.
//
// The oracle must not share a mistake with the code it judges, so nothing here includes a header of
// the core: offsets, names and the checksum's input are written down again from the table of the
// format.

#ifndef FSQLSHM_FUZZ_WIRE_H_
#define FSQLSHM_FUZZ_WIRE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

namespace fsqlshm::fuzz {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

namespace wire {

inline constexpr std::size_t kSize = 216;

struct FieldInfo {
  std::string_view name;
  std::size_t offset;
  std::size_t size;
};

// clang-format off
inline constexpr std::array<FieldInfo, 22> kTable = {{
    {"magic",                            0,  8},
    {"version",                          8,  4},
    {"page_size",                       12,  4},
    {"max_txn_slots",                   16,  4},
    {"align0",                          20,  4},
    {"next_txn_id",                     24,  8},
    {"snapshot_seq",                    32,  8},
    {"commit_seq",                      40,  8},
    {"schema_epoch",                    48,  8},
    {"ecs_epoch",                       56,  8},
    {"gc_horizon",                      64,  8},
    {"serialized_writer_txn_id",        72,  8},
    {"serialized_writer_pid_and_gen",   80,  8},
    {"serialized_writer_pid_birth",     88,  8},
    {"serialized_writer_lease_expiry",  96,  8},
    {"lock_table_offset",              104,  8},
    {"witness_offset",                 112,  8},
    {"txn_slot_offset",                120,  8},
    {"committed_readers_offset",       128,  8},
    {"committed_readers_bytes",        136,  8},
    {"layout_checksum",                144,  8},
    {"padding",                        152, 64},
}};
// clang-format on

inline constexpr std::size_t kVersion = 8;
inline constexpr std::size_t kPageSize = 12;
inline constexpr std::size_t kSlots = 16;
inline constexpr std::size_t kAlign0 = 20;
inline constexpr std::size_t kFirstAtomic = 24;
inline constexpr std::size_t kAtomicWords = 10;
inline constexpr std::size_t kRegions = 104;
inline constexpr std::size_t kChecksum = 144;
inline constexpr std::size_t kPadding = 152;

inline constexpr std::array<std::uint8_t, 8> kMagic = {'F', 'S', 'Q', 'L', 'S', 'H', 'M', 0};

/// Little-endian reads and writes at any alignment.
[[nodiscard]] inline std::uint32_t get32(Bytes bytes, std::size_t offset) noexcept {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}
[[nodiscard]] inline std::uint64_t get64(Bytes bytes, std::size_t offset) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}
inline void put32(MutableBytes bytes, std::size_t offset, std::uint32_t value) noexcept {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}
inline void put64(MutableBytes bytes, std::size_t offset, std::uint64_t value) noexcept {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

[[nodiscard]] std::string hex(Bytes bytes);

/// xxh3_64 of the 60 immutable bytes of `header`, which has at least 216.
[[nodiscard]] std::uint64_t checksum(Bytes header) noexcept;

/// Makes the stored checksum right, if there is a whole header.
void seal(MutableBytes bytes) noexcept;

/// What creation with this page size and slot count (not 0) writes.
[[nodiscard]] std::array<std::uint8_t, kSize> fresh_header(std::uint32_t page_size,
                                                           std::uint32_t slots) noexcept;

/// Writes the five derived region fields for the slot count that is in `header`.
void derive_regions(MutableBytes header) noexcept;

}  // namespace wire
}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_WIRE_H_
