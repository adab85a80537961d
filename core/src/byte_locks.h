// Locks on single bytes of the lock file, held by an open file description (fcntl(2), F_OFD_SETLK).
// The kernel frees them when the last process that holds the description has closed it, after the
// last store of a process that dies.
//
// The lock file (foo.db.fsqlite-shm-lock) is empty; the bytes lie beyond its end. It is a file of its
// own, and only users who may write the shared-memory file may open it, because whoever may read a
// file can put read locks on it and keep all writers out.
//
//   0             OPEN         read: has the file open or waits for its first opener.
//                              write: the first opener, or `remove`: is alone.
//   1             PUBLICATION  write: publishes.
//   2^61 + file   ESTABLISHED  read: has that file open and knows that its state is established. The
//                              file is its inode and the checksum of its immutable fields, so that
//                              one copied over it is another.
//   2^62 + name   NAME         write: the open with that 62-bit name (22 bits pid, 40 bits token)
//                              is in use.
//
// The same NAME byte of the shared-memory file is locked too. A read lock cannot imitate a write
// lock, so this tells users who may only read that somebody keeps the state, and tells a first opener
// that found no lock on OPEN whether the lock file was replaced under the file's users.

#ifndef FSQLSHM_SRC_BYTE_LOCKS_H_
#define FSQLSHM_SRC_BYTE_LOCKS_H_

#include <fcntl.h>
#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <vector>

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/process.h"

namespace fsqlshm::internal {

inline constexpr const char* kLockFileSuffix = "-lock";

/// `length` bytes from `offset` on.
struct LockRange {
  off_t offset;
  off_t length = 1;
};

inline constexpr LockRange kOpenByte{0};
inline constexpr LockRange kPublicationByte{1};
inline constexpr LockRange kEstablishedBytes{off_t{1} << 61, off_t{1} << 61};
/// To the largest offset there is.
inline constexpr LockRange kNameBytes{off_t{1} << 62, 0};

[[nodiscard]] constexpr LockRange established_byte(ino_t inode, std::uint64_t checksum) noexcept {
  const std::uint64_t file = inode ^ checksum;
  return {kEstablishedBytes.offset | static_cast<off_t>(file & ((std::uint64_t{1} << 61) - 1))};
}

[[nodiscard]] constexpr LockRange name_byte(ProcessIdentity who) noexcept {
  const std::uint64_t payload = hardened::state_word(hardened::WriterTag::kFreeOrOwned, who);
  return {kNameBytes.offset + static_cast<off_t>(payload)};
}

enum class LockKind : std::uint8_t { kRead = F_RDLCK, kWrite = F_WRLCK };

/// True if the lock was granted, also in the place of another kind of lock that the description has
/// there; false if others are in the way; or an errno.
[[nodiscard]] std::expected<bool, int> try_lock(int fd, LockRange range, LockKind kind) noexcept;

/// Waits as long as it takes. 0 or an errno. A cancellation point.
[[nodiscard]] int lock(int fd, LockRange range, LockKind kind);

/// Frees what the description has there; nothing happens where it has nothing.
void unlock(int fd, LockRange range) noexcept;

/// Whether another description has a lock there that is in the way of `kind`; or an errno.
[[nodiscard]] std::expected<bool, int> locked_by_others(int fd, LockRange range,
                                                        LockKind kind) noexcept;

/// The NAMEs in use by other descriptions, in no particular order; or an errno.
[[nodiscard]] std::expected<std::vector<ProcessIdentity>, int> names_in_use(int fd);

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_BYTE_LOCKS_H_
