// A lock around a plain triple: what std_mutex.cc and its neighbours share.

#ifndef FSQLSHM_BENCH_SUBJECTS_LOCKS_H_
#define FSQLSHM_BENCH_SUBJECTS_LOCKS_H_

#include <mutex>

#include "subject.h"

namespace fsqlshm::bench {

template <class Mutex>
struct alignas(64) LockedMemory {
  Mutex mutex{};
  Triple triple{};
};

/// `ReadLock` is what a reader holds, std::lock_guard or std::shared_lock; a publisher holds
/// std::lock_guard.
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

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_SUBJECTS_LOCKS_H_
