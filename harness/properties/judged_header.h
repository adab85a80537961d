// The header as engines that control the order of steps use it: the operations of one protocol, each
// with the oracles around it. Every answer and every changed word is judged.

#ifndef FSQLSHM_HARNESS_PROPERTIES_JUDGED_HEADER_H_
#define FSQLSHM_HARNESS_PROPERTIES_JUDGED_HEADER_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "fsqlshm/shared_memory_layout.h"
#include "harness/properties/execution.h"
#include "harness/properties/snapshot.h"
#include "harness/properties/writer.h"

namespace fsqlshm::harness {

/// What a check is told of who lives.
enum class Liveness : std::uint8_t { kGuess, kCertain };

/// What a writer says of itself; what it does not say is 0. Without either nothing can judge it.
enum class Named : std::uint8_t { kWhole, kNoBirth, kNoPid };

[[nodiscard]] constexpr ProcessIdentity as_named(ProcessIdentity who, Named named) noexcept {
  if (named == Named::kNoBirth) who.birth = 0;
  if (named == Named::kNoPid) who.pid = 0;
  return who;
}

class JudgedHeader {
 public:
  explicit JudgedHeader(Execution& execution)
      : execution_(execution),
        writer_(execution),
        snapshot_(execution),
        ids_(execution),
        horizon_(execution) {}
  virtual ~JudgedHeader() = default;
  JudgedHeader(const JudgedHeader&) = delete;
  JudgedHeader& operator=(const JudgedHeader&) = delete;

  [[nodiscard]] WriterOracle& writer() noexcept { return writer_; }
  [[nodiscard]] SnapshotOracle& snapshot() noexcept { return snapshot_; }

  // --- Serialized writer ----------------------------------------------------------------------

  /// By process number `process`, which calls itself `who`.
  bool acquire(std::uint64_t id, int process, ProcessIdentity who, std::uint64_t lease);
  bool release(std::uint64_t id);
  Exclusion check(std::uint64_t now, Liveness liveness = Liveness::kGuess);
  /// clear_serialized_writer. REQUIRES: the protocol has it.
  bool clear(std::uint64_t state);
  /// check_serialized_writer.
  std::optional<TxnId> look();
  /// When all have ended: what they left behind is repaired by a check at `now`, or by `clear` where nothing
  /// else may. False if the protocol has no `clear` and would need it.
  bool repair(std::uint64_t now);

  // --- Seqlock --------------------------------------------------------------------------------

  void publish(unsigned version) { publish(version, false); }
  void reconcile(unsigned version) { publish(version, true); }
  /// Spins.
  ShmSnapshot load();
  std::optional<ShmSnapshot> try_load(unsigned attempts);
  /// The version of one field, loaded without the seqlock.
  unsigned load_field(Field field);

  // --- Counters -------------------------------------------------------------------------------

  std::optional<TxnId> alloc();
  void store_horizon(unsigned value);
  std::uint64_t load_horizon();

  // --- For the seam ---------------------------------------------------------------------------

  /// A word got another value, in the step of the running thread.
  void wrote(Field field, std::uint64_t old_value, std::uint64_t new_value);
  /// A plain store that nothing orders behind the store before it, which another thread made. A
  /// model checker lets the later step win; in C++ either of the two may be the last.
  void unordered_store(Field field);

  /// Of what the oracles remember. REQUIRES: the execution is sequentially consistent. States of the
  /// oracles with equal fingerprints judge all that follows alike.
  [[nodiscard]] std::uint64_t fingerprint() const;

 private:
  Execution& execution_;

 protected:
  // NOLINTBEGIN(cppcoreguidelines-non-private-member-variables-in-classes): engines reset them
  WriterOracle writer_;
  SnapshotOracle snapshot_;
  IdOracle ids_;
  HorizonOracle horizon_;  // judges nothing that depends on an order of steps
  // NOLINTEND(cppcoreguidelines-non-private-member-variables-in-classes)

