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
  PageSize page_size;
  std::uint32_t max_txn_slots = 0;
  std::uint64_t lock_table_offset = 0;         ///< bytes from the start of the file
  std::uint64_t witness_offset = 0;            ///< bytes from the start of the file
  std::uint64_t txn_slot_offset = 0;           ///< bytes from the start of the file
  std::uint64_t committed_readers_offset = 0;  ///< bytes from the start of the file
  std::uint64_t committed_readers_bytes = 0;   ///< bytes
  std::uint64_t layout_checksum = 0;           ///< as stored; decode_geometry verified it

  /// The regions one behind the other, starting right after the header; 0 slots means 128.
  [[nodiscard]] static Geometry derive(PageSize page_size, std::uint32_t max_txn_slots) noexcept;

  /// xxh3_64 (seed 0) of magic, version and the fields above without the checksum: 60 bytes.
  [[nodiscard]] std::uint64_t compute_checksum() const noexcept;

  friend bool operator==(const Geometry&, const Geometry&) noexcept = default;
};

/// Checks magic, version, page size and checksum, in this order, and reports the first that fails.
/// Offsets and slot count are taken as they are: a valid checksum vouches for them, `validate` does
/// not. `words` is a private copy, not a live header.
[[nodiscard]] std::expected<Geometry, ShmError> decode_geometry(
    std::span<const std::uint64_t, kHeaderWords> words) noexcept;

/// Writes magic, version and `geometry` into the immutable words of `words`; leaves the rest alone.
void encode_geometry(const Geometry& geometry,
                     std::span<std::uint64_t, kHeaderWords> words) noexcept;

}  // namespace fsqlshm

#endif  // FSQLSHM_GEOMETRY_H_
