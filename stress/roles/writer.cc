#include "fsqlshm/writer_words.h"
#include "harness/describe.h"
#include "harness/properties/execution.h"
#include "stress/roles/shared_checks.h"

namespace fsqlshm::stress {
namespace {

constexpr Check kAcquiredBesideLiveOwner = {
    harness::kP1,
    "an acquire succeeded while a live owner held the indicator",
    {"new id", "new token", "owner's token"},
    "D5"};
constexpr Check kOwnerWordsChanged = {harness::kP2,
                                      "an owner's words changed while it held the indicator",
                                      {"id word", "pid and generation", "birth", "lease"},
                                      "D3"};
constexpr Check kIndicatorWasNotClean = {harness::kP3,
                                         "an owner got an indicator whose words were not zero",
                                         {"id", "generation"},
                                         "D3"};
constexpr Check kReleaseRefusedLiveOwner = {
    harness::kP5, "a release refused an owner that still was one", {"id", "lease", "now"}, "D5"};
constexpr Check kReleaseOfAnEvictedOwner = {
    harness::kP5,
    "a release succeeded for an owner that had been succeeded by another",
    {"id", "token", "token in the log"}};

enum : std::uint8_t { kAcquires, kRefusals, kReleases, kEvictions, kIds };

// Acquires, holds and releases the serialized writer, with short, long or no leases.
class Writer {
 public:
  void operator()(auto& me) {
    const std::optional<TxnId> id = take_id(me, last_id_, kIds);
    if (!id) return;
    // Without a lease only a death ends a tenure; a short one runs out while its owner sleeps or
    // is stopped.
    constexpr std::array<std::uint64_t, 4> kLeases = {0, 0, 1, 30};
    const std::uint64_t term = kLeases[me.random.below(kLeases.size())];
    WriterLog& log = me.control.writers;
    Turn turn = {.id = *id, .lease = term == 0 ? 0 : me.clock() + term};
    turn.token = log.announce({id->get(), turn.lease, me.name().worker, me.name().incarnation});
    if (!me.layout.acquire_serialized_writer(*id, turn.lease)) {
      me.count(kRefusals);
      // Evict a stale holder, as a waiting writer would.
      static_cast<void>(me.layout.check_serialized_writer_exclusion(me.clock()));
      ::sched_yield();
      return;
    }
    const std::uint64_t acquired_ns = now_ns();
    me.record("acquired", id->get(), turn.token);
    me.count(kAcquires);
    std::uint64_t other = 0;
    const auto entry = log.enter(turn.token, acquired_ns, now_ns, other);
    if (entry == WriterLog::Entry::kViolation) {
      me.violation(kAcquiredBesideLiveOwner, {id->get(), turn.token, other});
      return;
    }
    if (entry == WriterLog::Entry::kEntered) {
      me.record("entered", turn.token, turn.lease);
      hold(me, turn);
      turn.succeeded_by_another = !log.leave(turn.token);
    }
    release(me, turn);
  }

 private:
  struct Turn {
    TxnId id;
    std::uint64_t lease = 0;
    std::uint64_t token = 0;  // in the log
    bool succeeded_by_another = false;
  };

  static void hold(auto& me, const Turn& turn) {
    check_words(me, turn, true);
    for (std::uint64_t looks = me.random.below(4); looks > 0 && !me.stopped(); --looks) {
      if (me.random.one_in(64)) sleep_ns(me.random.below(2 * me.control.clock.tick_ns));
      check_words(me, turn, false);
    }
  }

  // P2, and P3 for an owner that has just acquired.
  static void check_words(auto& me, const Turn& turn, bool fresh) {
    const HeaderBytes bytes = me.layout.to_bytes();
    const auto owner = me.layout.check_serialized_writer();
    // What was seen before the lease ran out must be right.
    if (turn.lease != 0 && me.clock() >= turn.lease) return;
    const std::uint64_t state = harness::word_at(bytes, Field::kSerializedWriterTxnId);
    const std::uint64_t pid_and_gen = harness::word_at(bytes, Field::kSerializedWriterPidAndGen);
    const std::uint64_t birth = harness::word_at(bytes, Field::kSerializedWriterPidBirth);
    const std::uint64_t lease = harness::word_at(bytes, Field::kSerializedWriterLeaseExpiry);
    if (state != turn.id.get() || owner != turn.id || pid_of(pid_and_gen) != me.self.pid ||
        birth != me.self.birth || lease != turn.lease) {
      me.violation(kOwnerWordsChanged, {state, pid_and_gen, birth, lease});
    } else if (fresh && generation_of(pid_and_gen) != 1) {
      me.violation(kIndicatorWasNotClean, {turn.id.get(), generation_of(pid_and_gen)});
    }
  }

  static void release(auto& me, const Turn& turn) {
    const bool released = me.layout.release_serialized_writer(turn.id);
    const std::uint64_t now = me.clock();
    me.record("release", turn.id.get(), released ? 1 : 0);
    me.count(released ? kReleases : kEvictions);
    if (released && turn.succeeded_by_another) {
      me.violation(kReleaseOfAnEvictedOwner,
                   {turn.id.get(), turn.token, me.control.writers.holder()});
    } else if (!released && (turn.lease == 0 || now < turn.lease)) {
      me.violation(kReleaseRefusedLiveOwner, {turn.id.get(), turn.lease, now});
    }
  }

  std::uint64_t last_id_ = 0;
};

[[maybe_unused]] const bool kAdded = add_role(role<Writer>({
    .name = "writer",
    .does = "acquire and release the serialized writer, with leases",
    .counts = {"acquires", "acquire_refusals", "releases", "evictions", "txn_ids"},
    // With so many stops, some must have hit a tenure with a short lease.
    .wants = {{.count = "releases"}, {.count = "evictions", .stops = 200}},
    .takes_ids = true,
}));

}  // namespace
}  // namespace fsqlshm::stress
