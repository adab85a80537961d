// Mutants of the seqlock and of the id allocator.

#ifndef FSQLSHM_HARNESS_MUTANTS_SEQLOCK_H_
#define FSQLSHM_HARNESS_MUTANTS_SEQLOCK_H_

#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "harness/mutants/mutant.h"
#include "harness/properties/snapshot.h"

namespace fsqlshm::harness::mutants {

struct NoRecheck : Mutant {
  static constexpr Info kInfo = {"no-recheck", "a reader does not look at the number again",
                                 kI2Whole, "publish1-load2"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    [[nodiscard]] std::optional<ShmSnapshot> try_load_once() const {
      if (this->load(Field::kSnapshotSeq) % 2 == 1) return std::nullopt;
      const CommitSeq commit(this->load(Field::kCommitSeq));
      const SchemaEpoch schema(this->load(Field::kSchemaEpoch));
      return ShmSnapshot{commit, schema, this->load(Field::kEcsEpoch)};
    }
  };
};

struct CommitBeforeOdd : Mutant {
  static constexpr Info kInfo = {"commit-before-odd",
                                 "a publisher stores commit_seq before the odd number", kI2Whole,
                                 "publish1-load2"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    void publish(const ShmSnapshot& next) {
      this->store(Field::kCommitSeq, next.commit_seq.get());
      this->begin();
      this->store(Field::kSchemaEpoch, next.schema_epoch.get());
      this->store(Field::kEcsEpoch, next.ecs_epoch);
      this->end();
    }
  };
};

struct CommitBeforeSchema : Mutant {
  static constexpr Info kInfo = {"commit-before-schema",
                                 "a publisher stores commit_seq before schema_epoch", kI4Ddl,
                                 "fields"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    void publish(const ShmSnapshot& next) {
      this->begin();
      this->store(Field::kCommitSeq, next.commit_seq.get());
      this->store(Field::kSchemaEpoch, next.schema_epoch.get());
      this->store(Field::kEcsEpoch, next.ecs_epoch);
      this->end();
    }
  };
};

struct BeginAddsOne : Mutant {
  static constexpr Info kInfo = {"begin-adds-one",
                                 "a publish after a crash opens its window with an even number",
                                 kI1Even, "reconcile-load"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    void begin() {
      const auto seq = this->words.load(Field::kSnapshotSeq, memory_order::relaxed);
      this->words.store(Field::kSnapshotSeq, seq + 1, memory_order::relaxed);
    }
    void publish(const ShmSnapshot& next) {
      begin();
      this->store(Field::kSchemaEpoch, next.schema_epoch.get());
      this->store(Field::kEcsEpoch, next.ecs_epoch);
      this->store(Field::kCommitSeq, next.commit_seq.get());
      this->end();
    }
  };
};

struct NoWindow : Mutant {
  static constexpr Info kInfo = {"no-window", "a publish opens no window", kI2Whole,
                                 "publish1-load2"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    void publish(const ShmSnapshot& next) {
      this->store(Field::kSchemaEpoch, next.schema_epoch.get());
      this->store(Field::kEcsEpoch, next.ecs_epoch);
      this->store(Field::kCommitSeq, next.commit_seq.get());
    }
  };
};

struct LeavesItOdd : Mutant {
  static constexpr Info kInfo = {"leaves-it-odd", "a publish leaves the number odd", kI1Even,
                                 "publish1-load2"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    void publish(const ShmSnapshot& next) {
      hardened::Seqlock<W>::publish(next);
      this->words.fetch_add(Field::kSnapshotSeq, 1, memory_order::release);
    }
  };
};

struct StaleReads : Mutant {
  static constexpr Info kInfo = {"stale-reads", "a read returns the first version for ever",
                                 kI3Back, "publish1-load1"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    [[nodiscard]] std::optional<ShmSnapshot> try_load_once() const {
      static_cast<void>(hardened::Seqlock<W>::try_load_once());
      return triple(0);
    }
  };
};

struct NeverGivesUp : Mutant {
  static constexpr Info kInfo = {"never-gives-up", "one attempt to read waits for an even number",
                                 kP6, "publisher-dies"};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    [[nodiscard]] std::optional<ShmSnapshot> try_load_once() const {
      while (this->load(Field::kSnapshotSeq) % 2 != 0) this->words.pause();
      return hardened::Seqlock<W>::try_load_once();
    }
  };
};

struct LoadsWithRelease : Mutant {
  static constexpr Info kInfo = {"loads-with-release",
                                 "a load names a release order: undefined behaviour", "", ""};
  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using mutants::Seqlock<W>::Seqlock;
    void end() {
      // Volatile, or the compiler finds it first.
      const volatile memory_order impossible = memory_order::release;
      static_cast<void>(this->words.load(Field::kSnapshotSeq, impossible));
      hardened::Seqlock<W>::end();
    }
  };
};

struct IdsLoadStore : Mutant {
  static constexpr Info kInfo = {"ids-load-store", "an id is taken with a load and a store", "I",
                                 "ids"};
  template <Words W>
  struct Allocator {
    explicit Allocator(W& seam) : words(seam) {}
    [[nodiscard]] std::optional<TxnId> alloc() {
      const std::uint64_t next = words.load(Field::kNextTxnId, memory_order::acquire);
      if (next > TxnId::kMaxRaw) return std::nullopt;
      words.store(Field::kNextTxnId, next + 1, memory_order::release);
      const auto id = TxnId::from_raw(next);
      return id ? std::optional(*id) : std::nullopt;
    }
    W& words;
  };
};

struct IdsPastTheEnd : Mutant {
  static constexpr Info kInfo = {"ids-past-the-end", "ids are counted on beyond the last one",
                                 kIdDomain, "ids-end"};
  template <Words W>
  struct Allocator {
    explicit Allocator(W& seam) : words(seam) {}
    [[nodiscard]] std::optional<TxnId> alloc() {
      const auto id = TxnId::from_raw(words.fetch_add(Field::kNextTxnId, 1, memory_order::acq_rel));
      return id ? std::optional(*id) : std::nullopt;
    }
    W& words;
  };
};

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_SEQLOCK_H_
