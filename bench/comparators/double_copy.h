// Two copies and a checksum, as SQLite keeps the header of its WAL index.
//
// Source: "The Virtual File System Shared Memory" and "WAL-Index Header" in SQLite's WAL-mode file
// format (sqlite.org/walformat.html): the writer updates the second copy, then the first, a barrier
// between; a reader loads the first, a barrier, the second, and accepts them if they are equal and
// the checksum is right. The checksum is that of section 4.2 of the SQLite file format, over the
// triple's six 32-bit words.
//
// In favour of this comparator the barriers are as weak as they may be (release and acquire; SQLite
// issues a full barrier and passes through a mutex), and a reader that fails tries again at once
// (SQLite takes a lock).

#ifndef FSQLSHM_BENCH_COMPARATORS_DOUBLE_COPY_H_
#define FSQLSHM_BENCH_COMPARATORS_DOUBLE_COPY_H_

#include <array>
#include <atomic>

#include "subject.h"

namespace fsqlshm::bench {

struct alignas(64) DoubleCopyMemory {
  struct Copy {
    std::atomic<std::uint64_t> commit_seq{0};
    std::atomic<std::uint64_t> schema_epoch{0};
    std::atomic<std::uint64_t> ecs_epoch{0};
    std::atomic<std::uint64_t> checksum{0};
  };
  std::array<Copy, 2> copies{};
};

class DoubleCopy : public Handle<DoubleCopy, DoubleCopyMemory> {
 public:
  static constexpr SubjectFacts kFacts{.name = "double_copy",
                                       .source = "SQLite WAL index header (walformat.html)"};
  using Handle::Handle;

  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const noexcept {
    const Memory::Copy& one = memory_->copies[0];
    const std::uint64_t commit_seq = one.commit_seq.load(std::memory_order::relaxed);
    const std::uint64_t schema_epoch = one.schema_epoch.load(std::memory_order::relaxed);
    const std::uint64_t ecs_epoch = one.ecs_epoch.load(std::memory_order::relaxed);
    const std::uint64_t sum = one.checksum.load(std::memory_order::relaxed);
    // (1) Synchronizes with (2): if the first copy has a word of some publish, the second copy is
    // already as young as that, whole.
    std::atomic_thread_fence(std::memory_order::acquire);
    const Memory::Copy& two = memory_->copies[1];
    if (two.commit_seq.load(std::memory_order::relaxed) != commit_seq ||
        two.schema_epoch.load(std::memory_order::relaxed) != schema_epoch ||
        two.ecs_epoch.load(std::memory_order::relaxed) != ecs_epoch ||
        two.checksum.load(std::memory_order::relaxed) != sum ||
        checksum(commit_seq, schema_epoch, ecs_epoch) != sum) [[unlikely]] {
      return false;
    }
    triple = {commit_seq, schema_epoch, ecs_epoch};
    return true;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    const std::uint64_t sum = checksum(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
    store(memory_->copies[1], triple, sum);
    // (2) Synchronizes with (1): no reader sees a word of the first copy before the whole second
    // one.
    std::atomic_thread_fence(std::memory_order::release);
    store(memory_->copies[0], triple, sum);
  }

 private:
  // SQLite's: s0 += x[i] + s1; s1 += x[i + 1] + s0, over 32-bit words.
  static constexpr std::uint64_t checksum(std::uint64_t a, std::uint64_t b,
                                          std::uint64_t c) noexcept {
    std::uint32_t s0 = 0;
    std::uint32_t s1 = 0;
    const auto add = [&](std::uint64_t word) {
      s0 += static_cast<std::uint32_t>(word) + s1;
      s1 += static_cast<std::uint32_t>(word >> 32) + s0;
    };
    add(a);
    add(b);
    add(c);
    return s0 | (std::uint64_t{s1} << 32);
  }
  static void store(Memory::Copy& copy, const Triple& triple, std::uint64_t sum) noexcept {
    copy.commit_seq.store(triple.commit_seq, std::memory_order::relaxed);
    copy.schema_epoch.store(triple.schema_epoch, std::memory_order::relaxed);
    copy.ecs_epoch.store(triple.ecs_epoch, std::memory_order::relaxed);
    copy.checksum.store(sum, std::memory_order::relaxed);
  }
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_DOUBLE_COPY_H_
