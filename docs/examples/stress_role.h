// A stress role: its threads look at the gc horizon and at commit_seq, which must not be behind it.

#ifndef FSQLSHM_DOCS_EXAMPLES_STRESS_ROLE_H_
#define FSQLSHM_DOCS_EXAMPLES_STRESS_ROLE_H_

#include "stress/added_role.h"

namespace fsqlshm::stress {

inline bool horizon_is_not_ahead(RoleTools& tools) {
  const auto layout = tools.file.layout();
  // In this order: whoever sees a horizon sees the commit that it was taken from.
  const std::uint64_t horizon = layout.load_gc_horizon().get();
  const std::uint64_t commit = layout.load_commit_seq().get();
  tools.values = {horizon, commit};
  return horizon <= commit;
}

inline const AddedRole kHorizonWatcher = {.name = "horizon watcher",
                                          .property = "the gc horizon is not ahead of commit_seq",
                                          .threads = 2,
                                          .turn = horizon_is_not_ahead};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_DOCS_EXAMPLES_STRESS_ROLE_H_
