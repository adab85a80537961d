// Seqlocks and id allocators that are broken on purpose, each in one place: what the scenarios must
// notice. They exist for the harness's own tests; a check that cannot fail checks nothing.

#include "subjects.h"

namespace fsqlshm::relacy {
namespace {

using std::memory_order;

template <Words W>
class NoRecheck : public hardened::Seqlock<W> {
 public:
  explicit NoRecheck(W& words) : hardened::Seqlock<W>(words), words_(words) {}
  [[nodiscard]] std::optional<ShmSnapshot> try_load_once() const {
    if (words_.load(Field::kSnapshotSeq, memory_order::acquire) % 2 == 1) return std::nullopt;
    const std::uint64_t commit = words_.load(Field::kCommitSeq, memory_order::acquire);
    const std::uint64_t schema = words_.load(Field::kSchemaEpoch, memory_order::acquire);
    const std::uint64_t ecs = words_.load(Field::kEcsEpoch, memory_order::acquire);
    return ShmSnapshot{CommitSeq(commit), SchemaEpoch(schema), ecs};
  }

 private:
  W& words_;
};

template <Words W>
class CommitBeforeOdd : public hardened::Seqlock<W> {
 public:
  explicit CommitBeforeOdd(W& words) : hardened::Seqlock<W>(words), words_(words) {}
  void publish(const ShmSnapshot& snapshot) {
    words_.store(Field::kCommitSeq, snapshot.commit_seq.get(), memory_order::release);
    this->begin();
    words_.store(Field::kSchemaEpoch, snapshot.schema_epoch.get(), memory_order::release);
    words_.store(Field::kEcsEpoch, snapshot.ecs_epoch, memory_order::release);
    this->end();
  }

 private:
  W& words_;
};

template <Words W>
class CommitBeforeSchema : public hardened::Seqlock<W> {
 public:
  explicit CommitBeforeSchema(W& words) : hardened::Seqlock<W>(words), words_(words) {}
  void publish(const ShmSnapshot& snapshot) {
    this->begin();
    words_.store(Field::kCommitSeq, snapshot.commit_seq.get(), memory_order::release);
    words_.store(Field::kSchemaEpoch, snapshot.schema_epoch.get(), memory_order::release);
    words_.store(Field::kEcsEpoch, snapshot.ecs_epoch, memory_order::release);
    this->end();
  }

 private:
  W& words_;
};

// Makes the number even, not odd, when a dead publisher left it odd.
template <Words W>
class BeginAddsOne : public hardened::Seqlock<W> {
 public:
  explicit BeginAddsOne(W& words) : hardened::Seqlock<W>(words), words_(words) {}
  void publish(const ShmSnapshot& snapshot) {
    const std::uint64_t seq = words_.load(Field::kSnapshotSeq, memory_order::relaxed);
    words_.store(Field::kSnapshotSeq, seq + 1, memory_order::relaxed);
    words_.store(Field::kSchemaEpoch, snapshot.schema_epoch.get(), memory_order::release);
    words_.store(Field::kEcsEpoch, snapshot.ecs_epoch, memory_order::release);
    words_.store(Field::kCommitSeq, snapshot.commit_seq.get(), memory_order::release);
    this->end();
  }

 private:
  W& words_;
};

template <Words W>
class LoadThenStore {
 public:
  explicit LoadThenStore(W& words) : words_(words) {}
  [[nodiscard]] std::optional<TxnId> alloc() {
    const std::uint64_t next = words_.load(Field::kNextTxnId, memory_order::acquire);
    if (next > TxnId::kMaxRaw) return std::nullopt;
    words_.store(Field::kNextTxnId, next + 1, memory_order::release);
    const auto id = TxnId::from_raw(next);
    return id ? std::optional(*id) : std::nullopt;
  }

 private:
  W& words_;
};

// Hands out one id too many.
template <Words W>
class PastTheEnd {
 public:
  explicit PastTheEnd(W& words) : words_(words) {}
  [[nodiscard]] std::optional<TxnId> alloc() {
    const auto id = TxnId::from_raw(words_.fetch_add(Field::kNextTxnId, 1, memory_order::acq_rel));
    return id ? std::optional(*id) : std::nullopt;
  }

 private:
  W& words_;
};

template <template <class> class T>
struct WithSeqlock : HardenedProtocol {
  static constexpr std::string_view kName = "broken";
  template <Words W>
  using Seqlock = T<W>;
};

template <template <class> class T>
struct WithAllocator : HardenedProtocol {
  static constexpr std::string_view kName = "broken";
  template <Words W>
  using Allocator = T<W>;
};

template <class Protocol>
Subject broken(std::string_view name, std::string description, std::string caught_by,
               std::string property) {
  Scenarios<Protocol> list;
  add_snapshot_scenarios(list);
  return broken_subject(name, std::move(description), std::move(caught_by), std::move(property),
                        list.take());
}

}  // namespace

void add_broken_snapshot_subjects(std::vector<Subject>& subjects) {
  subjects.push_back(broken<WithSeqlock<NoRecheck>>(
      "no-recheck", "a reader does not look at the number again", "publish1-load2", "I2"));
  subjects.push_back(broken<WithSeqlock<CommitBeforeOdd>>(
      "commit-before-odd", "a publisher stores commit_seq before the odd number", "publish1-load2",
      "I2"));
  subjects.push_back(broken<WithSeqlock<CommitBeforeSchema>>(
      "commit-before-schema", "a publisher stores commit_seq before schema_epoch", "fields", "I4"));
  subjects.push_back(broken<WithSeqlock<BeginAddsOne>>(
      "begin-adds-one", "a publish after a crash opens its window with an even number",
      "reconcile-load", "I1"));
  subjects.push_back(broken<WithAllocator<LoadThenStore>>(
      "ids-load-store", "an id is taken with a load and a store", "ids", "I"));
  subjects.push_back(broken<WithAllocator<PastTheEnd>>(
      "ids-past-the-end", "ids are counted on beyond the last one", "ids-end", "I2"));
}

}  // namespace fsqlshm::relacy
