// The 216 bytes of a FrankenSQLite shared-memory header (foo.db.fsqlite-shm).
//
// This table is the wire format; it is also meant to be read next to a hex dump. All integers are
// little-endian. "atomic" fields are the ten words that processes change while they share the file;
// everything else is written once, when the header is made.
//
//   offset  type     field                          kind
//   0x00    u8[8]    magic "FSQLSHM\0"              immutable
//   0x08    u32      version = 1                    immutable
//   0x0c    u32      page_size                      immutable
//   0x10    u32      max_txn_slots                  immutable
//   0x14    u32      align0                         written 0, ignored on read
//   0x18    u64      next_txn_id                    atomic
//   0x20    u64      snapshot_seq                   atomic, seqlock: even stable, odd in progress
//   0x28    u64      commit_seq                     atomic, behind the seqlock
//   0x30    u64      schema_epoch                   atomic, behind the seqlock
//   0x38    u64      ecs_epoch                      atomic, behind the seqlock
//   0x40    u64      gc_horizon                     atomic
//   0x48    u64      serialized_writer_txn_id       atomic, 0 = none
//   0x50    u64      serialized_writer_pid_and_gen  atomic, pid low half, generation high half
//   0x58    u64      serialized_writer_pid_birth    atomic
//   0x60    u64      serialized_writer_lease_expiry atomic, seconds since the epoch, 0 = no lease
//   0x68    u64      lock_table_offset              immutable
//   0x70    u64      witness_offset                 immutable
//   0x78    u64      txn_slot_offset                immutable
//   0x80    u64      committed_readers_offset       immutable
//   0x88    u64      committed_readers_bytes        immutable
//   0x90    u64      layout_checksum                immutable, xxh3_64 of the other such fields
//   0x98    u8[64]   padding                        written 0, ignored on read

#ifndef FSQLSHM_WIRE_FORMAT_H_
#define FSQLSHM_WIRE_FORMAT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fsqlshm/host.h"

