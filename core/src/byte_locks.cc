#include "byte_locks.h"

#include <unistd.h>

#include <cerrno>
#include <limits>

namespace fsqlshm::internal {
namespace {

struct flock request(short type, LockRange range) noexcept {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = range.offset;
  lock.l_len = range.length;
  return lock;
}

int fcntl_uninterrupted(int fd, int command, struct flock& lock) {
  int result = 0;
  do {
    result = ::fcntl(fd, command, &lock);
  } while (result < 0 && errno == EINTR);
  return result < 0 ? errno : 0;
}

}  // namespace

std::expected<bool, int> try_lock(int fd, LockRange range, LockKind kind) noexcept {
  struct flock lock = request(static_cast<short>(kind), range);
  const int error = fcntl_uninterrupted(fd, F_OFD_SETLK, lock);
  if (error == 0) return true;
  if (error == EAGAIN || error == EACCES) return false;
  return std::unexpected(error);
}

int lock(int fd, LockRange range, LockKind kind) {
  struct flock lock = request(static_cast<short>(kind), range);
  return fcntl_uninterrupted(fd, F_OFD_SETLKW, lock);
}

void unlock(int fd, LockRange range) noexcept {
  struct flock lock = request(F_UNLCK, range);
  static_cast<void>(fcntl_uninterrupted(fd, F_OFD_SETLK, lock));
}

std::expected<bool, int> locked_by_others(int fd, LockRange range, LockKind kind) noexcept {
  struct flock question = request(static_cast<short>(kind), range);
  const int error = fcntl_uninterrupted(fd, F_OFD_GETLK, question);
  if (error != 0) return std::unexpected(error);
  return question.l_type != F_UNLCK;
}

std::expected<std::vector<ProcessIdentity>, int> names_in_use(int fd) {
  constexpr off_t kEnd = std::numeric_limits<off_t>::max();
  std::vector<ProcessIdentity> names;
  // The kernel names any one of the write locks in a range; the others are before and behind it.
  struct Part {
    off_t first;
    off_t last;
  };
  std::vector<Part> parts = {{kNameBytes.offset, kEnd}};
  while (!parts.empty()) {
    const Part part = parts.back();
    parts.pop_back();
    const off_t length = part.last == kEnd ? 0 : part.last - part.first + 1;
    struct flock question = request(F_RDLCK, {part.first, length});
    if (const int error = fcntl_uninterrupted(fd, F_OFD_GETLK, question); error != 0) {
      return std::unexpected(error);
    }
    if (question.l_type == F_UNLCK) continue;
    // One of another length is no name, but another program's.
    const off_t found = question.l_start;
    const off_t last = question.l_len == 0 ? kEnd : found + (question.l_len - 1);
    if (last == found) names.push_back(hardened::process_of(static_cast<std::uint64_t>(found)));
    if (found > part.first) parts.push_back({part.first, found - 1});
    if (last < part.last) parts.push_back({last + 1, part.last});
  }
  return names;
}

}  // namespace fsqlshm::internal
