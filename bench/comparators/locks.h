// Locks around a plain triple.

#ifndef FSQLSHM_BENCH_COMPARATORS_LOCKS_H_
#define FSQLSHM_BENCH_COMPARATORS_LOCKS_H_

#include <pthread.h>

#include <mutex>
#include <shared_mutex>

#include "subject.h"

namespace fsqlshm::bench {

/// A pthread_rwlock_t that processes share; a SharedLockable of the standard library's kind.
class ProcessSharedMutex {
 public:
  ProcessSharedMutex() {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~ProcessSharedMutex() { pthread_rwlock_destroy(&lock_); }
  ProcessSharedMutex(const ProcessSharedMutex&) = delete;
  ProcessSharedMutex& operator=(const ProcessSharedMutex&) = delete;

  void lock() { pthread_rwlock_wrlock(&lock_); }
  void unlock() { pthread_rwlock_unlock(&lock_); }
  void lock_shared() { pthread_rwlock_rdlock(&lock_); }
  void unlock_shared() { pthread_rwlock_unlock(&lock_); }

 private:
  pthread_rwlock_t lock_;
};

inline constexpr SubjectFacts kStdMutexFacts{
    .name = "std_mutex", .source = "std::mutex", .across_processes = false};
inline constexpr SubjectFacts kStdSharedMutexFacts{
    .name = "std_shared_mutex", .source = "std::shared_mutex", .across_processes = false};
inline constexpr SubjectFacts kPthreadRwlockFacts{
    .name = "pthread_rwlock", .source = "pthread_rwlock_t, PTHREAD_PROCESS_SHARED"};

template <class Mutex>
struct alignas(64) LockedMemory {
  Mutex mutex{};
  Triple triple{};
};

template <class Mutex, template <class> class ReadLock, const SubjectFacts& kFactsOfMutex>
class Locked : public Handle<Locked<Mutex, ReadLock, kFactsOfMutex>, LockedMemory<Mutex>> {
 public:
  static constexpr SubjectFacts kFacts = kFactsOfMutex;
  using Handle<Locked, LockedMemory<Mutex>>::Handle;

  [[nodiscard, gnu::always_inline]] Triple read() const {
    const ReadLock<Mutex> lock(this->memory_->mutex);
    return this->memory_->triple;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) {
    const std::lock_guard lock(this->memory_->mutex);
    this->memory_->triple = triple;
  }
};

using StdMutex = Locked<std::mutex, std::lock_guard, kStdMutexFacts>;
using StdSharedMutex = Locked<std::shared_mutex, std::shared_lock, kStdSharedMutexFacts>;
using PthreadRwlock = Locked<ProcessSharedMutex, std::shared_lock, kPthreadRwlockFacts>;

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_LOCKS_H_
