// The textbook seqlock with fences.
//
// Source: H.-J. Boehm, "Can Seqlocks Get Along With Programming Language Memory Models?" (MSPC
// 2012): relaxed data accesses, an acquire fence before the reader's second look, a release fence
// behind the writer's first store.

#ifndef FSQLSHM_BENCH_COMPARATORS_FENCE_SEQLOCK_H_
#define FSQLSHM_BENCH_COMPARATORS_FENCE_SEQLOCK_H_

#include <atomic>
#include <string_view>

#include "subject.h"

namespace fsqlshm::bench {

class FenceSeqlock {
 public:
  static constexpr std::string_view kName = "fence_seqlock";
  static constexpr std::string_view kSource = "Boehm, MSPC 2012";
  static constexpr bool kRacy = false;
  static constexpr bool kAcrossProcesses = true;

  struct alignas(64) Shared {
    std::atomic<std::uint64_t> seq{0};
    std::atomic<std::uint64_t> commit_seq{0};
    std::atomic<std::uint64_t> schema_epoch{0};
    std::atomic<std::uint64_t> ecs_epoch{0};
  };

  explicit FenceSeqlock(Shared& shared) noexcept : shared_(&shared) {}
  [[nodiscard]] FenceSeqlock moved_by(std::size_t bytes) const noexcept {
    return FenceSeqlock(moved(*shared_, bytes));
  }

  [[nodiscard, gnu::always_inline]] Triple read() const noexcept {
    std::uint64_t retries = 0;
    return read_counting(*this, retries);
  }

  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const noexcept {
    // (1) Synchronizes with (4).
    const std::uint64_t before = shared_->seq.load(std::memory_order::acquire);
    if (before % 2 == 1) [[unlikely]]
      return false;
    const std::uint64_t commit_seq = shared_->commit_seq.load(std::memory_order::relaxed);
    const std::uint64_t schema_epoch = shared_->schema_epoch.load(std::memory_order::relaxed);
    const std::uint64_t ecs_epoch = shared_->ecs_epoch.load(std::memory_order::relaxed);
    // (2) Synchronizes with (3) through any data word that is younger than `before`.
    std::atomic_thread_fence(std::memory_order::acquire);
    if (shared_->seq.load(std::memory_order::relaxed) != before) [[unlikely]]
      return false;
    triple = {commit_seq, schema_epoch, ecs_epoch};
    return true;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    const std::uint64_t seq = shared_->seq.load(std::memory_order::relaxed);
    shared_->seq.store(seq + 1, std::memory_order::relaxed);
    // (3) Synchronizes with (2): no data word is seen before the odd number.
    std::atomic_thread_fence(std::memory_order::release);
    shared_->commit_seq.store(triple.commit_seq, std::memory_order::relaxed);
    shared_->schema_epoch.store(triple.schema_epoch, std::memory_order::relaxed);
    shared_->ecs_epoch.store(triple.ecs_epoch, std::memory_order::relaxed);
    // (4) Synchronizes with (1).
    shared_->seq.store(seq + 2, std::memory_order::release);
  }

 private:
  Shared* shared_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_FENCE_SEQLOCK_H_
