// The lower bound: the loads and stores alone, without a protocol. Racy: reads are torn as soon as
// there is a publisher. What a protocol costs is measured from here.

#ifndef FSQLSHM_BENCH_SUBJECTS_PLAIN_WORDS_H_
#define FSQLSHM_BENCH_SUBJECTS_PLAIN_WORDS_H_

#include <atomic>

#include "fsqlshm/words.h"
#include "subject.h"

namespace fsqlshm::bench {

/// `kCount` is 3, the triple, or 5, the triple between two loads or stores of the sequence number:
/// the very words that a seqlock touches, at the same addresses. Relaxed accesses are plain moves
/// on every machine, but the compiler neither merges nor drops them.
template <int kCount>
class PlainWords : public Handle<PlainWords<kCount>, HeaderBlock> {
  static_assert(kCount == 3 || kCount == 5);

 public:
  static constexpr SubjectFacts kFacts{
      .name = kCount == 3 ? "plain_3" : "plain_5",
      .source = "the lower bound",
      .call = kCount == 3 ? "three loads, three stores"
                          : "the five loads and stores of a seqlock, unchecked",
      .lacks = "torn triples are not noticed",
      .reads_only = kCount == 3,
      .racy = true};
  using Handle<PlainWords, HeaderBlock>::Handle;

  [[nodiscard, gnu::always_inline]] Triple read() const noexcept {
    if constexpr (kCount == 5) force(load(Field::kSnapshotSeq));
    const Triple triple = {load(Field::kCommitSeq), load(Field::kSchemaEpoch),
                           load(Field::kEcsEpoch)};
    if constexpr (kCount == 5) force(load(Field::kSnapshotSeq));
    return triple;
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
    return RawWords(this->memory_->data()).load(field, std::memory_order::relaxed);
  }
  void store(Field field, std::uint64_t value) noexcept {
    RawWords(this->memory_->data()).store(field, value, std::memory_order::relaxed);
  }
  static void force(std::uint64_t value) noexcept { asm volatile("" : : "r"(value)); }
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_SUBJECTS_PLAIN_WORDS_H_
