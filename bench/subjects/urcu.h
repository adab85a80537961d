// A triple behind a pointer that liburcu guards. A source includes the header of its flavour first,
// whose macros give these calls their names; then this one, once.

#ifndef FSQLSHM_BENCH_SUBJECTS_URCU_H_
#define FSQLSHM_BENCH_SUBJECTS_URCU_H_

#include <cstdlib>
#include <new>

#include "subjects.h"

// The macros of C use the value of an assignment to a volatile, which C++20 deprecates.
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wdeprecated-volatile"
#else
#pragma GCC diagnostic ignored "-Wvolatile"
#endif

namespace fsqlshm::bench {
namespace {

struct UrcuNode {
  Triple triple{};
  rcu_head head{};
};

/// A thread that reads or publishes is registered from its first handle to its end.
struct UrcuThread {
  UrcuThread() { rcu_register_thread(); }
  ~UrcuThread() { rcu_unregister_thread(); }
  UrcuThread(const UrcuThread&) = delete;
  UrcuThread& operator=(const UrcuThread&) = delete;

  static void here() { static thread_local const UrcuThread kThisOne; }
};

/// Nodes are freed by a thread of liburcu's, on the publisher's processor.
struct alignas(64) UrcuMemory {
  UrcuNode* current = new UrcuNode();
  alignas(64) call_rcu_data* reclaimer = create_call_rcu_data(0, publisher_cpu());

  UrcuMemory() = default;
  ~UrcuMemory() {
    rcu_barrier();
    set_thread_call_rcu_data(nullptr);
    call_rcu_data_free(reclaimer);
    delete current;
  }
  UrcuMemory(const UrcuMemory&) = delete;
  UrcuMemory& operator=(const UrcuMemory&) = delete;
};

/// `kAnnounceEvery`: a quiescent state after so many calls; 0: the flavour needs none.
template <unsigned kAnnounceEvery, const SubjectFacts& kFactsOfFlavour>
class Urcu : public Handle<Urcu<kAnnounceEvery, kFactsOfFlavour>, UrcuMemory> {
 public:
  static constexpr SubjectFacts kFacts = kFactsOfFlavour;

  explicit Urcu(UrcuMemory& memory) : Handle<Urcu, UrcuMemory>(memory) { UrcuThread::here(); }

  [[nodiscard, gnu::always_inline]] Triple read() const {
    rcu_read_lock();
    const Triple triple = rcu_dereference(this->memory_->current)->triple;
    rcu_read_unlock();
    announce();
    return triple;
  }
  [[gnu::always_inline]] void publish(const Triple& triple) {
    if (get_thread_call_rcu_data() != this->memory_->reclaimer) [[unlikely]] {
      set_thread_call_rcu_data(this->memory_->reclaimer);
    }
    UrcuNode* const old = this->memory_->current;
    rcu_assign_pointer(this->memory_->current, (new UrcuNode{.triple = triple, .head = {}}));
    call_rcu(&old->head, [](rcu_head* head) { delete caa_container_of(head, UrcuNode, head); });
    announce();
  }

 private:
  [[gnu::always_inline]] void announce() const {
    if constexpr (kAnnounceEvery > 0) {
      if (++calls_ % kAnnounceEvery == 0) [[unlikely]]
        rcu_quiescent_state();
    }
  }
  [[maybe_unused]] mutable unsigned calls_ = 0;
};

}  // namespace
}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_SUBJECTS_URCU_H_
