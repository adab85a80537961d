#include "fsqlshm/error.h"

#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <system_error>

#include "fsqlshm/wire_format.h"

namespace fsqlshm {
namespace {

using enum ShmErrorCode;

struct Entry {
  ShmErrorCode code;
  std::string_view name;
  // {found} and {expected} stand for the values, as ":x" hexadecimal, ":bytes" bytes in memory order,
  // ":errno" the text of an errno, ":type" a kind of file, ":reserved" the reserved field there,
  // ":inode" a file or none, ":in_use" the same of one that others opened, ":which" the file or
  // its lock file, ":lock" under which lock file.
  std::string_view message;
};

// In the order of the codes.
constexpr Entry kEntries[] = {
    {kTooSmall, "too_small", "header: found {found} bytes, expected at least {expected}"},
    {kBadMagic, "bad_magic",
     "magic (offset 0): found {found:bytes}, expected {expected:bytes} (\"FSQLSHM\\0\")"},
    {kVersionMismatch, "version_mismatch",
     "version (offset 8): found {found}, expected {expected}"},
    {kInvalidPageSize, "invalid_page_size",
     "page_size (offset 12): found {found}, expected a power of two from 512 to 65536"},
    {kChecksumMismatch, "checksum_mismatch",
     "layout_checksum (offset 144): found {found:x}, expected {expected:x} (xxh3_64 of the "
     "immutable fields)"},
    {kMisaligned, "misaligned",
     "header: found at an address with remainder {found} modulo {expected}, expected 0"},
    {kTxnIdOutOfDomain, "txn_id_out_of_domain",
     "transaction id: found {found}, expected 1 to 2^62-1"},
    {kUnderivedMaxTxnSlots, "underived_max_txn_slots",
     "max_txn_slots (offset 16): found {found}, expected at least 1"},
    {kUnderivedLockTableOffset, "underived_lock_table_offset",
     "lock_table_offset (offset 104): found {found}, expected {expected}, right behind the header"},
    {kUnderivedWitnessOffset, "underived_witness_offset",
     "witness_offset (offset 112): found {found}, expected {expected} as derived from "
     "max_txn_slots"},
    {kUnderivedTxnSlotOffset, "underived_txn_slot_offset",
     "txn_slot_offset (offset 120): found {found}, expected {expected} as derived from "
     "max_txn_slots"},
    {kUnderivedCommittedReadersOffset, "underived_committed_readers_offset",
     "committed_readers_offset (offset 128): found {found}, expected {expected} as derived from "
     "max_txn_slots"},
    {kUnderivedCommittedReadersBytes, "underived_committed_readers_bytes",
     "committed_readers_bytes (offset 136): found {found}, expected {expected} as derived from "
     "max_txn_slots"},
    {kReservedNotZero, "reserved_not_zero",
     "{found:reserved}: found a byte that is not 0 at offset {found}, expected only zeroes"},
    {kNextTxnIdOutOfDomain, "next_txn_id_out_of_domain",
     "next_txn_id (offset 24): found {found}, expected 1 to 2^62"},
    {kSnapshotSeqOdd, "snapshot_seq_odd",
     "snapshot_seq (offset 32): found {found}, expected an even number: a publish is in progress "
     "or its publisher died"},
    {kGcHorizonAhead, "gc_horizon_ahead",
     "gc_horizon (offset 64): found {found}, expected at most commit_seq, which is {expected}"},
    {kWriterTxnIdOutOfDomain, "writer_txn_id_out_of_domain",
     "serialized_writer_txn_id (offset 72): found {found:x}, expected 0, an id of at most 2^62-1, "
     "or a claiming or cleaning process"},
    {kWriterUnjudgeable, "writer_unjudgeable",
     "serialized_writer_txn_id (offset 72): found {found} with neither a lease nor a pid and "
     "birth, expected one of them: nothing can ever clear this writer by itself"},
    {kWriterLeftovers, "writer_leftovers",
     "serialized writer (offsets 80 to 103): found {found} in pid, birth or lease, expected 0 "
     "while there is no writer"},
    {kWriterLeaseUnit, "writer_lease_unit",
     "serialized_writer_lease_expiry (offset 96): found {found}, expected seconds since 1970: this "
     "is after the year 9999"},
    {kFileOpen, "file_open", "{expected:which}: cannot open: {found:errno}"},
    {kFileNotRegular, "file_not_regular",
     "{expected:which}: found {found:type}, expected a regular file"},
    {kFileExists, "file_exists", "file: cannot create: it exists"},
    {kFileCreate, "file_create", "{expected:which}: cannot create: {found:errno}"},
    {kFileNoSpace, "file_no_space", "file: cannot reserve {expected} bytes: {found:errno}"},
    {kFileRegionsDoNotFit, "file_regions_do_not_fit",
     "file: a region at offset {found} does not fit: what lies before it ends at {expected}, and "
     "no region may end beyond 2^63-1 or be too small"},
    {kFileTruncated, "file_truncated",
     "file: found {found} bytes, expected the {expected} that its header asks for"},
    {kFileMap, "file_map", "file: cannot map: {found:errno}"},
    {kFileSync, "file_sync", "file: cannot sync: {found:errno}"},
    {kFileClose, "file_close", "file: cannot close: {found:errno}"},
    {kFileLock, "file_lock", "file: cannot lock: {found:errno}"},
    {kFileForked, "file_forked",
     "file: used by process {found}, but it was opened before a fork; open it again"},
    {kFileOwner, "file_owner",
     "{expected:which}: cannot give it to its owner and group: {found:errno}"},
    {kFileInUse, "file_in_use", "file: others have it open{expected:lock}"},
    {kFileReplaced, "file_replaced",
     "file or lock file: removed, replaced or overwritten while in use: found {found:inode}, "
     "expected {expected:in_use}"},
    {kNeedsRecovery, "needs_recovery",
     "file: nobody has it open, so its state must be given (recover) or trusted"},
    {kRecoverFailed, "recover_failed", "file: the database cannot give its state: {found}"},
    {kNeedsReconcile, "needs_reconcile",
     "snapshot_seq (offset 32): found {found}, left behind by a publisher that died: reconcile "
     "before publishing"},
    {kGuardMoved, "guard_moved", "publication lock: this guard was moved from and holds no lock"},
    {kFenced, "fenced",
     "serialized_writer_txn_id (offset 72): found {found}, expected {expected}, the writer on "
     "whose "
     "behalf this was to be published"},
};

static_assert([] {
  for (std::size_t i = 0; i < std::size(kEntries); ++i) {
    if (static_cast<std::size_t>(kEntries[i].code) != i) return false;
  }
  return static_cast<std::size_t>(kFenced) + 1 == std::size(kEntries);
}());

const Entry* entry_of(ShmErrorCode code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return index < std::size(kEntries) ? &kEntries[index] : nullptr;
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

std::string in_words(std::uint64_t value, std::string_view how) {
  if (how == ":errno") return std::generic_category().message(static_cast<int>(value));
  if (how == ":type") return file_type(value);
  if (how == ":reserved") {
    return value < offsets::kPadding ? "align0 (offset 20)" : "padding (offset 152)";
  }
  if (how == ":lock") return value == kOfLockFile ? " with a lock file that was there before" : "";
  if (how == ":which") return value == kOfLockFile ? "lock file" : "file";
  if (how == ":inode" && value == 0) return "none";
  if (how == ":in_use" && value == 0) return "what its users opened";
  return "inode " + std::to_string(value);
}

void append_hexadecimal(std::string& text, std::uint64_t value, int digits) {
  for (int i = digits - 1; i >= 0; --i) text += "0123456789abcdef"[value >> (4 * i) & 15];
}

void append(std::string& text, std::uint64_t value, std::string_view how) {
  if (how.empty()) {
    text += std::to_string(value);
  } else if (how == ":x") {
    append_hexadecimal(text += "0x", value, 16);
  } else if (how == ":bytes") {
    for (int byte = 0; byte < 8; ++byte) {
      append_hexadecimal(text += byte == 0 ? "" : " ", value >> (8 * byte) & 0xff, 2);
    }
  } else {
    text += in_words(value, how);
  }
}

}  // namespace

std::string_view to_string(ShmErrorCode code) noexcept {
  const Entry* const entry = entry_of(code);
  return entry != nullptr ? entry->name : "unknown";
}

std::string ShmError::message() const {
  const Entry* const entry = entry_of(code_);
  if (entry == nullptr) return "unknown error";
  std::string text;
  text.reserve(160);  // one allocation for nearly every message
  std::string_view rest = entry->message;
  for (std::size_t open = rest.find('{'); open != rest.npos; open = rest.find('{')) {
    text += rest.substr(0, open);
    const std::string_view field = rest.substr(open + 1, rest.find('}') - open - 1);
    const std::size_t colon = std::min(field.find(':'), field.size());
    append(text, field.starts_with("found") ? found_ : expected_, field.substr(colon));
    rest.remove_prefix(open + field.size() + 2);
  }
  return text.append(rest);
}

}  // namespace fsqlshm
