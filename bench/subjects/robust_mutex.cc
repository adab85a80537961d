#include <pthread.h>

#include <cerrno>

#include "publisher.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

struct alignas(64) RobustMemory {
  RobustMemory() {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  ~RobustMemory() { pthread_mutex_destroy(&mutex); }
  RobustMemory(const RobustMemory&) = delete;
  RobustMemory& operator=(const RobustMemory&) = delete;

  pthread_mutex_t mutex;
  Triple triple{};
};

class RobustMutex : public Handle<RobustMutex, RobustMemory> {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "robust_mutex",
      .source = "pthread_mutex_t, PTHREAD_MUTEX_ROBUST and PTHREAD_PROCESS_SHARED",
      .call = "pthread_mutex_lock, pthread_mutex_consistent after EOWNERDEAD",
      .adds =
          "any number of values of any type; any number of publishers; the kernel tells of a "
          "death with the lock held",
      .lacks = "readers wait for each other; whoever gets the lock next has to repair the values",
      .peer = true};
  using Handle::Handle;

  [[nodiscard, gnu::always_inline]] Triple read() const {
    const bool died = lock();
    if (died) [[unlikely]]
      repair();
    const Triple triple = memory_->triple;
    pthread_mutex_unlock(&memory_->mutex);
    return triple;
  }
  [[gnu::always_inline]] void publish(const Triple& triple) {
    const bool died = lock();
    memory_->triple = triple;
    if (died) [[unlikely]]
      pthread_mutex_consistent(&memory_->mutex);
    pthread_mutex_unlock(&memory_->mutex);
  }

  void die_within_publish() {
    (void)lock();
    memory_->triple.commit_seq = ~std::uint64_t{0};
    die();
  }
  void recover(const Triple& triple) { publish(triple); }

 private:
  // Whether the last owner died with it.
  [[gnu::always_inline]] bool lock() const {
    return pthread_mutex_lock(&memory_->mutex) == EOWNERDEAD;
  }
  // The dead publisher may have left half a triple. A reader has no other: any whole one will do.
  void repair() const {
    memory_->triple = triple_of(0);
    pthread_mutex_consistent(&memory_->mutex);
  }
};

[[maybe_unused]] const bool kAdded = add_subject<RobustMutex>();

}  // namespace
}  // namespace fsqlshm::bench
