#include <pthread.h>

#include <mutex>
#include <shared_mutex>

#include "locks.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

/// A pthread_rwlock_t that processes share; a SharedLockable of the standard library's kind.
class ProcessSharedLock {
 public:
  ProcessSharedLock() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~ProcessSharedLock() { pthread_rwlock_destroy(&lock_); }
  ProcessSharedLock(const ProcessSharedLock&) = delete;
  ProcessSharedLock& operator=(const ProcessSharedLock&) = delete;

  void lock() { pthread_rwlock_wrlock(&lock_); }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() { pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

constexpr SubjectFacts kFacts{
    .name = "pthread_rwlock",
    .source = "pthread_rwlock_t, PTHREAD_PROCESS_SHARED",
    .call = "pthread_rwlock_rdlock, pthread_rwlock_wrlock",
    .adds = "any number of values of any type; any number of publishers; readers together",
    .lacks = "readers can starve the publisher; a death with the lock held blocks all for good"};

[[maybe_unused]] const bool kAdded =
    add_subject<Locked<ProcessSharedLock, std::shared_lock, kFacts>>();

}  // namespace
}  // namespace fsqlshm::bench
