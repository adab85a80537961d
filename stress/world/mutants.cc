#include "stress/world/mutants.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>

#include "core/src/byte_locks.h"
#include "stress/world/subject.h"
#include "stress/world/world.h"

namespace fsqlshm::world {
namespace {

using Arguments = std::span<const std::uint64_t>;
using Answer = std::optional<long>;

constexpr Answer kTruth = std::nullopt;

template <class T>
T* pointer(std::uint64_t word) {
  return reinterpret_cast<T*>(word);  // NOLINT(performance-no-int-to-ptr): an argument is a word
}

// --- Locks ------------------------------------------------------------------------------------------

struct LockCall {
  int fd;
  int command;
  struct flock* lock;

  [[nodiscard]] bool asks() const { return command == F_OFD_GETLK; }
  [[nodiscard]] bool sets(short type) const { return !asks() && lock->l_type == type; }
  [[nodiscard]] bool on(internal::LockRange range) const { return lock->l_start == range.offset; }
  [[nodiscard]] bool on_established() const {
    return lock->l_start >= internal::kEstablishedBytes.offset && !on_name();
  }
  [[nodiscard]] bool on_name() const { return lock->l_start >= internal::kNameBytes.offset; }
  [[nodiscard]] bool on_one_name() const { return on_name() && lock->l_len == 1; }

