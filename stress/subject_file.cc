#include "stress/subject_file.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

namespace fsqlshm::stress {
namespace {

// A birth: the worker, and which of its processes.
constexpr std::uint64_t kWorkerBits = 8;
static_assert(kMaxWorkers < std::uint64_t{1} << kWorkerBits);

bool alive(void* ground, std::uint32_t /*pid*/, std::uint64_t birth) {
  return static_cast<const SubjectGround*>(ground)->alive(birth);
}

}  // namespace

PublicationMutex::PublicationMutex() {
  pthread_mutexattr_t attributes;
  ::pthread_mutexattr_init(&attributes);
  ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  const int error = ::pthread_mutex_init(&mutex_, &attributes);
  ::pthread_mutexattr_destroy(&attributes);
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot make a mutex");
}

PublicationMutex::~PublicationMutex() { ::pthread_mutex_destroy(&mutex_); }

bool PublicationMutex::try_lock_for(std::chrono::nanoseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  // Not pthread_mutex_timedlock: TSan does not know that it may inherit the lock of the dead.
  while (true) {
    const int error = ::pthread_mutex_trylock(&mutex_);
    // The holder died. What it left in the header is what publishers look for.
    if (error == EOWNERDEAD) ::pthread_mutex_consistent(&mutex_);
    if (error == 0 || error == EOWNERDEAD) return true;
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
}

void PublicationMutex::unlock() { ::pthread_mutex_unlock(&mutex_); }

ProcessIdentity SubjectGround::identity(std::uint64_t worker, std::uint64_t incarnation) {
  return {.pid = static_cast<std::uint32_t>(::getpid()),
          .birth = kKnownBirth | incarnation << kWorkerBits | worker};
}

bool SubjectGround::alive(std::uint64_t birth) const {
  if ((birth & kKnownBirth) == 0) return true;  // of a claimer that has not said yet who it is
  const std::uint64_t worker = birth % (std::uint64_t{1} << kWorkerBits);
  return worker >= kMaxWorkers || !kills_.reaped(worker, (birth & ~kKnownBirth) >> kWorkerBits);
}

SubjectLayout SubjectGround::layout(ProcessIdentity self) const {
  // It does not change; C has no pointer to const there.
  const fsqlshm_liveness liveness = {
      .alive = stress::alive, .context = const_cast<SubjectGround*>(this), .certain = true};
  return {subject_, memory_, self, liveness};
}

std::expected<std::optional<SubjectFile::Guard>, ShmError> SubjectFile::try_lock_publication_for(
    std::chrono::nanoseconds limit) const {
  std::optional<Guard> guard;
  if (ground_.publication().try_lock_for(limit)) guard.emplace(ground_, layout());
  return guard;
}

}  // namespace fsqlshm::stress
