// The operations of the core as scenarios call them: each with the oracles around it.

#ifndef FSQLSHM_RELACY_WORLD_H_
#define FSQLSHM_RELACY_WORLD_H_

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "fsqlshm/shared_memory_layout.h"
#include "model.h"
#include "scenario.h"
#include "snapshot_oracle.h"
#include "writer_oracle.h"

namespace fsqlshm::relacy {

static_assert(Words<RelacyWords>);

/// Leases and times, in seconds. kSoon has run out by kThen, kLater only by kEnd.
inline constexpr std::uint64_t kNow = 50;
inline constexpr std::uint64_t kSoon = 100;
inline constexpr std::uint64_t kThen = 200;
inline constexpr std::uint64_t kLater = 500;
inline constexpr std::uint64_t kEnd = 1'000'000;

template <class Protocol>
class World final : public NamedScenario {
 public:
  using Body = std::function<void(World&)>;

  World(ScenarioSpec spec, Body before, std::vector<Body> threads, Body after)
      : NamedScenario(std::move(spec)),
        before_(std::move(before)),
        threads_(std::move(threads)),
        after_(std::move(after)) {}

  using NamedScenario::reach;
  [[nodiscard]] Model& model() const noexcept { return Model::get(); }
  [[nodiscard]] const WriterOracle& writer() const noexcept { return writer_; }

  // --- For `before` ---------------------------------------------------------------------------

  void init_writer() {
    for (const Field field :
         {Field::kSerializedWriterTxnId, Field::kSerializedWriterPidAndGen,
          Field::kSerializedWriterPidBirth, Field::kSerializedWriterLeaseExpiry}) {
      model().init(field, 0);
    }
    writer_.reset(strict());
  }

  void bury(int process) {
    model().bury(process);
    writer_.buried(process);
  }

  void demand_honest_busy() { writer_.demand_honest_busy(); }

  /// Version 0, or what a publisher of version 1 left behind that died after its first store.
  void init_snapshot(bool whole = true, bool in_turn = true) {
    model().init(Field::kSnapshotSeq, whole ? 0 : 1);
    model().init(Field::kCommitSeq, triple(0).commit_seq.get());
    model().init(Field::kSchemaEpoch, triple(whole ? 0 : 1).schema_epoch.get());
    model().init(Field::kEcsEpoch, triple(0).ecs_epoch);
    snapshot_.reset(whole, in_turn);
  }

  void init_ids(std::uint64_t next) {
    model().init(Field::kNextTxnId, next);
    ids_.reset();
  }

  void init_horizon() {
    model().init(Field::kGcHorizon, 0);
    horizon_marks_ = {};
  }

  // --- Serialized writer ------------------------------------------------------------------------

  bool acquire(std::uint64_t id, std::uint64_t lease, bool known_birth = true) {
    return acquire_as(model().process(), id, lease, known_birth);
  }

  bool acquire_as(int process, std::uint64_t id, std::uint64_t lease, bool known_birth = true) {
    ProcessIdentity who = Model::identity(process);
    if (!known_birth) who.birth = 0;
    writer_.acquire_begins(id, process, who, lease);
    const bool acquired =
        layout_.acquire_serialized_writer(*TxnId::from_raw(id), who.pid, who.birth, lease);
    writer_.acquire_ends(id, acquired);
    return acquired;
  }

  bool release(std::uint64_t id) {
    writer_.release_begins(id);
    const bool released = layout_.release_serialized_writer(*TxnId::from_raw(id));
    writer_.release_ends(id, released);
    return released;
  }

  Exclusion check(std::uint64_t now) {
    writer_.check_begins(now);
    const Exclusion answer = layout_.check_serialized_writer_exclusion(
        now, [this](std::uint32_t pid, std::uint64_t birth) { return model().alive(pid, birth); });
    writer_.check_ends(answer);
    return answer;
  }

  std::optional<TxnId> look() {
    const std::optional<TxnId> owner = layout_.check_serialized_writer();
    writer_.looked(owner);
    return owner;
  }

  /// Ends a writer scenario: at rest all is zero, and a check at the end of time repairs the rest.
  void finish_writer() {
    if (model().deaths() == 0 && model().newest(Field::kSerializedWriterTxnId) == 0) {
      writer_.at_rest();
    } else {
      writer_.repaired(check(kEnd));
    }
  }

  // --- Seqlock ------------------------------------------------------------------------------

  void publish(unsigned version) {
    snapshot_.publish_begins(version);
    const ShmSnapshot next = triple(version);
    layout_.publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch);
    snapshot_.publish_ends(version);
  }

