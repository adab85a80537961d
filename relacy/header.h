// The header as scenarios use it: the operations of the core, each with the oracles around it.

#ifndef FSQLSHM_RELACY_HEADER_H_
#define FSQLSHM_RELACY_HEADER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checker.h"
#include "fsqlshm/shared_memory_layout.h"
#include "harness/properties/snapshot.h"
#include "harness/properties/writer.h"

namespace fsqlshm::relacy {

static_assert(Words<RelacyWords>);

using harness::triple;

/// Leases and times, in seconds. kSoon has run out by kThen, kLater only by kEnd.
inline constexpr std::uint64_t kNow = 50;
inline constexpr std::uint64_t kSoon = 100;
inline constexpr std::uint64_t kThen = 200;
inline constexpr std::uint64_t kLater = 500;
inline constexpr std::uint64_t kEnd = 1'000'000;

enum class Refusal : std::uint8_t { kNone, kOdd, kChanged, kTorn };

/// The operations of one protocol on the words of the execution that runs. Bodies of scenarios call
/// these; every answer and every changed word is judged.
class Header {
 public:
  virtual ~Header() = default;

  /// The scenario came by this outcome; its declaration names it.
  void reach(std::string_view outcome);
  [[nodiscard]] Checker& checker() const noexcept { return checker_; }
  [[nodiscard]] const harness::WriterOracle& writer() const noexcept { return writer_; }
  /// Whether the protocol has states (CLAIMING, CLEANING) that a check can take over.
  [[nodiscard]] bool has_states() const noexcept { return has_states_; }

  // --- For `before` ---------------------------------------------------------------------------

  void init_writer();
  /// From now on a check may answer busy only for a live writer, also under `reference`: D6.
  void demand_honest_busy() { honest_busy_ = true; }
  /// Version 0, or what a publisher of version 1 left behind that died after its first store.
  void init_snapshot(bool whole = true, bool in_turn = true);
  void init_ids(std::uint64_t next);
  void init_horizon();

  // --- Serialized writer ----------------------------------------------------------------------

  bool acquire(std::uint64_t id, std::uint64_t lease, bool known_birth = true) {
    return acquire_as(checker_.process(), id, lease, known_birth);
  }
  bool acquire_as(int process, std::uint64_t id, std::uint64_t lease, bool known_birth = true);
  bool release(std::uint64_t id);
  Exclusion check(std::uint64_t now);
  /// A check that ended an owner's tenure.
  bool check_evicts(std::uint64_t now);
  std::optional<TxnId> look();
  /// Ends a writer scenario: at rest all is zero, and a check at the end of time repairs the rest.
  void finish_writer();

  // --- Seqlock --------------------------------------------------------------------------------

  void publish(unsigned version, bool reconcile = false);
  void reconcile(unsigned version) { publish(version, true); }
  /// Spins.
  ShmSnapshot load();
  struct Attempt {
    std::optional<ShmSnapshot> snapshot;
    Refusal refusal = Refusal::kNone;
  };
  /// One attempt, and why it failed.
  Attempt try_load();
  /// The version of one field, loaded without the seqlock.
  unsigned load_field(Field field);
  void finish_snapshot() { snapshot_.at_rest(); }

  // --- Counters -------------------------------------------------------------------------------

  std::optional<TxnId> alloc();
  void store_horizon(unsigned value);
  std::uint64_t load_horizon();

  // --- For what runs the scenario -------------------------------------------------------------

  void start(const std::vector<std::string>& outcomes) {
    outcomes_ = &outcomes;
    reached_.assign(outcomes.size(), 0);
    honest_busy_ = strict_;
  }
  /// How often each outcome was reached.
  [[nodiscard]] const std::vector<std::uint64_t>& reached() const noexcept { return reached_; }
  void wrote(Field field, std::uint64_t old_value, std::uint64_t new_value);
  void unordered_store(Field field);
  void thread_dies() { writer_.thread_dies(); }

 protected:
  /// `strict`: see harness::WriterOracle::Rules. Mutants are not, so that it is the consequences of
  /// what is wrong that are noticed.
  Header(bool strict, bool has_states) : strict_(strict), has_states_(has_states) {}

 private:
  virtual bool do_acquire(TxnId id, ProcessIdentity who, std::uint64_t lease) = 0;
  virtual bool do_release(TxnId id) = 0;
  virtual Exclusion do_check(std::uint64_t now) = 0;
  virtual std::optional<TxnId> do_look() = 0;
  virtual void do_publish(const ShmSnapshot& snapshot, bool reconcile) = 0;
  virtual ShmSnapshot do_load() = 0;
  virtual std::optional<ShmSnapshot> do_try_load() = 0;
  virtual std::uint64_t do_load_field(Field field) = 0;
  virtual std::optional<TxnId> do_alloc() = 0;
  virtual void do_store_horizon(std::uint64_t value) = 0;

  Checker& checker_ = Checker::get();
  bool strict_;
  bool has_states_;
  bool honest_busy_ = false;
  const std::vector<std::string>* outcomes_ = nullptr;
  std::vector<std::uint64_t> reached_;
  harness::WriterOracle writer_{checker_};
  harness::SnapshotOracle snapshot_{checker_};
  harness::IdOracle ids_{checker_};
  harness::HorizonOracle horizon_{checker_};
};

/// The header of `Protocol`. A protocol may bring an Allocator of its own.
template <class Protocol>
class HeaderOf final : public Header {
 public:
  HeaderOf()
      : Header(Protocol::kName == HardenedProtocol::kName,
               Protocol::kName != ReferenceProtocol::kName) {}

 private:
  bool do_acquire(TxnId id, ProcessIdentity who, std::uint64_t lease) override {
    return layout_.acquire_serialized_writer(id, who.pid, who.birth, lease);
  }
  bool do_release(TxnId id) override { return layout_.release_serialized_writer(id); }
  Exclusion do_check(std::uint64_t now) override {
    return layout_.check_serialized_writer_exclusion(
        now,
        [this](std::uint32_t pid, std::uint64_t birth) { return checker().alive(pid, birth); });
  }
  std::optional<TxnId> do_look() override { return layout_.check_serialized_writer(); }
  void do_publish(const ShmSnapshot& next, bool reconcile) override {
    if (reconcile) {
      layout_.reconcile(next.commit_seq, next.schema_epoch, next.ecs_epoch);
    } else {
      layout_.publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch);
    }
  }
  ShmSnapshot do_load() override { return layout_.load_consistent_snapshot(); }
  std::optional<ShmSnapshot> do_try_load() override {
    return layout_.try_load_consistent_snapshot(1);
  }
  std::uint64_t do_load_field(Field field) override {
    if (field == Field::kCommitSeq) return layout_.load_commit_seq().get();
    if (field == Field::kSchemaEpoch) return layout_.load_schema_epoch().get();
    return field == Field::kEcsEpoch ? layout_.load_ecs_epoch() : layout_.load_gc_horizon().get();
  }
  std::optional<TxnId> do_alloc() override {
    if constexpr (requires { typename Protocol::template Allocator<RelacyWords>; }) {
      return typename Protocol::template Allocator<RelacyWords>(layout_.words()).alloc();
    } else {
      return layout_.alloc_txn_id();
    }
  }
  void do_store_horizon(std::uint64_t value) override {
    layout_.store_gc_horizon(CommitSeq(value));
  }

  BasicSharedMemoryLayout<RelacyWords, Protocol> layout_{Geometry::derive({}, 1)};
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_HEADER_H_
