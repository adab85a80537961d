#include "harness/system_calls.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <type_traits>

// The linker sends the program's call of NAME to __wrap_NAME, and ours of __real_NAME to the real one.
// Its names are the linker's choice. NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)

using fsqlshm::harness::ScopedBeforeCall;

namespace {

template <class Result>
constexpr Result kFailed = static_cast<Result>(-1);
template <>
void* const kFailed<void*> = MAP_FAILED;

template <class Result, class... Parameters>
Result ask(const char* name, Result (*real)(Parameters...),
           std::type_identity_t<Parameters>... arguments) {
  const int error = ScopedBeforeCall::ask(name);
  if (error == 0) return real(arguments...);
  errno = error;
  return kFailed<Result>;
}

}  // namespace

extern "C" {

// A call that ends in a variadic argument, which is `type` in every use that we make of it.
#define FSQLSHM_WRAP(result, name, parameters, ...) \
  result __real_##name parameters;                  \
  result __wrap_##name parameters;                  \
  result __wrap_##name parameters { return ask(#name, &__real_##name, __VA_ARGS__); }

FSQLSHM_WRAP(int, fcntl, (int fd, int command, void* argument), fd, command, argument)
FSQLSHM_WRAP(int, fstat, (int fd, struct stat* status), fd, status)
FSQLSHM_WRAP(int, fstatat, (int d, const char* name, struct stat* status, int flags), d, name,
             status, flags)
FSQLSHM_WRAP(ssize_t, pread, (int fd, void* to, size_t size, off_t at), fd, to, size, at)
FSQLSHM_WRAP(ssize_t, pwrite, (int fd, const void* from, size_t size, off_t at), fd, from, size, at)
FSQLSHM_WRAP(void*, mmap, (void* where, size_t size, int prot, int flags, int fd, off_t at), where,
             size, prot, flags, fd, at)
FSQLSHM_WRAP(int, madvise, (void* where, size_t size, int advice), where, size, advice)
FSQLSHM_WRAP(int, fchmod, (int fd, mode_t mode), fd, mode)
FSQLSHM_WRAP(int, fchown, (int fd, uid_t uid, gid_t gid), fd, uid, gid)
FSQLSHM_WRAP(int, fsync, (int fd), fd)
FSQLSHM_WRAP(int, linkat, (int d, const char* from, int e, const char* to, int flags), d, from, e,
             to, flags)
FSQLSHM_WRAP(int, renameat, (int d, const char* from, int e, const char* to), d, from, e, to)
FSQLSHM_WRAP(int, unlinkat, (int d, const char* name, int flags), d, name, flags)
FSQLSHM_WRAP(int, msync, (void* where, size_t size, int flags), where, size, flags)

#undef FSQLSHM_WRAP

int __real_openat(int d, const char* name, int flags, mode_t mode);
int __wrap_openat(int d, const char* name, int flags, mode_t mode);
int __wrap_openat(int d, const char* name, int flags, mode_t mode) {
  const bool nameless = (flags & O_TMPFILE) == O_TMPFILE;
  return ask(nameless ? "openat(O_TMPFILE)" : "openat", &__real_openat, d, name, flags, mode);
}

// It returns its error.
int __real_posix_fallocate(int fd, off_t at, off_t size);
int __wrap_posix_fallocate(int fd, off_t at, off_t size);
int __wrap_posix_fallocate(int fd, off_t at, off_t size) {
  const int error = ScopedBeforeCall::ask("posix_fallocate");
  return error != 0 ? error : __real_posix_fallocate(fd, at, size);
}

}  // extern "C"
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