  void reconcile(unsigned version) {
    snapshot_.publish_begins(version);
    const ShmSnapshot durable = triple(version);
    layout_.reconcile(durable.commit_seq, durable.schema_epoch, durable.ecs_epoch);
    snapshot_.publish_ends(version);
  }

  /// Spins.
  ShmSnapshot load() {
    const ShmSnapshot snapshot = layout_.load_consistent_snapshot();
    snapshot_.loaded(snapshot);
    return snapshot;
  }

  enum class Refusal : std::uint8_t { kNone, kOdd, kChanged, kTorn };
  struct Attempt {
    std::optional<ShmSnapshot> snapshot;
    Refusal refusal = Refusal::kNone;
  };

  /// One attempt, and why it failed.
  Attempt try_load() {
    const unsigned before = model().operations();
    Attempt attempt{.snapshot = layout_.try_load_consistent_snapshot(1)};
    snapshot_.loaded(attempt.snapshot);
    if (!attempt.snapshot) {
      attempt.refusal = model().operations() - before == 1 ? Refusal::kOdd
                        : snapshot_.observed_is_torn()     ? Refusal::kTorn
                                                           : Refusal::kChanged;
    }
    return attempt;
  }

  /// The version of one field, loaded without the seqlock.
  unsigned load_field(Field field) {
    std::uint64_t value = 0;
    if (field == Field::kCommitSeq) value = layout_.load_commit_seq().get();
    if (field == Field::kSchemaEpoch) value = layout_.load_schema_epoch().get();
    if (field == Field::kEcsEpoch) value = layout_.load_ecs_epoch();
    model().note("load {}: {}", field_name(field), value);
    return snapshot_.field_loaded(field, value);
  }

  void finish_snapshot() { snapshot_.at_rest(); }

  // --- Counters -----------------------------------------------------------------------------

  std::optional<TxnId> alloc() {
    const std::uint64_t mark = ids_.alloc_begins();
    std::optional<TxnId> id;
    if constexpr (requires { typename Protocol::template Allocator<RelacyWords>; }) {
      id = typename Protocol::template Allocator<RelacyWords>(layout_.words()).alloc();
    } else {
      id = layout_.alloc_txn_id();
    }
    ids_.alloc_ends(mark, id);
    return id;
  }

  void store_horizon(unsigned value) {
    horizon_marks_[value] = model().mark();
    layout_.store_gc_horizon(CommitSeq(value));
  }

  /// REQUIRES: thread 0 stores.
  std::uint64_t load_horizon() {
    const std::uint64_t value = layout_.load_gc_horizon().get();
    if (value != 0 && !model().knows(0, horizon_marks_[value])) {
      model().fail(kVisibility, "horizon {} was loaded without what was done before it was stored",
                   value);
    }
    return value;
  }

  // --- Scenario -----------------------------------------------------------------------------

  void before() override { before_(*this); }
  void thread(int index) override { threads_[static_cast<std::size_t>(index)](*this); }
  void after() override { after_(*this); }
  void wrote(Field field, std::uint64_t old_value, std::uint64_t new_value) override {
    if (field >= Field::kSerializedWriterTxnId) {
      writer_.wrote(field, old_value, new_value);
    } else if (field == Field::kNextTxnId) {
      ids_.wrote(old_value, new_value);
    }
  }
  void unordered_store(Field field) override {
    if (field >= Field::kSerializedWriterTxnId) {
      writer_.unordered_store(field);
    } else if (field >= Field::kSnapshotSeq && field <= Field::kEcsEpoch) {
      snapshot_.unordered_store(field);
    }
  }

 private:
  // The published protocol promises less; see WriterOracle::reset. So do the broken ones, so that
  // it is the consequences of what is broken that are noticed.
  static constexpr bool strict() { return Protocol::kName == HardenedProtocol::kName; }

  Body before_;
  std::vector<Body> threads_;
  Body after_;
  BasicSharedMemoryLayout<RelacyWords, Protocol> layout_{Geometry::derive({}, 1)};
  WriterOracle writer_;
  SnapshotOracle snapshot_;
  IdOracle ids_;
  std::array<std::uint64_t, 8> horizon_marks_{};
};

/// Collects the scenarios of one protocol.
template <class Protocol>
class Scenarios {
 public:
  using World = relacy::World<Protocol>;
  using Body = typename World::Body;

  void add(ScenarioSpec spec, Body before, std::vector<Body> threads, Body after) {
    list_.push_back(std::make_unique<World>(std::move(spec), std::move(before), std::move(threads),
                                            std::move(after)));
  }
  [[nodiscard]] ScenarioList take() { return std::move(list_); }

 private:
  ScenarioList list_;
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_WORLD_H_
