// The table of mutants.

#ifndef FSQLSHM_HARNESS_MUTANTS_ALL_H_
#define FSQLSHM_HARNESS_MUTANTS_ALL_H_

#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "harness/mutants/mutant.h"
#include "harness/properties/snapshot.h"

namespace fsqlshm::harness::mutants {

// --- the seqlock and the id allocator ------------------------------------------------------------

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

struct ReconcilesAtOnce : Mutant<ReconcilesAtOnce> {
  static constexpr Info kInfo = {"reconciles-at-once",
                                 "a reconcile opens a window only where it finds an odd number",
                                 kI2Whole, "reconcile-whole-load"};
  static void reconcile(auto& lock, const ShmSnapshot& durable) {
    if (lock.load(Field::kSnapshotSeq) % 2 == 1) return lock.publish(durable);
    lock.store(Field::kSchemaEpoch, durable.schema_epoch.get());
    lock.store(Field::kEcsEpoch, durable.ecs_epoch);
    lock.store(Field::kCommitSeq, durable.commit_seq.get());
  }
};

struct ReconcilesOnlyOdd : Mutant<ReconcilesOnlyOdd> {
  static constexpr Info kInfo = {"reconciles-only-odd",
                                 "a reconcile trusts the triple beside an even number", kP4,
                                 "reconcile-whole-load"};
  static void reconcile(auto& lock, const ShmSnapshot& durable) {
    if (lock.load(Field::kSnapshotSeq) % 2 == 1) lock.publish(durable);
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

// --- the writer indicator: acquire ---------------------------------------------------------------

struct DirectAcquire : Mutant<DirectAcquire> {
  static constexpr Info kInfo = {"direct-acquire",
                                 "acquire owns the indicator before its words are there", "P",
                                 "claimer-dies"};
  static bool acquire(auto& writer, const Claim& claim) {
    if (!writer.change_state(0, claim.id.get())) return false;
    writer.set_owners_words({next_pid_and_gen(0, claim.pid), claim.birth, claim.lease},
                            memory_order::release);
    return true;
  }
};

struct WaitingAcquire : Mutant<WaitingAcquire> {
  static constexpr Info kInfo = {"waiting-acquire",
                                 "acquire waits for claimers and cleaners, dead or alive", kP6,
                                 "owner-dies"};
  static bool acquire(auto& writer, const Claim& claim) {
    while (writer.in_transition(writer.state())) writer.words.pause();
    return writer.acquire(claim);
  }
};

struct AcquireWaitsForOwner : Mutant<AcquireWaitsForOwner> {
  static constexpr Info kInfo = {"acquire-waits-for-owner",
                                 "acquire waits for the owner instead of giving up", kP6,
                                 "acquire-acquire"};
  static bool acquire(auto& writer, const Claim& claim) {
    while (writer.check()) writer.words.pause();
    return writer.acquire(claim);
  }
};

struct AcquireSteals : Mutant<AcquireSteals> {
  static constexpr Info kInfo = {"acquire-steals", "acquire takes the indicator from its owner",
                                 kP1, "acquire-acquire"};
  static bool acquire(auto& writer, const Claim& claim) {
    writer.set_state(0, memory_order::relaxed);
    return writer.acquire(claim);
  }
};

struct AcquireAlwaysTrue : Mutant<AcquireAlwaysTrue> {
  static constexpr Info kInfo = {"acquire-always-true", "acquire returns true whatever happened",
                                 kP1, "acquire-acquire"};
  static bool acquire(auto& writer, const Claim& claim) {
    static_cast<void>(writer.acquire(claim));
    return true;
  }
};

// --- release -----------------------------------------------------------------------------------

struct DirectRelease : Mutant<DirectRelease> {
  static constexpr Info kInfo = {"direct-release",
                                 "release frees the indicator before it zeroes the words", "P",
                                 "acquire-release-acquire"};
  static bool release(auto& writer, TxnId id) {
    if (!writer.change_state(id.get(), 0)) return false;
    writer.set_owners_words({});
    return true;
  }
};

struct UncheckedRelease : Mutant<UncheckedRelease> {
  static constexpr Info kInfo = {"unchecked-release", "release cleans what may be another's by now",
                                 "P", "evicted-owner-releases"};
  static bool release(auto& writer, TxnId id) {
    if (writer.state() != id.get()) return false;
    writer.set_state(writer.cleaning());
    writer.set_owners_words({});
    writer.set_state(0);
    return true;
  }
};

struct ReleaseClearsFirst : Mutant<ReleaseClearsFirst> {
  static constexpr Info kInfo = {"release-clears-first",
                                 "release zeroes the lease before it asks who owns it", "P",
                                 "evicted-owner-releases"};
  static bool release(auto& writer, TxnId id) {
    writer.words.store(Field::kSerializedWriterLeaseExpiry, 0, memory_order::relaxed);
    return writer.release(id);
  }
};

struct ReleaseAlwaysTrue : Mutant<ReleaseAlwaysTrue> {
  static constexpr Info kInfo = {"release-always-true", "release returns true after an eviction",
                                 kP5, "evicted-owner-releases"};
  static bool release(auto& writer, TxnId id) {
    static_cast<void>(writer.release(id));
    return true;
  }
};

struct ReleasesAnyOwner : Mutant<ReleasesAnyOwner> {
  static constexpr Info kInfo = {"releases-any-owner", "release frees the indicator of any owner",
                                 "P", "evicted-owner-releases"};
  static bool release(auto& writer, TxnId) {
    const auto owner = writer.check();
    return owner && writer.release(*owner);
  }
};

struct LeavesTheLease : Mutant<LeavesTheLease> {
  static constexpr Info kInfo = {"leaves-the-lease", "release forgets to zero the lease", "P",
                                 "acquire-release-acquire"};
  static bool release(auto& writer, TxnId id) {
    const auto lease =
        writer.words.load(Field::kSerializedWriterLeaseExpiry, memory_order::relaxed);
    if (!writer.release(id)) return false;
    writer.words.store(Field::kSerializedWriterLeaseExpiry, lease, memory_order::relaxed);
    return true;
  }
};

// --- check -------------------------------------------------------------------------------------

struct NeverTakesOver : Mutant<NeverTakesOver> {
  static constexpr Info kInfo = {"never-takes-over",
                                 "a check leaves claims and cleanings of dead processes", kP4,
                                 "claimer-dies"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    if (writer.in_transition(writer.state())) return Exclusion::kBusy;
    return writer.check_exclusion(now, alive);
  }
};

struct AlwaysTakesOver : Mutant<AlwaysTakesOver> {
  static constexpr Info kInfo = {
      "always-takes-over", "a check takes live claimers and cleaners for dead", kP1, "check-claim"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    const std::uint64_t state = writer.state();
    if (!writer.in_transition(state)) {
      return writer.check_exclusion(now, alive);
    }
    const std::uint64_t cleaning = writer.cleaning();
    if (!writer.change_state(state, cleaning, memory_order::relaxed)) return Exclusion::kBusy;
    writer.set_owners_words({});
    writer.change_state(cleaning, 0, memory_order::release);
    return Exclusion::kOk;
  }
};

struct NeverClears : Mutant<NeverClears> {
  static constexpr Info kInfo = {"never-clears", "a check never clears a stale owner", kP4,
                                 "owner-dies"};
  static Exclusion check(auto& writer, std::uint64_t, auto&) {
    return writer.state() == 0 ? Exclusion::kOk : Exclusion::kBusy;
  }
};

struct EvictsByStore : Mutant<EvictsByStore> {
  static constexpr Info kInfo = {"evicts-by-store",
                                 "a check evicts the owner that is there by the time it has judged",
                                 "P", "check-claim"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    const std::uint64_t state = writer.state();
    const WriterWords seen = writer.owners_words();
    if (!TxnId::in_domain(state) || !seen.stale(now, alive)) {
      return writer.check_exclusion(now, alive);
    }
    writer.set_state(writer.cleaning(), memory_order::relaxed);
    writer.set_owners_words({});
    writer.set_state(0);
    return Exclusion::kOk;
  }
};

struct TrustingCheck : Mutant<TrustingCheck> {
  static constexpr Info kInfo = {"trusting-check",
                                 "a check answers busy for words that are being zeroed",
                                 kBusyProperty, "check-release"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    const std::uint64_t state = writer.state();
    if (state == 0) return Exclusion::kOk;
    const WriterWords words = writer.owners_words();
    if (!writer.in_transition(state) && !words.stale(now, alive)) return Exclusion::kBusy;
    return writer.check_exclusion(now, alive);
  }
};

struct CheckAlwaysOk : Mutant<CheckAlwaysOk> {
  static constexpr Info kInfo = {"check-always-ok", "a check answers ok whatever it finds", kP1,
                                 "successive-owners"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    static_cast<void>(writer.check_exclusion(now, alive));
    return Exclusion::kOk;
  }
};

struct ClaimsAreNobody : Mutant<ClaimsAreNobody> {
  static constexpr Info kInfo = {"claims-are-nobody", "a check answers ok while somebody claims",
                                 kP1, "claimer-dies"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    const bool claimed = hardened::writer_tag(writer.state()) == hardened::WriterTag::kClaiming;
    return claimed ? Exclusion::kOk : writer.check_exclusion(now, alive);
  }
};

struct UnknownOwnersAreDead : Mutant<UnknownOwnersAreDead> {
  static constexpr Info kInfo = {"unknown-owners-are-dead",
                                 "a check evicts an owner that gave no pid or no birth", kP1,
                                 "unknown-owner"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    const std::uint64_t state = writer.state();
    const WriterWords owner = writer.owners_words();
    const bool named = state == 0 || writer.in_transition(state) || writer.judgeable(owner);
    if (named || owner.lease_expiry != 0) return writer.check_exclusion(now, alive);
    return writer.clear(state) ? Exclusion::kOk : Exclusion::kBusy;
  }
};

struct UnknownClaimersAreDead : Mutant<UnknownClaimersAreDead> {
  static constexpr Info kInfo = {"unknown-claimers-are-dead",
                                 "a check takes over a claim or a cleaning that names nobody", kP1,
                                 "unknown-writer-dies"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    const std::uint64_t state = writer.state();
    return writer.names_nobody(state) && writer.clear(state) ? Exclusion::kOk
                                                             : writer.check_exclusion(now, alive);
  }
};

struct UnknownOwnersLive : Mutant<UnknownOwnersLive> {
  static constexpr Info kInfo = {"unknown-owners-live",
                                 "the lease of an owner that gave no pid or no birth does not end",
                                 kBusyProperty, "unknown-owner-leased"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    const std::uint64_t state = writer.state();
    const bool named = writer.judgeable(writer.owners_words());
    const bool owned = state != 0 && !writer.in_transition(state) && writer.state() == state;
    return owned && !named ? Exclusion::kBusy : writer.check_exclusion(now, alive);
  }
};

struct LeaseEndsLate : Mutant<LeaseEndsLate> {
  static constexpr Info kInfo = {"lease-ends-late", "a lease ends one second late", kBusyProperty,
                                 "check-release"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    return writer.check_exclusion(now == 0 ? 0 : now - 1, alive);
  }
};

struct WaitsForTheLease : Mutant<WaitsForTheLease> {
  static constexpr Info kInfo = {"waits-for-the-lease",
                                 "a check that knows of a death waits for the lease all the same",
                                 kBusyProperty, "check-dead-lease"};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    return writer.check_exclusion(
        now, [&](std::uint32_t pid, std::uint64_t birth) { return alive(pid, birth); });
  }
};

// --- clear, and publishing for a writer ----------------------------------------------------------

struct ClearsByStore : Mutant<ClearsByStore> {
  static constexpr Info kInfo = {
      "clears-by-store", "clear frees the indicator of who has it by the time it has looked", "P",
      "clear-release-acquire"};
  static bool clear(auto& writer, std::uint64_t state) {
    if (state == 0 || writer.state() != state) return false;
    writer.set_state(writer.cleaning());
    writer.set_owners_words({}, memory_order::release);
    writer.set_state(0);
    return true;
  }
};

struct UnknownIsNotCleared : Mutant<UnknownIsNotCleared> {
  static constexpr Info kInfo = {"unknown-is-not-cleared",
                                 "clear leaves a claim or a cleaning that names nobody", kP4,
                                 "unknown-writer-dies"};
  static bool clear(auto& writer, std::uint64_t state) {
    return !writer.names_nobody(state) && writer.clear(state);
  }
};

struct FenceBeforeLock : Mutant<FenceBeforeLock> {
  static constexpr Info kInfo = {"fence-before-lock",
                                 "a publisher looks for its eviction before it has the lock", kP5,
                                 "fenced-publish"};
  static constexpr bool kFenceBeforeLock = true;
};

// -------------------------------------------------------------------------------------------------

/// Calls `visit` with each mutant protocol as template argument; its row is `Protocol::kInfo`.
template <class Visit>
void for_each(Visit&& visit) {
  const auto all = [&visit]<class... Protocols>() {
    (visit.template operator()<Protocols>(), ...);
  };
  all.template operator()<
      NoRecheck, CommitBeforeOdd, CommitBeforeSchema, BeginAddsOne, NoWindow, ReconcilesAtOnce,
      ReconcilesOnlyOdd, LeavesItOdd, StaleReads, NeverGivesUp, LoadsWithRelease, IdsLoadStore,
      IdsPastTheEnd, DirectAcquire, WaitingAcquire, AcquireWaitsForOwner, AcquireSteals,
      AcquireAlwaysTrue, DirectRelease, UncheckedRelease, ReleaseClearsFirst, ReleaseAlwaysTrue,
      ReleasesAnyOwner, LeavesTheLease, NeverTakesOver, AlwaysTakesOver, NeverClears, EvictsByStore,
      TrustingCheck, CheckAlwaysOk, ClaimsAreNobody, UnknownOwnersAreDead, UnknownClaimersAreDead,
      UnknownOwnersLive, LeaseEndsLate, WaitsForTheLease, ClearsByStore, UnknownIsNotCleared,
      FenceBeforeLock>();
}

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_ALL_H_
