// Mutants of the serialized-writer indicator.

#ifndef FSQLSHM_HARNESS_MUTANTS_WRITER_H_
#define FSQLSHM_HARNESS_MUTANTS_WRITER_H_

#include <cstdint>

#include "fsqlshm/types.h"
#include "harness/mutants/mutant.h"

namespace fsqlshm::harness::mutants {

// --- acquire -----------------------------------------------------------------------------------

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

struct LeaseEndsLate : Mutant<LeaseEndsLate> {
  static constexpr Info kInfo = {"lease-ends-late", "a lease ends one second late", "", ""};
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    return writer.check_exclusion(now == 0 ? 0 : now - 1, alive);
  }
};

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_WRITER_H_
