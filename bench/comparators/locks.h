// Locks around a plain triple.

#ifndef FSQLSHM_BENCH_COMPARATORS_LOCKS_H_
#define FSQLSHM_BENCH_COMPARATORS_LOCKS_H_

#include <pthread.h>

#include <mutex>
#include <shared_mutex>
#include <string_view>

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

template <class Mutex>
struct LockTraits;
template <>
struct LockTraits<std::mutex> {
  static constexpr std::string_view kName = "std_mutex";
  static constexpr std::string_view kSource = "std::mutex";
  static constexpr bool kAcrossProcesses = false;
  using ReadLock = std::lock_guard<std::mutex>;
};
template <>
struct LockTraits<std::shared_mutex> {
  static constexpr std::string_view kName = "std_shared_mutex";
  static constexpr std::string_view kSource = "std::shared_mutex";
  static constexpr bool kAcrossProcesses = false;
  using ReadLock = std::shared_lock<std::shared_mutex>;
};
template <>
struct LockTraits<ProcessSharedMutex> {
  static constexpr std::string_view kName = "pthread_rwlock";
  static constexpr std::string_view kSource = "pthread_rwlock_t, PTHREAD_PROCESS_SHARED";
  static constexpr bool kAcrossProcesses = true;
  using ReadLock = std::shared_lock<ProcessSharedMutex>;
};

template <class Mutex>
class Locked {
 public:
  static constexpr std::string_view kName = LockTraits<Mutex>::kName;
  static constexpr std::string_view kSource = LockTraits<Mutex>::kSource;
  static constexpr bool kRacy = false;
  static constexpr bool kAcrossProcesses = LockTraits<Mutex>::kAcrossProcesses;

  struct alignas(64) Shared {
    Mutex mutex{};
    Triple triple{};
  };

  explicit Locked(Shared& shared) noexcept : shared_(&shared) {}
  [[nodiscard]] Locked moved_by(std::size_t bytes) const noexcept {
    return Locked(moved(*shared_, bytes));
  }

  [[nodiscard, gnu::always_inline]] Triple read() const {
    const typename LockTraits<Mutex>::ReadLock lock(shared_->mutex);
    return shared_->triple;
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    triple = read();
    return true;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) {
    const std::lock_guard lock(shared_->mutex);
    shared_->triple = triple;
  }

 private:
  Shared* shared_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_LOCKS_H_
