// Two copies and a checksum, as SQLite keeps the header of its WAL index.
//
// Source: "The Virtual File System Shared Memory" and "WAL-Index Header" in SQLite's WAL-mode file
// format (sqlite.org/walformat.html): the writer updates the second copy, then the first, a barrier
// between; a reader takes the first, a barrier, the second, and believes them if they are equal and
// the checksum is good. The checksum is that of section 4.2 of the SQLite file format, over the
// triple's six 32-bit words.
//
// In favour of this comparator the barriers are as weak as they may be (release and acquire; SQLite
// issues a full barrier and passes through a mutex), and a reader that fails tries again at once
// (SQLite takes a lock).

#ifndef FSQLSHM_BENCH_COMPARATORS_DOUBLE_COPY_H_
#define FSQLSHM_BENCH_COMPARATORS_DOUBLE_COPY_H_

#include <array>
#include <atomic>
#include <optional>
#include <string_view>

#include "subject.h"

namespace fsqlshm::bench {

class DoubleCopy {
 public:
  static constexpr std::string_view kName = "double_copy";
  static constexpr std::string_view kSource = "SQLite WAL index header (sqlite.org/walformat.html)";
  static constexpr bool kRacy = false;
  static constexpr bool kAcrossProcesses = true;

  /// The triple and its checksum.
  using Copy = std::array<std::atomic<std::uint64_t>, 4>;
  struct alignas(64) Shared {
    std::array<Copy, 2> copies{};
  };

  explicit DoubleCopy(Shared& shared) noexcept : shared_(&shared) {}
  [[nodiscard]] DoubleCopy moved_by(std::size_t bytes) const noexcept {
    return DoubleCopy(moved(*shared_, bytes));
  }

  [[nodiscard]] Triple read() const noexcept {
    std::uint64_t retries = 0;
    return read_counting(*this, retries);
  }

  [[nodiscard]] std::optional<Triple> try_read() const noexcept {
    const Values first = load(shared_->copies[0]);
    // (1) Synchronizes with (2): if the first copy has a word of some publish, the second copy is
    // already as young as that, whole.
    std::atomic_thread_fence(std::memory_order::acquire);
    const Values second = load(shared_->copies[1]);
    if (first != second) return std::nullopt;
    const Triple triple = {first[0], first[1], first[2]};
    if (checksum(triple) != first[3]) return std::nullopt;
    return triple;
  }

  void publish(const Triple& triple) noexcept {
    const Values values = {triple.commit_seq, triple.schema_epoch, triple.ecs_epoch,
                           checksum(triple)};
    store(shared_->copies[1], values);
    // (2) Synchronizes with (1).
    std::atomic_thread_fence(std::memory_order::release);
    store(shared_->copies[0], values);
  }

  /// SQLite's: s0 += x[i] + s1; s1 += x[i+1] + s0.
  [[nodiscard]] static constexpr std::uint64_t checksum(const Triple& triple) noexcept {
    std::uint32_t s0 = 0;
    std::uint32_t s1 = 0;
    for (const std::uint64_t word : {triple.commit_seq, triple.schema_epoch, triple.ecs_epoch}) {
      s0 += static_cast<std::uint32_t>(word) + s1;
      s1 += static_cast<std::uint32_t>(word >> 32) + s0;
    }
    return s0 | (std::uint64_t{s1} << 32);
  }

 private:
  using Values = std::array<std::uint64_t, 4>;
  static Values load(const Copy& copy) noexcept {
    Values values;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = copy[i].load(std::memory_order::relaxed);
    }
    return values;
  }
  static void store(Copy& copy, const Values& values) noexcept {
    for (std::size_t i = 0; i < values.size(); ++i) {
      copy[i].store(values[i], std::memory_order::relaxed);
    }
  }

  Shared* shared_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_DOUBLE_COPY_H_
