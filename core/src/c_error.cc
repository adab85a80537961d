#include "c_error.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

namespace fsqlshm::c_interface {
namespace {

using enum ShmErrorCode;

struct Pair {
  fsqlshm_code c;
  ShmErrorCode cpp;
};

// The codes of C are part of an ABI: a new one comes last, here and in ShmErrorCode.
constexpr Pair kPairs[] = {
    {FSQLSHM_TOO_SMALL, kTooSmall},
    {FSQLSHM_BAD_MAGIC, kBadMagic},
    {FSQLSHM_VERSION_MISMATCH, kVersionMismatch},
    {FSQLSHM_INVALID_PAGE_SIZE, kInvalidPageSize},
    {FSQLSHM_CHECKSUM_MISMATCH, kChecksumMismatch},
    {FSQLSHM_MISALIGNED, kMisaligned},
    {FSQLSHM_TXN_ID_OUT_OF_DOMAIN, kTxnIdOutOfDomain},
    {FSQLSHM_UNDERIVED_MAX_TXN_SLOTS, kUnderivedMaxTxnSlots},
    {FSQLSHM_UNDERIVED_LOCK_TABLE_OFFSET, kUnderivedLockTableOffset},
    {FSQLSHM_UNDERIVED_WITNESS_OFFSET, kUnderivedWitnessOffset},
    {FSQLSHM_UNDERIVED_TXN_SLOT_OFFSET, kUnderivedTxnSlotOffset},
    {FSQLSHM_UNDERIVED_COMMITTED_READERS_OFFSET, kUnderivedCommittedReadersOffset},
    {FSQLSHM_UNDERIVED_COMMITTED_READERS_BYTES, kUnderivedCommittedReadersBytes},
    {FSQLSHM_RESERVED_NOT_ZERO, kReservedNotZero},
    {FSQLSHM_NEXT_TXN_ID_OUT_OF_DOMAIN, kNextTxnIdOutOfDomain},
    {FSQLSHM_SNAPSHOT_SEQ_ODD, kSnapshotSeqOdd},
    {FSQLSHM_GC_HORIZON_AHEAD, kGcHorizonAhead},
    {FSQLSHM_WRITER_TXN_ID_OUT_OF_DOMAIN, kWriterTxnIdOutOfDomain},
    {FSQLSHM_WRITER_UNJUDGEABLE, kWriterUnjudgeable},
    {FSQLSHM_WRITER_LEFTOVERS, kWriterLeftovers},
    {FSQLSHM_WRITER_LEASE_UNIT, kWriterLeaseUnit},
    {FSQLSHM_FILE_OPEN, kFileOpen},
    {FSQLSHM_FILE_NOT_REGULAR, kFileNotRegular},
    {FSQLSHM_FILE_EXISTS, kFileExists},
    {FSQLSHM_FILE_CREATE, kFileCreate},
    {FSQLSHM_FILE_NO_SPACE, kFileNoSpace},
    {FSQLSHM_FILE_REGIONS_DO_NOT_FIT, kFileRegionsDoNotFit},
    {FSQLSHM_FILE_TRUNCATED, kFileTruncated},
    {FSQLSHM_FILE_MAP, kFileMap},
    {FSQLSHM_FILE_SYNC, kFileSync},
    {FSQLSHM_FILE_CLOSE, kFileClose},
    {FSQLSHM_FILE_LOCK, kFileLock},
    {FSQLSHM_FILE_FORKED, kFileForked},
    {FSQLSHM_FILE_OWNER, kFileOwner},
    {FSQLSHM_FILE_IN_USE, kFileInUse},
    {FSQLSHM_FILE_REPLACED, kFileReplaced},
    {FSQLSHM_NEEDS_RECOVERY, kNeedsRecovery},
    {FSQLSHM_RECOVER_FAILED, kRecoverFailed},
    {FSQLSHM_NEEDS_RECONCILE, kNeedsReconcile},
    {FSQLSHM_GUARD_MOVED, kGuardMoved},
    {FSQLSHM_FENCED, kFenced},
};

static_assert([] {
  for (std::size_t i = 0; i < std::size(kPairs); ++i) {
    if (static_cast<std::size_t>(kPairs[i].cpp) != i || to_c(kPairs[i].cpp) != kPairs[i].c) {
      return false;
    }
  }
  return std::size(kPairs) == static_cast<std::size_t>(kFenced) + 1;
}());

static_assert(kOfLockFile == FSQLSHM_OF_LOCK_FILE);

// Whether a code of C is one of the library's.
bool from_c(std::int32_t code) noexcept { return code > 0 && code <= FSQLSHM_FENCED; }

ShmErrorCode code_of(std::int32_t code) noexcept { return kPairs[code - 1].cpp; }

std::string message_of(const fsqlshm_error& error) {
  if (from_c(error.code)) {
    return ShmError(code_of(error.code), error.found, error.expected).message();
  }
  switch (error.code) {
    case FSQLSHM_OK:
      return "no error";
    case FSQLSHM_NO_MEMORY:
      return "memory ran out";
    case FSQLSHM_INVALID_ARGUMENT:
      return "an argument is invalid: a null pointer, options of unknown size, or a file that was "
             "opened for reading";
    case FSQLSHM_UNEXPECTED:
      return "an exception that was not expected";
    default:
      return "unknown error " + std::to_string(error.code);
  }
}

std::size_t copy(std::string_view message, char* text, std::size_t size) noexcept {
  if (size > 0) {
    const std::size_t written = std::min(message.size(), size - 1);
    std::memcpy(text, message.data(), written);
    text[written] = 0;
  }
  return message.size();
}

}  // namespace

// Functions of C are the same in every namespace, but for g++ their visibility is not.
#pragma GCC visibility push(default)
extern "C" {

const char* fsqlshm_code_text(int32_t code) {
  // Names are literals, so they end with a 0.
  if (from_c(code)) return to_string(code_of(code)).data();
  switch (code) {
    case FSQLSHM_OK:
      return "ok";
    case FSQLSHM_NO_MEMORY:
      return "no_memory";
    case FSQLSHM_INVALID_ARGUMENT:
      return "invalid_argument";
    case FSQLSHM_UNEXPECTED:
      return "unexpected";
    default:
      return "unknown";
  }
}

size_t fsqlshm_error_message(const fsqlshm_error* error, char* text, size_t size) {
  try {
    return copy(message_of(*error), text, size);
  } catch (...) {  // no memory for the sentence: its name must do
    return copy(fsqlshm_code_text(error->code), text, size);
  }
}

}  // extern "C"
#pragma GCC visibility pop

}  // namespace fsqlshm::c_interface
