// The floor: the loads and stores alone, without a protocol. Racy: reads are torn as soon as there
// is a publisher. What a protocol costs is measured from here.

#ifndef FSQLSHM_BENCH_COMPARATORS_PLAIN_WORDS_H_
#define FSQLSHM_BENCH_COMPARATORS_PLAIN_WORDS_H_

#include <atomic>
#include <string_view>

#include "fsqlshm/words.h"
#include "subject.h"

namespace fsqlshm::bench {

/// `kCount` is 3, the triple, or 5, the triple between two loads or stores of the sequence number:
/// the very words that a seqlock touches, at the same addresses. Relaxed accesses are plain moves
/// on every machine, but the compiler neither merges nor drops them.
template <int kCount>
class PlainWords {
  static_assert(kCount == 3 || kCount == 5);

 public:
  static constexpr std::string_view kName = kCount == 3 ? "plain_3" : "plain_5";
  static constexpr std::string_view kSource =
      kCount == 3 ? "three loads, three stores"
                  : "the five loads and stores of a seqlock, unchecked";
  static constexpr bool kRacy = true;
  static constexpr bool kAcrossProcesses = true;
  using Shared = HeaderBlock;

  explicit PlainWords(Shared& shared) noexcept : words_(shared.data()), shared_(&shared) {}
  [[nodiscard]] PlainWords moved_by(std::size_t bytes) const noexcept {
    return PlainWords(moved(*shared_, bytes));
  }

  [[nodiscard, gnu::always_inline]] Triple read() const noexcept {
    if constexpr (kCount == 5) force(load(Field::kSnapshotSeq));
    const Triple triple = {load(Field::kCommitSeq), load(Field::kSchemaEpoch),
                           load(Field::kEcsEpoch)};
    if constexpr (kCount == 5) force(load(Field::kSnapshotSeq));
    return triple;
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const noexcept {
    triple = read();
    return true;
  }

  [[gnu::always_inline]] void publish(const Triple& triple) noexcept {
    if constexpr (kCount == 5) store(Field::kSnapshotSeq, triple.commit_seq);
    store(Field::kSchemaEpoch, triple.schema_epoch);
    store(Field::kEcsEpoch, triple.ecs_epoch);
    store(Field::kCommitSeq, triple.commit_seq);
    if constexpr (kCount == 5) store(Field::kSnapshotSeq, triple.commit_seq);
  }

 private:
  [[nodiscard]] std::uint64_t load(Field field) const noexcept {
    return words_.load(field, std::memory_order::relaxed);
  }
  void store(Field field, std::uint64_t value) noexcept {
    words_.store(field, value, std::memory_order::relaxed);
  }
  static void force(std::uint64_t value) noexcept { asm volatile("" : : "r"(value)); }

  RawWords words_;
  Shared* shared_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_PLAIN_WORDS_H_
