// The table of mutants.

#ifndef FSQLSHM_HARNESS_MUTANTS_ALL_H_
#define FSQLSHM_HARNESS_MUTANTS_ALL_H_

#include "harness/mutants/seqlock.h"
#include "harness/mutants/writer.h"

namespace fsqlshm::harness::mutants {

/// Calls `visit` with each mutant protocol as template argument; its row is `Protocol::kInfo`.
template <class Visit>
void for_each(Visit&& visit) {
  const auto all = [&visit]<class... Protocols>() {
    (visit.template operator()<Protocols>(), ...);
  };
  all.template
  operator()<NoRecheck, CommitBeforeOdd, CommitBeforeSchema, BeginAddsOne, NoWindow, LeavesItOdd,
             StaleReads, NeverGivesUp, LoadsWithRelease, IdsLoadStore, IdsPastTheEnd, DirectAcquire,
             WaitingAcquire, AcquireWaitsForOwner, AcquireSteals, AcquireAlwaysTrue, DirectRelease,
             UncheckedRelease, ReleaseClearsFirst, ReleaseAlwaysTrue, ReleasesAnyOwner,
             LeavesTheLease, NeverTakesOver, AlwaysTakesOver, NeverClears, EvictsByStore,
             TrustingCheck, CheckAlwaysOk, LeaseEndsLate>();
}

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_ALL_H_
