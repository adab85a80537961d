// A left-right pair: readers never retry, they announce themselves instead.
//
// Source: P. Ramalhete and A. Correia, "Left-Right: A Concurrency Control Technique with Wait-Free
// Population Oblivious Reads" (2013), with one counter for each read indicator.

#ifndef FSQLSHM_BENCH_COMPARATORS_LEFT_RIGHT_H_
#define FSQLSHM_BENCH_COMPARATORS_LEFT_RIGHT_H_

#include <sched.h>

#include <array>
#include <atomic>

#include "subject.h"

namespace fsqlshm::bench {

struct LeftRightMemory {
  struct alignas(64) Instance {
    Triple triple{};
  };
  struct alignas(64) Indicator {
    std::atomic<std::uint64_t> readers{0};
  };
  alignas(64) std::atomic<std::uint32_t> left_right{0};  // which instance readers use
  std::atomic<std::uint32_t> version{0};                 // which indicator new readers use
  std::array<Indicator, 2> indicators{};
  std::array<Instance, 2> instances{};
};

class LeftRight : public Handle<LeftRight, LeftRightMemory> {
 public:
  static constexpr SubjectFacts kFacts{.name = "left_right",
                                       .source = "Ramalhete and Correia 2013"};
  using Handle::Handle;

  [[nodiscard, gnu::always_inline]] Triple read() const noexcept {
    // Sequentially consistent throughout, as published: a reader's arrival and the writer's look
    // at the indicator must not pass each other.
    auto& readers = memory_->indicators[memory_->version.load()].readers;
    readers.fetch_add(1);
    const Triple triple = memory_->instances[memory_->left_right.load()].triple;
    readers.fetch_sub(1, std::memory_order::release);
    return triple;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    const std::uint32_t old_instance = memory_->left_right.load(std::memory_order::relaxed);
    memory_->instances[1 - old_instance].triple = triple;
    memory_->left_right.store(1 - old_instance);
    // New readers go to the new instance. Wait for those that may still be in the old one: first
    // those that entered late by the indicator to be used next, then all in the one used so far.
    const std::uint32_t old_version = memory_->version.load(std::memory_order::relaxed);
    wait_until_empty(1 - old_version);
    memory_->version.store(1 - old_version);
    wait_until_empty(old_version);
    memory_->instances[old_instance].triple = triple;
  }

 private:
  void wait_until_empty(std::uint32_t indicator) const noexcept {
    for (int turn = 0; memory_->indicators[indicator].readers.load() != 0; ++turn) {
      cpu_pause();
      if (turn % 100 == 99) sched_yield();  // the reader may be waiting for this very core
    }
  }
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_LEFT_RIGHT_H_
