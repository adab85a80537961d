// The textbook seqlock with fences.
//
// Source: H.-J. Boehm, "Can Seqlocks Get Along With Programming Language Memory Models?" (MSPC
// 2012): relaxed data accesses, an acquire fence before the reader's second load of the sequence
// number, a release fence after the writer's first store.

#ifndef FSQLSHM_BENCH_COMPARATORS_FENCE_SEQLOCK_H_
#define FSQLSHM_BENCH_COMPARATORS_FENCE_SEQLOCK_H_

#include <atomic>

#include "subject.h"

namespace fsqlshm::bench {

struct alignas(64) FenceSeqlockMemory {
  std::atomic<std::uint64_t> seq{0};
  std::atomic<std::uint64_t> commit_seq{0};
  std::atomic<std::uint64_t> schema_epoch{0};
  std::atomic<std::uint64_t> ecs_epoch{0};
};

class FenceSeqlock : public Handle<FenceSeqlock, FenceSeqlockMemory> {
 public:
  static constexpr SubjectFacts kFacts{.name = "fence_seqlock", .source = "Boehm, MSPC 2012"};
  using Handle::Handle;

  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const noexcept {
    // (1) Synchronizes with (4), so the data words are at least those of the publish that stored
    // `before`.
    const std::uint64_t before = memory_->seq.load(std::memory_order::acquire);
    if (before % 2 == 1) [[unlikely]]
      return false;
    const std::uint64_t commit_seq = memory_->commit_seq.load(std::memory_order::relaxed);
    const std::uint64_t schema_epoch = memory_->schema_epoch.load(std::memory_order::relaxed);
    const std::uint64_t ecs_epoch = memory_->ecs_epoch.load(std::memory_order::relaxed);
    // (2) Synchronizes with (3) through any data word that is younger than `before`.
    std::atomic_thread_fence(std::memory_order::acquire);
    if (memory_->seq.load(std::memory_order::relaxed) != before) [[unlikely]]
      return false;
    triple = {commit_seq, schema_epoch, ecs_epoch};
    return true;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    const std::uint64_t seq = memory_->seq.load(std::memory_order::relaxed);
    memory_->seq.store(seq + 1, std::memory_order::relaxed);
    // (3) Synchronizes with (2): no data word is seen before the odd number.
    std::atomic_thread_fence(std::memory_order::release);
    memory_->commit_seq.store(triple.commit_seq, std::memory_order::relaxed);
    memory_->schema_epoch.store(triple.schema_epoch, std::memory_order::relaxed);
    memory_->ecs_epoch.store(triple.ecs_epoch, std::memory_order::relaxed);
    // (4) Synchronizes with (1), so a reader that sees the even number sees this triple.
    memory_->seq.store(seq + 2, std::memory_order::release);
  }
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_FENCE_SEQLOCK_H_
