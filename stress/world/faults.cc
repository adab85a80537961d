#include "stress/world/faults.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <initializer_list>

namespace fsqlshm::world {
namespace {

struct CallErrors {
  long number;
  std::initializer_list<int> errors;
};

const CallErrors kTable[] = {
    {SYS_openat, {EIO, EMFILE, ENOMEM, EACCES, ENFILE, EINTR}},
    {SYS_newfstatat, {EIO, ENOMEM, EACCES}},
    {SYS_fcntl, {EIO, ENOMEM, EINTR}},
    {SYS_pread64, {EIO, EINTR}},
    {SYS_pwrite64, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_mmap, {ENOMEM, EACCES, EAGAIN}},
    {SYS_madvise, {ENOMEM, EAGAIN, EIO}},
    {SYS_msync, {EIO, ENOMEM}},
    {SYS_fsync, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_ioctl, {EIO, ENOMEM, EACCES}},
    {SYS_fchmod, {EIO, EACCES, EDQUOT}},
    {SYS_fchown, {EIO, EACCES, EDQUOT}},
    {SYS_fallocate, {EIO, ENOSPC, EDQUOT, EINTR}},
    {SYS_fstatfs, {EIO, ENOMEM, EINTR}},
    {SYS_linkat, {EIO, ENOSPC, ENOMEM, EACCES, EDQUOT}},
    {SYS_renameat, {EIO, ENOSPC, ENOMEM, EACCES, EDQUOT}},
    {SYS_unlinkat, {EIO, ENOMEM, EACCES}},
    {SYS_access, {EIO, ENOMEM, EACCES}},
    {SYS_getrandom, {EAGAIN, EINTR}},
    {SYS_clock_nanosleep, {EINTR}},
    {SYS_close, {EIO, EINTR}},
};

bool creates(const Stop& stop) {
  return stop.number == SYS_openat &&
         ((stop.arguments[2] & O_CREAT) != 0 || (stop.arguments[2] & O_TMPFILE) == O_TMPFILE);
}

// Memory for everybody, not for the file.
bool is_anonymous(const Stop& stop) {
  return stop.number == SYS_mmap && (stop.arguments[3] & MAP_ANONYMOUS) != 0;
}

bool is_advice_on_fork(const Stop& stop) {
  return stop.arguments[2] == MADV_DONTFORK || stop.arguments[2] == MADV_WIPEONFORK;
}

}  // namespace

std::vector<int> errors_of(const Stop& stop, const Tracer& tracer) {
  if (stop.kind != Stop::Kind::kEntry || stop.marker() || is_anonymous(stop)) return {};
  if (stop.number == SYS_madvise && !is_advice_on_fork(stop)) return {};
  const auto* const row = std::ranges::find(kTable, stop.number, &CallErrors::number);
  if (row == std::end(kTable)) return {};
  std::vector<int> errors = row->errors;
  if (creates(stop)) errors.insert(errors.end(), {ENOSPC, EDQUOT});
  if (stop.number == SYS_fcntl) {
    struct flock lock = {};
    if (!tracer.read(stop.arguments[2], &lock, sizeof lock)) return {};
    if (lock.l_type == F_UNLCK) return {EINTR};  // or ENOLCK, if the kernel has no memory left
    if (stop.arguments[1] == F_OFD_SETLK) errors.push_back(EAGAIN);
  }
  return errors;
}

}  // namespace fsqlshm::world
