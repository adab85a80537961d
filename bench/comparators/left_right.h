// A left-right pair: readers never retry, they announce themselves instead.
//
// Source: P. Ramalhete and A. Correia, "Left-Right: A Concurrency Control Technique with Wait-Free
// Population Oblivious Reads" (2013), with one counter for each read indicator.

#ifndef FSQLSHM_BENCH_COMPARATORS_LEFT_RIGHT_H_
#define FSQLSHM_BENCH_COMPARATORS_LEFT_RIGHT_H_

#include <sched.h>

#include <array>
#include <atomic>
#include <string_view>

#include "subject.h"

namespace fsqlshm::bench {

class LeftRight {
 public:
  static constexpr std::string_view kName = "left_right";
  static constexpr std::string_view kSource = "Ramalhete and Correia 2013";
  static constexpr bool kRacy = false;
  static constexpr bool kAcrossProcesses = true;

  struct Shared {
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

  explicit LeftRight(Shared& shared) noexcept : shared_(&shared) {}
  [[nodiscard]] LeftRight moved_by(std::size_t bytes) const noexcept {
    return LeftRight(moved(*shared_, bytes));
  }

  [[nodiscard, gnu::always_inline]] Triple read() const noexcept {
    // Sequentially consistent throughout, as published: a reader's arrival and the writer's look
    // at the indicator must not pass each other.
    auto& readers = shared_->indicators[shared_->version.load()].readers;
    readers.fetch_add(1);
    const Triple triple = shared_->instances[shared_->left_right.load()].triple;
    readers.fetch_sub(1, std::memory_order::release);
    return triple;
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const noexcept {
    triple = read();
    return true;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    const std::uint32_t old_instance = shared_->left_right.load(std::memory_order::relaxed);
    shared_->instances[1 - old_instance].triple = triple;
    shared_->left_right.store(1 - old_instance);
    // New readers go to the new instance. Wait for those that may still be in the old one: first
    // the stragglers of the indicator to be used next, then everybody in the one used so far.
    const std::uint32_t old_version = shared_->version.load(std::memory_order::relaxed);
    wait_until_empty(1 - old_version);
    shared_->version.store(1 - old_version);
    wait_until_empty(old_version);
    shared_->instances[old_instance].triple = triple;
  }

 private:
  void wait_until_empty(std::uint32_t indicator) const noexcept {
    for (int turn = 0; shared_->indicators[indicator].readers.load() != 0; ++turn) {
      cpu_pause();
      if (turn % 100 == 99) sched_yield();  // the reader may be waiting for this very core
    }
  }

  Shared* shared_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_LEFT_RIGHT_H_
