// A stress role: its threads look at the gc horizon and at commit_seq, which must not be behind it.

#ifndef FSQLSHM_DOCS_EXAMPLES_STRESS_ROLE_H_
#define FSQLSHM_DOCS_EXAMPLES_STRESS_ROLE_H_

#include "stress/role.h"

namespace fsqlshm::stress {

constexpr Check kHorizonAhead = {.property = "the gc horizon is not ahead of commit_seq",
                                 .title = "a horizon that no commit has reached",
                                 .values = {"horizon", "commit_seq"}};

struct HorizonWatcher {
  void operator()(auto& me) {
    // In this order: a thread that sees a horizon sees the commit that it was taken from.
    const std::uint64_t horizon = me.layout.load_gc_horizon().get();
    const std::uint64_t commit = me.layout.load_commit_seq().get();
    if (horizon > commit) me.violation(kHorizonAhead, {horizon, commit});
    me.count(0);
  }
};

inline const Role kHorizonWatcher = role<HorizonWatcher>({
    .name = "horizon watcher",
    .does = "compare the gc horizon with commit_seq",
    .threads = 2,
    .counts = {"horizon_looks"},
    .wants = {{.count = "horizon_looks"}},
});

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_DOCS_EXAMPLES_STRESS_ROLE_H_