  virtual std::optional<TxnId> do_look() = 0;

 private:
  void publish(unsigned version, bool reconcile);

  virtual bool do_acquire(TxnId id, ProcessIdentity who, std::uint64_t lease) = 0;
  virtual bool do_release(TxnId id) = 0;
  virtual Exclusion do_check(std::uint64_t now, Liveness liveness) = 0;
  /// Whether the protocol has `clear`, and checks that take a certain liveness for what it is.
  virtual bool beyond_the_published() const = 0;
  virtual bool do_clear(std::uint64_t state) = 0;
  virtual void do_publish(const ShmSnapshot& next, bool reconcile) = 0;
  virtual ShmSnapshot do_load() = 0;
  virtual std::optional<ShmSnapshot> do_try_load(unsigned attempts) = 0;
  virtual std::uint64_t do_load_field(Field field) = 0;
  virtual std::optional<TxnId> do_alloc() = 0;
  virtual void do_store_horizon(std::uint64_t value) = 0;
};

/// The operations of `Protocol` on `W`. `Base` is JudgedHeader or an engine's class derived from it.
/// A protocol may bring an Allocator of its own.
template <class Base, Words W, class Protocol>
class HeaderOf final : public Base {
 public:
  template <class BaseExecution, class... Args>
  explicit HeaderOf(BaseExecution& execution, W words, Args&&... args)
      : Base(execution, std::forward<Args>(args)...),
        execution_(execution),
        layout_(Geometry{}, std::move(words)) {}

  [[nodiscard]] const W& words() const noexcept { return layout_.words(); }

 private:
  bool do_acquire(TxnId id, ProcessIdentity who, std::uint64_t lease) override {
    return layout_.acquire_serialized_writer(id, who.pid, who.birth, lease);
  }
  bool do_release(TxnId id) override { return layout_.release_serialized_writer(id); }
  struct Guess {
    Execution& execution;
    bool operator()(std::uint32_t pid, std::uint64_t birth) const {
      return execution.alive(pid, birth);
    }
  };
  struct Certain : Guess {
    static constexpr bool kCertain = true;
  };

  Exclusion do_check(std::uint64_t now, Liveness liveness) override {
    const Guess guess{execution_};
    return liveness == Liveness::kCertain
               ? layout_.check_serialized_writer_exclusion(now, Certain{guess})
               : layout_.check_serialized_writer_exclusion(now, guess);
  }
  // The published protocol has neither certainty nor `clear`.
  bool beyond_the_published() const override { return Protocol::kName != ReferenceProtocol::kName; }
  bool do_clear(std::uint64_t state) override {
    if constexpr (requires(typename Protocol::template WriterIndicator<W>& w) { w.clear(state); }) {
      return layout_.clear_serialized_writer(state);
    } else {
      return false;
    }
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
  std::optional<ShmSnapshot> do_try_load(unsigned attempts) override {
    return layout_.try_load_consistent_snapshot(attempts);
  }
  std::uint64_t do_load_field(Field field) override {
    if (field == Field::kCommitSeq) return layout_.load_commit_seq().get();
    if (field == Field::kSchemaEpoch) return layout_.load_schema_epoch().get();
    return field == Field::kEcsEpoch ? layout_.load_ecs_epoch() : layout_.load_gc_horizon().get();
  }
  std::optional<TxnId> do_alloc() override {
    if constexpr (requires { typename Protocol::template Allocator<W>; }) {
      return typename Protocol::template Allocator<W>(layout_.words()).alloc();
    } else {
      return layout_.alloc_txn_id();
    }
  }
  void do_store_horizon(std::uint64_t value) override {
    layout_.store_gc_horizon(CommitSeq(value));
  }

  Execution& execution_;
  BasicSharedMemoryLayout<W, Protocol> layout_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROPERTIES_JUDGED_HEADER_H_
