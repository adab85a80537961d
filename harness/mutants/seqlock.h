// Mutants of the seqlock and of the id allocator.

#ifndef FSQLSHM_HARNESS_MUTANTS_SEQLOCK_H_
#define FSQLSHM_HARNESS_MUTANTS_SEQLOCK_H_

#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "harness/mutants/mutant.h"
#include "harness/properties/snapshot.h"

namespace fsqlshm::harness::mutants {

struct NoRecheck : Mutant<NoRecheck> {
  static constexpr Info kInfo = {"no-recheck", "a reader does not look at the number again",
                                 kI2Whole, "publish1-load2"};
  static std::optional<ShmSnapshot> try_load(const auto& lock) {
    if (lock.load(Field::kSnapshotSeq) % 2 == 1) return std::nullopt;
    const CommitSeq commit(lock.load(Field::kCommitSeq));
    const SchemaEpoch schema(lock.load(Field::kSchemaEpoch));
    return ShmSnapshot{commit, schema, lock.load(Field::kEcsEpoch)};
  }
};

struct CommitBeforeOdd : Mutant<CommitBeforeOdd> {
  static constexpr Info kInfo = {"commit-before-odd",
                                 "a publisher stores commit_seq before the odd number", kI2Whole,
                                 "publish1-load2"};
  static void publish(auto& lock, const ShmSnapshot& next) {
    lock.store(Field::kCommitSeq, next.commit_seq.get());
    lock.begin();
    lock.store(Field::kSchemaEpoch, next.schema_epoch.get());
    lock.store(Field::kEcsEpoch, next.ecs_epoch);
    lock.end();
  }
};

struct CommitBeforeSchema : Mutant<CommitBeforeSchema> {
  static constexpr Info kInfo = {"commit-before-schema",
                                 "a publisher stores commit_seq before schema_epoch", kI4Ddl,
                                 "fields"};
  static void publish(auto& lock, const ShmSnapshot& next) {
    lock.begin();
    lock.store(Field::kCommitSeq, next.commit_seq.get());
    lock.store(Field::kSchemaEpoch, next.schema_epoch.get());
    lock.store(Field::kEcsEpoch, next.ecs_epoch);
    lock.end();
  }
};

struct BeginAddsOne : Mutant<BeginAddsOne> {
  static constexpr Info kInfo = {"begin-adds-one",
                                 "a publish after a crash opens its window with an even number",
                                 kI1Even, "reconcile-load"};
  static void begin(auto& lock) {
    const auto seq = lock.words.load(Field::kSnapshotSeq, memory_order::relaxed);
    lock.words.store(Field::kSnapshotSeq, seq + 1, memory_order::relaxed);
  }
  static void publish(auto& lock, const ShmSnapshot& next) {
    begin(lock);
    lock.store(Field::kSchemaEpoch, next.schema_epoch.get());
    lock.store(Field::kEcsEpoch, next.ecs_epoch);
    lock.store(Field::kCommitSeq, next.commit_seq.get());
    lock.end();
  }
};

struct NoWindow : Mutant<NoWindow> {
  static constexpr Info kInfo = {"no-window", "a publish opens no window", kI2Whole,
                                 "publish1-load2"};
  static void publish(auto& lock, const ShmSnapshot& next) {
    lock.store(Field::kSchemaEpoch, next.schema_epoch.get());
    lock.store(Field::kEcsEpoch, next.ecs_epoch);
    lock.store(Field::kCommitSeq, next.commit_seq.get());
  }
};

struct LeavesItOdd : Mutant<LeavesItOdd> {
  static constexpr Info kInfo = {"leaves-it-odd", "a publish leaves the number odd", kI1Even,
                                 "publish1-load2"};
  static void publish(auto& lock, const ShmSnapshot& next) {
    lock.publish(next);
    lock.words.fetch_add(Field::kSnapshotSeq, 1, memory_order::release);
  }
};

struct StaleReads : Mutant<StaleReads> {
  static constexpr Info kInfo = {"stale-reads", "a read returns the first version for ever",
                                 kI3Back, "publish1-load1"};
  static std::optional<ShmSnapshot> try_load(const auto& lock) {
    static_cast<void>(lock.try_load_once());
    return triple(0);
  }
};

struct NeverGivesUp : Mutant<NeverGivesUp> {
  static constexpr Info kInfo = {"never-gives-up", "one attempt to read waits for an even number",
                                 kP6, "publisher-dies"};
  static std::optional<ShmSnapshot> try_load(const auto& lock) {
    while (lock.load(Field::kSnapshotSeq) % 2 != 0) lock.words.pause();
    return lock.try_load_once();
  }
};

struct LoadsWithRelease : Mutant<LoadsWithRelease> {
  static constexpr Info kInfo = {"loads-with-release",
                                 "a load names a release order: undefined behaviour", "", ""};
  static void end(auto& lock) {
    // Volatile, or the compiler finds it first.
    const volatile memory_order impossible = memory_order::release;
    static_cast<void>(lock.words.load(Field::kSnapshotSeq, impossible));
    lock.end();
  }
};

struct IdsLoadStore : Mutant<IdsLoadStore> {
  static constexpr Info kInfo = {"ids-load-store", "an id is taken with a load and a store", "I",
                                 "ids"};
  static std::optional<TxnId> alloc(auto& ids) {
    const std::uint64_t next = ids.words.load(Field::kNextTxnId, memory_order::acquire);
    if (next > TxnId::kMaxRaw) return std::nullopt;
    ids.words.store(Field::kNextTxnId, next + 1, memory_order::release);
    const auto id = TxnId::from_raw(next);
    return id ? std::optional(*id) : std::nullopt;
  }
};

struct IdsPastTheEnd : Mutant<IdsPastTheEnd> {
  static constexpr Info kInfo = {"ids-past-the-end", "ids are counted on beyond the last one",
                                 kIdDomain, "ids-end"};
  static std::optional<TxnId> alloc(auto& ids) {
    const auto id =
        TxnId::from_raw(ids.words.fetch_add(Field::kNextTxnId, 1, memory_order::acq_rel));
    return id ? std::optional(*id) : std::nullopt;
  }
};

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_SEQLOCK_H_
