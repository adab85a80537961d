#include "fsqlshm/error.h"

#include <sys/stat.h>

#include <array>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <system_error>

namespace fsqlshm {
namespace {

[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...) {
  std::array<char, 256> text{};
  std::va_list arguments;
  va_start(arguments, pattern);
  std::vsnprintf(text.data(), text.size(), pattern, arguments);
  va_end(arguments);
  return text.data();
}

std::string magic_text(std::uint64_t word) {
  std::string text;
  for (int byte = 0; byte < 8; ++byte) {
    text +=
        format("%s%02x", byte == 0 ? "" : " ", static_cast<unsigned>(word >> (8 * byte)) & 0xff);
  }
  return text;
}

std::string derived(const char* field, int offset, std::uint64_t found, std::uint64_t expected) {
  return format("%s (offset %d): found %" PRIu64 ", expected %" PRIu64
                " as derived from max_txn_slots",
                field, offset, found, expected);
}

std::string errno_text(std::uint64_t error) {
  return std::generic_category().message(static_cast<int>(error));
}

const char* file_type(std::uint64_t type) {
  switch (type) {
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a FIFO";
    case S_IFSOCK:
      return "a socket";
    case S_IFCHR:
    case S_IFBLK:
      return "a device";
    default:
      return "something else";
  }
}

}  // namespace

std::string_view to_string(ShmErrorCode code) noexcept {
  switch (code) {
    case ShmErrorCode::kTooSmall:
      return "too_small";
    case ShmErrorCode::kBadMagic:
      return "bad_magic";
    case ShmErrorCode::kVersionMismatch:
      return "version_mismatch";
    case ShmErrorCode::kInvalidPageSize:
      return "invalid_page_size";
    case ShmErrorCode::kChecksumMismatch:
      return "checksum_mismatch";
    case ShmErrorCode::kMisaligned:
      return "misaligned";
    case ShmErrorCode::kTxnIdOutOfDomain:
      return "txn_id_out_of_domain";
    case ShmErrorCode::kUnderivedMaxTxnSlots:
      return "underived_max_txn_slots";
    case ShmErrorCode::kUnderivedLockTableOffset:
      return "underived_lock_table_offset";
    case ShmErrorCode::kUnderivedWitnessOffset:
      return "underived_witness_offset";
    case ShmErrorCode::kUnderivedTxnSlotOffset:
      return "underived_txn_slot_offset";
    case ShmErrorCode::kUnderivedCommittedReadersOffset:
      return "underived_committed_readers_offset";
    case ShmErrorCode::kUnderivedCommittedReadersBytes:
      return "underived_committed_readers_bytes";
    case ShmErrorCode::kReservedNotZero:
      return "reserved_not_zero";
    case ShmErrorCode::kNextTxnIdOutOfDomain:
      return "next_txn_id_out_of_domain";
    case ShmErrorCode::kSnapshotSeqOdd:
      return "snapshot_seq_odd";
    case ShmErrorCode::kGcHorizonAhead:
      return "gc_horizon_ahead";
    case ShmErrorCode::kWriterTxnIdOutOfDomain:
      return "writer_txn_id_out_of_domain";
    case ShmErrorCode::kWriterUnjudgeable:
      return "writer_unjudgeable";
    case ShmErrorCode::kWriterLeftovers:
      return "writer_leftovers";
    case ShmErrorCode::kFileOpen:
      return "file_open";
    case ShmErrorCode::kFileNotRegular:
      return "file_not_regular";
    case ShmErrorCode::kFileExists:
      return "file_exists";
    case ShmErrorCode::kFileCreate:
      return "file_create";
    case ShmErrorCode::kFileNoSpace:
      return "file_no_space";
    case ShmErrorCode::kFileRegionsDoNotFit:
      return "file_regions_do_not_fit";
    case ShmErrorCode::kFileTruncated:
      return "file_truncated";
    case ShmErrorCode::kFileMap:
      return "file_map";
    case ShmErrorCode::kFileSync:
      return "file_sync";
    case ShmErrorCode::kFileClose:
      return "file_close";
    case ShmErrorCode::kFileLock:
      return "file_lock";
    case ShmErrorCode::kFileForked:
      return "file_forked";
    case ShmErrorCode::kNeedsReconcile:
      return "needs_reconcile";
  }
  return "unknown";
}

std::string ShmError::message() const {
  switch (code_) {
    case ShmErrorCode::kTooSmall:
      return format("header: found %" PRIu64 " bytes, expected at least %" PRIu64, found_,
                    expected_);
    case ShmErrorCode::kBadMagic:
      return "magic (offset 0): found " + magic_text(found_) + ", expected " +
             magic_text(expected_) + " (\"FSQLSHM\\0\")";
    case ShmErrorCode::kVersionMismatch:
      return format("version (offset 8): found %" PRIu64 ", expected %" PRIu64, found_, expected_);
    case ShmErrorCode::kInvalidPageSize:
      return format("page_size (offset 12): found %" PRIu64
                    ", expected a power of two from 512 to 65536",
                    found_);
    case ShmErrorCode::kChecksumMismatch:
      return format("layout_checksum (offset 144): found 0x%016" PRIx64 ", expected 0x%016" PRIx64
                    " (xxh3_64 of the immutable fields)",
                    found_, expected_);
    case ShmErrorCode::kMisaligned:
      return format("header: found at an address with remainder %" PRIu64
                    " modulo 8, expected a multiple of 8",
                    found_);
    case ShmErrorCode::kTxnIdOutOfDomain:
      return format("transaction id: found %" PRIu64 ", expected 1 to 2^62-1", found_);
    case ShmErrorCode::kUnderivedMaxTxnSlots:
      return format("max_txn_slots (offset 16): found %" PRIu64 ", expected at least 1", found_);
    case ShmErrorCode::kUnderivedLockTableOffset:
      return format("lock_table_offset (offset 104): found %" PRIu64 ", expected %" PRIu64
                    ", right behind the header",
                    found_, expected_);
    case ShmErrorCode::kUnderivedWitnessOffset:
      return derived("witness_offset", 112, found_, expected_);
    case ShmErrorCode::kUnderivedTxnSlotOffset:
      return derived("txn_slot_offset", 120, found_, expected_);
    case ShmErrorCode::kUnderivedCommittedReadersOffset:
      return derived("committed_readers_offset", 128, found_, expected_);
    case ShmErrorCode::kUnderivedCommittedReadersBytes:
      return derived("committed_readers_bytes", 136, found_, expected_);
    case ShmErrorCode::kReservedNotZero:
      return format("%s: found a byte that is not 0 at offset %" PRIu64 ", expected only zeroes",
                    found_ < 152 ? "align0 (offset 20)" : "padding (offset 152)", found_);
    case ShmErrorCode::kNextTxnIdOutOfDomain:
      return format("next_txn_id (offset 24): found %" PRIu64 ", expected 1 to 2^62", found_);
    case ShmErrorCode::kSnapshotSeqOdd:
      return format("snapshot_seq (offset 32): found %" PRIu64
                    ", expected an even number: a publish is in progress or its publisher died",
                    found_);
    case ShmErrorCode::kGcHorizonAhead:
      return format("gc_horizon (offset 64): found %" PRIu64
                    ", expected at most commit_seq, which is %" PRIu64,
                    found_, expected_);
    case ShmErrorCode::kWriterTxnIdOutOfDomain:
      return format("serialized_writer_txn_id (offset 72): found 0x%016" PRIx64
                    ", expected 0, an id of at most 2^62-1, or a claiming or cleaning process",
                    found_);
    case ShmErrorCode::kWriterUnjudgeable:
      return format("serialized_writer_txn_id (offset 72): found %" PRIu64
                    " with neither a lease nor a pid and birth, expected one of them: nothing can "
                    "ever clear this writer",
                    found_);
    case ShmErrorCode::kWriterLeftovers:
      return format("serialized writer (offsets 80 to 103): found %" PRIu64
                    " in pid, birth or lease, expected 0 while there is no writer",
                    found_);
    case ShmErrorCode::kFileOpen:
      return "file: cannot open: " + errno_text(found_);
    case ShmErrorCode::kFileNotRegular:
      return format("file: found %s, expected a regular file", file_type(found_));
    case ShmErrorCode::kFileExists:
      return "file: cannot create: it exists";
    case ShmErrorCode::kFileCreate:
      return "file: cannot create: " + errno_text(found_);
    case ShmErrorCode::kFileNoSpace:
      return format("file: cannot reserve %" PRIu64 " bytes: ", expected_) + errno_text(found_);
    case ShmErrorCode::kFileRegionsDoNotFit:
      return format("file: a region at offset %" PRIu64
                    " does not fit: what lies before it ends "
                    "at %" PRIu64 ", and no region may end beyond 2^63-1 or be too small",
                    found_, expected_);
    case ShmErrorCode::kFileTruncated:
      return format("file: found %" PRIu64 " bytes, expected the %" PRIu64
                    " that its header asks for",
                    found_, expected_);
    case ShmErrorCode::kFileMap:
      return "file: cannot map: " + errno_text(found_);
    case ShmErrorCode::kFileSync:
      return "file: cannot sync: " + errno_text(found_);
    case ShmErrorCode::kFileClose:
      return "file: cannot close: " + errno_text(found_);
    case ShmErrorCode::kFileLock:
      return "publication lock: " + errno_text(found_);
    case ShmErrorCode::kFileForked:
      return format("publication lock: used by process %" PRIu64
                    ", but the file was opened by %" PRIu64 " before a fork; open it again",
                    found_, expected_);
    case ShmErrorCode::kNeedsReconcile:
      return format("snapshot_seq (offset 32): found %" PRIu64
                    ", left behind by a publisher that died: reconcile before publishing",
                    found_);
  }
  return "unknown error";
}

}  // namespace fsqlshm