  [[nodiscard]] long answer(short type) const {
    lock->l_type = type;
    return 0;
  }
};

std::optional<LockCall> lock_call(std::string_view call, Arguments a) {
  const int command = call == "fcntl" ? static_cast<int>(a[1]) : 0;
  if (command != F_OFD_GETLK && command != F_OFD_SETLK && command != F_OFD_SETLKW) {
    return std::nullopt;
  }
  return LockCall{static_cast<int>(a[0]), command, pointer<struct flock>(a[2])};
}

Answer token_not_locked(std::string_view call, Arguments a) {
  const auto lock = lock_call(call, a);
  return lock && lock->on_name() && lock->sets(F_WRLCK) ? Answer(0) : kTruth;
}

Answer open_lock_dropped(std::string_view call, Arguments a) {
  const auto lock = lock_call(call, a);
  if (!lock || !lock->on(internal::kOpenByte) || !lock->sets(F_WRLCK)) return kTruth;
  struct flock mine = *lock->lock;
  if (::fcntl(lock->fd, lock->command, &mine) != 0) return -1;
  mine.l_type = F_UNLCK;
  return ::fcntl(lock->fd, F_OFD_SETLK, &mine);
}

// Everybody is a first opener.
Answer recover_called_twice(std::string_view call, Arguments a) {
  const auto lock = lock_call(call, a);
  if (!lock) return kTruth;
  if (lock->on(internal::kOpenByte) && lock->sets(F_WRLCK)) return 0;
  const bool any_name = lock->on_name() && !lock->on_one_name();
  return lock->asks() && any_name ? Answer(lock->answer(F_UNLCK)) : kTruth;
}

Answer waiter_trusts(std::string_view call, Arguments a) {
  const auto lock = lock_call(call, a);
  return lock && lock->asks() && lock->on_established() ? Answer(lock->answer(F_RDLCK)) : kTruth;
}

// Nobody is one: what the file says holds, also after a reboot.
Answer no_first_opener(std::string_view call, Arguments a) {
  const auto lock = lock_call(call, a);
  if (lock && lock->on(internal::kOpenByte) && lock->sets(F_WRLCK)) {
    errno = EAGAIN;
    return -1;
  }
  return waiter_trusts(call, a);
}

// A process is asked for by its pid, as /proc and kill(2) have it.
Answer liveness_by_pid(std::string_view call, Arguments a) {
  const auto lock = lock_call(call, a);
  if (!lock || !lock->asks() || !lock->on_one_name()) return kTruth;
  const auto who = hardened::process_of(static_cast<std::uint64_t>(lock->lock->l_start));
  return lock->answer(::kill(static_cast<pid_t>(who.pid), 0) == 0 ? F_WRLCK : F_UNLCK);
}

Answer nobody_dies(std::string_view call, Arguments a) {
  const auto lock = lock_call(call, a);
  return lock && lock->asks() && lock->on_one_name() ? Answer(lock->answer(F_WRLCK)) : kTruth;
}

Answer lowest_descriptor(std::string_view call, Arguments a) {
  if (call != "fcntl" || static_cast<int>(a[1]) != F_DUPFD_CLOEXEC) return kTruth;
  return ::fcntl(static_cast<int>(a[0]), F_DUPFD_CLOEXEC, 0);
}

// --- Fork -------------------------------------------------------------------------------------------

Answer atfork_missing(std::string_view call, Arguments) {
  return call == "pthread_atfork" ? Answer(0) : kTruth;
}

Answer unlock_in_child(std::string_view call, Arguments a) {
  if (call == "madvise" && a[2] == MADV_WIPEONFORK) return 0;
  return atfork_missing(call, a);
}

// --- The file and its name --------------------------------------------------------------------------

// Answers what it answered first.
Answer name_not_checked(std::string_view call, Arguments a) {
  if (call != "fstatat") return kTruth;
  static std::mutex mutex;
  static std::map<std::string, struct stat> seen;
  const std::scoped_lock hold(mutex);
  const auto* const name = pointer<const char>(a[1]);
  auto* const status = pointer<struct stat>(a[2]);
  if (const auto found = seen.find(name); found != seen.end()) {
    *status = found->second;
    return 0;
  }
  if (::fstatat(static_cast<int>(a[0]), name, status, static_cast<int>(a[3])) != 0) return -1;
  seen.emplace(name, *status);
  return 0;
}

Answer pread_by_mapping(std::string_view call, Arguments a) {
  if (call != "pread") return kTruth;
  constexpr std::size_t kSize = 4096;
  const int fd = static_cast<int>(a[0]);
  void* const mapped = ::mmap(nullptr, kSize, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) return kTruth;  // the catalogue reads other processes' memory
  std::memcpy(pointer<void>(a[1]), static_cast<const char*>(mapped) + a[3], a[2]);
  ::munmap(mapped, kSize);
  return static_cast<long>(a[2]);
}

Answer mapping_kept(std::string_view call, Arguments) {
  return call == "munmap" ? Answer(0) : kTruth;
}

// --- Who may ----------------------------------------------------------------------------------------

Answer owner_not_copied(std::string_view call, Arguments) {
  return call == "fchown" ? Answer(0) : kTruth;
}

// The locks lie on the file itself, for whoever may read it.
Answer locks_on_the_file(std::string_view call, Arguments a) {
  if (call != "openat" && call != "fstatat") return kTruth;
  std::string name = pointer<const char>(a[1]);
  if (!name.ends_with(internal::kLockFileSuffix)) return kTruth;
  name.resize(name.size() - std::strlen(internal::kLockFileSuffix));
  const int directory = static_cast<int>(a[0]);
  if (call == "openat") {
    return ::openat(directory, name.c_str(), static_cast<int>(a[2]), static_cast<mode_t>(a[3]));
  }
  return ::fstatat(directory, name.c_str(), pointer<struct stat>(a[2]), static_cast<int>(a[3]));
}

// --- Turns ------------------------------------------------------------------------------------------

// A thread that is cancelled gives nothing back.
Answer turn_not_raii(std::string_view call, Arguments) {
  const bool other_thread = ::getpid() != static_cast<pid_t>(::syscall(SYS_gettid));
  return call == "sem_post" && cancellation_requested && other_thread ? Answer(0) : kTruth;
}

// Constant, because lies begin before static initializers run.
constexpr Mutant kMutants[] = {
    {"unlock-in-child", "a child takes itself for its parent", kW1, "fork-unwind:publish",
     unlock_in_child},
    {"atfork-missing", "descriptors survive in children", kW2, "fork-sleep-die:publish",
     atfork_missing},
    {"token-not-locked", "an open does not lock its name", kW3, "stop:publish-fenced",
     token_not_locked},
    {"open-lock-dropped", "the first opener is not alone while it recovers", kW4, "rival:recover",
     open_lock_dropped},
    {"recover-twice", "everybody who opens the file recovers it", kW4, "kill:lock",
     recover_called_twice},
    {"waiter-trusts", "who waited for a first opener takes the state for established", kW4,
     "rival-then-kill:recover", waiter_trusts},
    {"no-first-opener", "what a file says holds, whoever opens it", kW4, "kill:publish",
     no_first_opener},
    {"liveness-by-pid", "a process is judged by its pid", kW3, "pid-namespace:publish-fenced",
     liveness_by_pid},
    {"liveness-by-pid-and-exec", "a process is judged by its pid", kW2, "exec:acquire",
     liveness_by_pid},
    {"nobody-dies", "nobody counts as dead", kW2, "kill:acquire", nobody_dies},
    {"lowest-descriptor", "a file may have the number of a standard descriptor", kW5,
     "close-standard:create", lowest_descriptor},
    {"turn-not-raii", "a thread that is cancelled keeps its turn", kW6, "cancel:lock-waits",
     turn_not_raii},
    {"owner-not-copied", "a new file belongs to who makes it", kW7, "nothing:create",
     owner_not_copied},
    {"name-not-checked", "what the name leads to is not looked at again", kW5, "unlink:lock",
     name_not_checked},
    {"pread-by-mapping", "the header is read through a mapping", kW5, "truncate:read-header",
     pread_by_mapping},
    {"mapping-kept", "a file that is closed stays mapped", kW6, "nothing:close", mapping_kept},
    {"locks-on-the-file", "the locks lie on the file itself", kW7, "reader-locks:lock",
     locks_on_the_file},
};

// Before the static initializers of the file layer.
[[gnu::constructor(101)]] void lie_from_the_start() {
  const char* const name =
      std::getenv(kMutantVariable);  // NOLINT(concurrency-mt-unsafe): one thread yet
  const Mutant* const mutant = name != nullptr ? find_mutant(name) : nullptr;
  if (mutant != nullptr) harness::tell_lies(mutant->lie);
}

}  // namespace

std::span<const Mutant> mutants() { return kMutants; }

const Mutant* find_mutant(std::string_view name) {
  const auto* const found = std::ranges::find(kMutants, name, &Mutant::name);
  return found != std::end(kMutants) ? found : nullptr;
}

}  // namespace fsqlshm::world
