// The immutable part of a header: what `open` checks and what creation derives.

#ifndef FSQLSHM_GEOMETRY_H_
#define FSQLSHM_GEOMETRY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "fsqlshm/error.h"
#include "fsqlshm/types.h"
#include "fsqlshm/wire_format.h"

namespace fsqlshm {

/// Where the regions behind the header are. A plain value: decoded once, so nothing that another
/// process does to the file later can move a region under the code that uses it.
struct Geometry {
  PageSize page_size;                          ///< bytes
  std::uint32_t max_txn_slots = 0;             ///< as stored; creation never writes 0
  std::uint64_t lock_table_offset = 0;         ///< bytes from the start of the file
  std::uint64_t witness_offset = 0;            ///< bytes from the start of the file
  std::uint64_t txn_slot_offset = 0;           ///< bytes from the start of the file
  std::uint64_t committed_readers_offset = 0;  ///< bytes from the start of the file
  std::uint64_t committed_readers_bytes = 0;   ///< bytes
  std::uint64_t layout_checksum = 0;           ///< as stored; `open` verified it

  /// The regions one behind the other, starting right after the header; 0 slots means 128.
  [[nodiscard]] static Geometry derive(PageSize page_size, std::uint32_t max_txn_slots) noexcept;

  /// xxh3_64 (seed 0) of magic, version and the fields above without the checksum: 60 bytes.
  [[nodiscard]] std::uint64_t compute_checksum() const noexcept;

  /// All fields are equal.
  friend bool operator==(const Geometry&, const Geometry&) noexcept = default;
};

/// The nine words of a header that never change, each read once: a private copy, so that what was
/// checked is what is used.
struct ImmutableWords {
  std::uint64_t magic;                     ///< the eight bytes as one word
  std::uint64_t version_and_page_size;     ///< version in the low half
  std::uint64_t slots_and_align0;          ///< max_txn_slots in the low half
  std::uint64_t lock_table_offset;         ///< bytes
  std::uint64_t witness_offset;            ///< bytes
  std::uint64_t txn_slot_offset;           ///< bytes
  std::uint64_t committed_readers_offset;  ///< bytes
  std::uint64_t committed_readers_bytes;   ///< bytes
  std::uint64_t layout_checksum;           ///< xxh3_64

  /// Calls load_word(i), i the index among the header's 27 words, once for each.
  template <class LoadWord>
  [[nodiscard]] static ImmutableWords read(LoadWord&& load_word) {
    constexpr std::size_t kRegions = offsets::kLockTableOffset / 8;
    return {load_word(0),
            load_word(1),
            load_word(2),
            load_word(kRegions),
            load_word(kRegions + 1),
            load_word(kRegions + 2),
            load_word(kRegions + 3),
            load_word(kRegions + 4),
            load_word(kRegions + 5)};
  }

  /// Whether magic, version, page size and checksum are all good. Offsets and slot count are taken
  /// as they are: a valid checksum vouches for them, `validate` does not. Pure, so that the caller
  /// may keep the words in registers across the call.
  [[nodiscard, gnu::pure]] bool valid() const noexcept;

  /// What is wrong: the first that fails, in this order.
  /// REQUIRES: not valid().
  [[nodiscard]] ShmError first_error() const noexcept;

  /// What they say. Inline, so that it is built right where it is to stay.
  /// REQUIRES: valid().
  [[nodiscard]] Geometry geometry() const noexcept {
    return {
        .page_size = *PageSize::from_raw(static_cast<std::uint32_t>(version_and_page_size >> 32)),
        .max_txn_slots = static_cast<std::uint32_t>(slots_and_align0),
        .lock_table_offset = lock_table_offset,
        .witness_offset = witness_offset,
        .txn_slot_offset = txn_slot_offset,
        .committed_readers_offset = committed_readers_offset,
        .committed_readers_bytes = committed_readers_bytes,
        .layout_checksum = layout_checksum,
    };
  }

  /// All words are equal.
  friend bool operator==(const ImmutableWords&, const ImmutableWords&) noexcept = default;
};

/// Writes magic, version and `geometry` into the immutable words of `words`; leaves the rest alone.
void encode_geometry(const Geometry& geometry,
                     std::span<std::uint64_t, kHeaderWords> words) noexcept;

}  // namespace fsqlshm

#endif  // FSQLSHM_GEOMETRY_H_