namespace fsqlshm {

/// Byte offsets of every field.
namespace offsets {
inline constexpr std::size_t kMagic = 0;                         ///< magic
inline constexpr std::size_t kVersion = 8;                       ///< version
inline constexpr std::size_t kPageSize = 12;                     ///< page_size
inline constexpr std::size_t kMaxTxnSlots = 16;                  ///< max_txn_slots
inline constexpr std::size_t kAlign0 = 20;                       ///< align0
inline constexpr std::size_t kNextTxnId = 24;                    ///< next_txn_id
inline constexpr std::size_t kSnapshotSeq = 32;                  ///< snapshot_seq
inline constexpr std::size_t kCommitSeq = 40;                    ///< commit_seq
inline constexpr std::size_t kSchemaEpoch = 48;                  ///< schema_epoch
inline constexpr std::size_t kEcsEpoch = 56;                     ///< ecs_epoch
inline constexpr std::size_t kGcHorizon = 64;                    ///< gc_horizon
inline constexpr std::size_t kSerializedWriterTxnId = 72;        ///< serialized_writer_txn_id
inline constexpr std::size_t kSerializedWriterPidAndGen = 80;    ///< serialized_writer_pid_and_gen
inline constexpr std::size_t kSerializedWriterPidBirth = 88;     ///< serialized_writer_pid_birth
inline constexpr std::size_t kSerializedWriterLeaseExpiry = 96;  ///< serialized_writer_lease_expiry
inline constexpr std::size_t kLockTableOffset = 104;             ///< lock_table_offset
inline constexpr std::size_t kWitnessOffset = 112;               ///< witness_offset
inline constexpr std::size_t kTxnSlotOffset = 120;               ///< txn_slot_offset
inline constexpr std::size_t kCommittedReadersOffset = 128;      ///< committed_readers_offset
inline constexpr std::size_t kCommittedReadersBytes = 136;       ///< committed_readers_bytes
inline constexpr std::size_t kLayoutChecksum = 144;              ///< layout_checksum
inline constexpr std::size_t kPadding = 152;                     ///< padding
}  // namespace offsets

/// Bytes in a header.
inline constexpr std::size_t kHeaderSize = 216;
/// 64-bit words in a header.
inline constexpr std::size_t kHeaderWords = kHeaderSize / sizeof(std::uint64_t);

/// What the first eight bytes are.
inline constexpr std::array<char, 8> kMagic = {'F', 'S', 'Q', 'L', 'S', 'H', 'M', '\0'};
/// What `version` is.
inline constexpr std::uint32_t kLayoutVersion = 1;

/// What max_txn_slots = 0 asks for at creation.
inline constexpr std::uint32_t kDefaultMaxTxnSlots = 128;

/// Bytes that one transaction slot takes in the lock table.
inline constexpr std::uint64_t kLockTableBytesPerSlot = 64;
/// Bytes that one transaction slot takes in the witness region.
inline constexpr std::uint64_t kWitnessBytesPerSlot = 128;
/// Bytes that one transaction slot takes among the slots.
inline constexpr std::uint64_t kTxnSlotBytesPerSlot = 128;

/// An atomic word, named by its byte offset.
enum class Field : std::uint8_t {
  kNextTxnId = offsets::kNextTxnId,                          ///< next_txn_id
  kSnapshotSeq = offsets::kSnapshotSeq,                      ///< snapshot_seq
  kCommitSeq = offsets::kCommitSeq,                          ///< commit_seq
  kSchemaEpoch = offsets::kSchemaEpoch,                      ///< schema_epoch
  kEcsEpoch = offsets::kEcsEpoch,                            ///< ecs_epoch
  kGcHorizon = offsets::kGcHorizon,                          ///< gc_horizon
  kSerializedWriterTxnId = offsets::kSerializedWriterTxnId,  ///< serialized_writer_txn_id
  kSerializedWriterPidAndGen =
      offsets::kSerializedWriterPidAndGen,  ///< serialized_writer_pid_and_gen
  kSerializedWriterPidBirth = offsets::kSerializedWriterPidBirth,  ///< serialized_writer_pid_birth
  kSerializedWriterLeaseExpiry =
      offsets::kSerializedWriterLeaseExpiry,  ///< serialized_writer_lease_expiry
};

/// Every atomic word, in the order of the wire.
inline constexpr std::array<Field, 10> kAtomicFields = {
    Field::kNextTxnId,
    Field::kSnapshotSeq,
    Field::kCommitSeq,
    Field::kSchemaEpoch,
    Field::kEcsEpoch,
    Field::kGcHorizon,
    Field::kSerializedWriterTxnId,
    Field::kSerializedWriterPidAndGen,
    Field::kSerializedWriterPidBirth,
    Field::kSerializedWriterLeaseExpiry,
};

/// Bytes from the start of the header.
[[nodiscard]] constexpr std::size_t offset_of(Field field) noexcept {
  return static_cast<std::size_t>(field);
}

/// Index of `field` among the 27 words of the header.
[[nodiscard]] constexpr std::size_t word_index(Field field) noexcept {
  return offset_of(field) / sizeof(std::uint64_t);
}

/// Index of `field` in kAtomicFields: 0 to 9.
[[nodiscard]] constexpr std::size_t atomic_index(Field field) noexcept {
  return word_index(field) - word_index(Field::kNextTxnId);
}

/// The field's name as the wire table spells it.
[[nodiscard]] std::string_view field_name(Field field) noexcept;

/// A named range of header bytes: what a tool prints instead of a bare offset.
struct FieldSpan {
  std::string_view name;  ///< as the wire table spells it
  std::size_t offset;     ///< bytes
  std::size_t size;       ///< bytes: 4 and 8 are integers, anything else is raw
};

/// All 22 fields of the header, in order and without gaps.
inline constexpr std::array<FieldSpan, 22> kFields = {{
    {"magic", offsets::kMagic, kMagic.size()},
    {"version", offsets::kVersion, 4},
    {"page_size", offsets::kPageSize, 4},
    {"max_txn_slots", offsets::kMaxTxnSlots, 4},
    {"align0", offsets::kAlign0, 4},
    {"next_txn_id", offsets::kNextTxnId, 8},
    {"snapshot_seq", offsets::kSnapshotSeq, 8},
    {"commit_seq", offsets::kCommitSeq, 8},
    {"schema_epoch", offsets::kSchemaEpoch, 8},
    {"ecs_epoch", offsets::kEcsEpoch, 8},
    {"gc_horizon", offsets::kGcHorizon, 8},
    {"serialized_writer_txn_id", offsets::kSerializedWriterTxnId, 8},
    {"serialized_writer_pid_and_gen", offsets::kSerializedWriterPidAndGen, 8},
    {"serialized_writer_pid_birth", offsets::kSerializedWriterPidBirth, 8},
    {"serialized_writer_lease_expiry", offsets::kSerializedWriterLeaseExpiry, 8},
    {"lock_table_offset", offsets::kLockTableOffset, 8},
    {"witness_offset", offsets::kWitnessOffset, 8},
    {"txn_slot_offset", offsets::kTxnSlotOffset, 8},
    {"committed_readers_offset", offsets::kCommittedReadersOffset, 8},
    {"committed_readers_bytes", offsets::kCommittedReadersBytes, 8},
    {"layout_checksum", offsets::kLayoutChecksum, 8},
    {"padding", offsets::kPadding, 64},
}};

// The table has no gap and no overlap, ends at 216, and every word is 8-aligned.
static_assert([] {
  std::size_t end = 0;
  for (const FieldSpan& field : kFields) {
    if (field.offset != end || (field.size <= 8 && field.offset % field.size != 0)) return false;
    end += field.size;
  }
  return end == kHeaderSize;
}());
static_assert([] {
  for (std::size_t i = 0; i < kAtomicFields.size(); ++i) {
    if (offset_of(kAtomicFields[i]) % 8 != 0 || atomic_index(kAtomicFields[i]) != i) return false;
  }
  return true;
}());

}  // namespace fsqlshm

#endif  // FSQLSHM_WIRE_FORMAT_H_
