#include "harness/system_calls.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <type_traits>

// The linker sends the program's call of NAME to __wrap_NAME, and ours of __real_NAME to the real one.
// Its names are the linker's choice. NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)

using fsqlshm::harness::Lie;
using fsqlshm::harness::ScopedBeforeCall;

namespace {

std::atomic<Lie> current_lie = nullptr;
thread_local bool lying = false;

template <class Value>
std::uint64_t to_word(Value value) {
  if constexpr (std::is_pointer_v<Value>) {
    return reinterpret_cast<std::uint64_t>(value);
  } else {
    return static_cast<std::uint64_t>(value);
  }
}

template <class Result>
Result from_word(long value) {
  if constexpr (std::is_pointer_v<Result>) {
    return reinterpret_cast<Result>(value);  // NOLINT(performance-no-int-to-ptr): a call's answer
  } else {
    return static_cast<Result>(value);
  }
}

// What the call is said to answer, if it is not made.
template <class... Arguments>
std::optional<long> lie_about(const char* name, Arguments... arguments) {
  const Lie lie = current_lie.load(std::memory_order::relaxed);
  if (lie == nullptr || lying) return std::nullopt;
  const std::array words = {to_word(arguments)...};
  lying = true;
  const std::optional<long> answer = lie(name, words);
  lying = false;
  return answer;
}

template <class Result>
constexpr Result kFailed = static_cast<Result>(-1);
template <>
void* const kFailed<void*> = MAP_FAILED;

template <class Result, class... Parameters>
Result ask(const char* name, Result (*real)(Parameters...),
           std::type_identity_t<Parameters>... arguments) {
  const int error = ScopedBeforeCall::ask(name);
  if (error == 0) {
    const auto lie = lie_about(name, arguments...);
    return lie ? from_word<Result>(*lie) : real(arguments...);
  }
  errno = error;
  return kFailed<Result>;
}

}  // namespace

extern "C" {

// fcntl and ioctl are variadic; their last argument, whatever it is, is passed on as it came.
#define FSQLSHM_WRAP(result, name, parameters, ...) \
  result __real_##name parameters;                  \
  result __wrap_##name parameters;                  \
  result __wrap_##name parameters { return ask(#name, &__real_##name, __VA_ARGS__); }

FSQLSHM_WRAP(int, fcntl, (int fd, int command, void* argument), fd, command, argument)
FSQLSHM_WRAP(int, ioctl, (int fd, unsigned long request, void* argument), fd, request, argument)
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

// Calls that nobody makes fail: one can only lie about them.
#define FSQLSHM_WRAP(result, name, parameters, ...)                    \
  result __real_##name parameters;                                     \
  result __wrap_##name parameters;                                     \
  result __wrap_##name parameters {                                    \
    const auto lie = lie_about(#name, __VA_ARGS__);                    \
    return lie ? from_word<result>(*lie) : __real_##name(__VA_ARGS__); \
  }

FSQLSHM_WRAP(ssize_t, getrandom, (void* to, size_t size, unsigned flags), to, size, flags)
FSQLSHM_WRAP(int, munmap, (void* where, size_t size), where, size)
FSQLSHM_WRAP(int, sem_wait, (sem_t * semaphore), semaphore)
FSQLSHM_WRAP(int, sem_trywait, (sem_t * semaphore), semaphore)
FSQLSHM_WRAP(int, sem_post, (sem_t * semaphore), semaphore)
FSQLSHM_WRAP(int, pthread_atfork, (void (*prepare)(), void (*parent)(), void (*child)()), prepare,
             parent, child)

#undef FSQLSHM_WRAP

// It returns its error.
int __real_posix_fallocate(int fd, off_t at, off_t size);
int __wrap_posix_fallocate(int fd, off_t at, off_t size);
int __wrap_posix_fallocate(int fd, off_t at, off_t size) {
  if (const int error = ScopedBeforeCall::ask("posix_fallocate"); error != 0) return error;
  const auto lie = lie_about("posix_fallocate", fd, at, size);
  return lie ? from_word<int>(*lie) : __real_posix_fallocate(fd, at, size);
}

}  // extern "C"

void fsqlshm::harness::tell_lies(Lie lie) noexcept { current_lie = lie; }
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
