// What can be wrong with a header, as a value.

#ifndef FSQLSHM_ERROR_H_
#define FSQLSHM_ERROR_H_

#if __cplusplus <= 202002L
#error "fsqlshm: the C++ interface takes C++23 (-std=c++23); the C interface any C or C++"
#endif

#include <cstdint>
#include <string>
#include <string_view>

namespace fsqlshm {

/// Everything the library reports. The first block is what `open` refuses, in the order in which it
/// looks; the second is what the constructors of the value types refuse; the third is what `open`
/// accepts and `validate` does not; the last is what files add.
enum class ShmErrorCode : std::uint8_t {
  kTooSmall,          ///< fewer than 216 bytes
  kBadMagic,          ///< the first eight bytes are not "FSQLSHM\0"
  kVersionMismatch,   ///< version is not 1
  kInvalidPageSize,   ///< page_size is not a power of two from 512 to 65536
  kChecksumMismatch,  ///< layout_checksum is not the xxh3_64 of the immutable fields
  kMisaligned,        ///< bytes to be used in place do not start at a multiple of 8

  kTxnIdOutOfDomain,  ///< a transaction id is 0 or above 2^62-1

  kUnderivedMaxTxnSlots,             ///< max_txn_slots is 0, which creation never writes
  kUnderivedLockTableOffset,         ///< lock_table_offset is not 216
  kUnderivedWitnessOffset,           ///< witness_offset is not lock table + 64 x slots
  kUnderivedTxnSlotOffset,           ///< txn_slot_offset is not witness + 128 x slots
  kUnderivedCommittedReadersOffset,  ///< committed_readers_offset is not txn slots + 128 x slots
  kUnderivedCommittedReadersBytes,   ///< committed_readers_bytes is not ceil(slots / 8)
  kReservedNotZero,                  ///< align0 or padding holds something
  kNextTxnIdOutOfDomain,             ///< next_txn_id is 0 or above 2^62 (2^62: all ids are used up)
  kSnapshotSeqOdd,                   ///< a publish is in progress, or its publisher died
  kGcHorizonAhead,                   ///< gc_horizon is above commit_seq
  kWriterTxnIdOutOfDomain,           ///< the writer word is neither an id nor a known state
  kWriterUnjudgeable,  ///< a writer, claimer or cleaner that names nobody: never cleared
  kWriterLeftovers,    ///< no writer, but pid, birth or lease is not 0
  kWriterLeaseUnit,    ///< the lease ends after the year 9999: it is hardly in seconds

  kFileOpen,  ///< cannot be opened; `found` is the errno here and below, `expected` kOfLockFile
              ///< if it is the lock file that cannot
  kFileNotRegular,       ///< not a regular file; `found` is its type (st_mode & S_IFMT)
  kFileExists,           ///< to be created, but there is a file of that name
  kFileCreate,           ///< cannot be created
  kFileNoSpace,          ///< no room for `expected` bytes
  kFileRegionsDoNotFit,  ///< a region overlaps what lies before it, or ends beyond 2^63-1
  kFileTruncated,        ///< shorter than its header says
  kFileMap,              ///< cannot be mapped
  kFileSync,             ///< cannot be written to its disk
  kFileClose,            ///< closing it failed
  kFileLock,             ///< a lock on it failed
  kFileForked,           ///< opened by a parent of this process: not for the child
  kFileOwner,            ///< cannot be given the owner and group that it should have
  kFileInUse,            ///< others have it open, without or under another lock file
  kFileReplaced,         ///< the name leads to another file than the one in use
  kNeedsRecovery,        ///< nobody has it open and the caller does not say what its state is
  kRecoverFailed,        ///< for use by ShmFileOptions::recover; `found` is the database's own
  kNeedsReconcile,       ///< the last publisher died half-way: reconcile first
  kGuardMoved,           ///< the guard was moved from: it holds no lock
  kFenced,               ///< the serialized writer is `found`, not the `expected` one (any more)
};

/// What an error of the lock file, not of the file itself, has as `expected`: kFileOpen,
/// kFileNotRegular, kFileCreate, kFileOwner; and kFileInUse, if its users have another lock file.
inline constexpr std::uint64_t kOfLockFile = 1;

/// The code's name without the k, in snake_case: "bad_magic".
[[nodiscard]] std::string_view to_string(ShmErrorCode code) noexcept;

/// An error: what, where, what was found and what was expected. Trivially copyable, no allocation.
class ShmError {
 public:
  /// `found` and `expected` are the field's raw values; what each code does with them is in
  /// `message`. A code whose expectation is a rule, not a value, ignores `expected`.
  constexpr explicit ShmError(ShmErrorCode code, std::uint64_t found = 0,
                              std::uint64_t expected = 0) noexcept
      : found_(found), expected_(expected), code_(code) {}

  /// What is wrong.
  [[nodiscard]] constexpr ShmErrorCode code() const noexcept { return code_; }
  /// What was found; the errno where a call of the system failed.
  [[nodiscard]] constexpr std::uint64_t found() const noexcept { return found_; }
  /// What was expected; 0 where that is a rule and not a value.
  [[nodiscard]] constexpr std::uint64_t expected() const noexcept { return expected_; }

  /// One line for a person: the field with its offset, what was found, what was expected.
  [[nodiscard]] std::string message() const;

  /// The same error of the same values.
  friend constexpr bool operator==(const ShmError& a, const ShmError& b) noexcept = default;
  /// An error equals its code; what was found does not count.
  friend constexpr bool operator==(const ShmError& a, ShmErrorCode b) noexcept {
    return a.code_ == b;
  }

 private:
  std::uint64_t found_;
  std::uint64_t expected_;
  ShmErrorCode code_;
};

}  // namespace fsqlshm

#endif  // FSQLSHM_ERROR_H_
