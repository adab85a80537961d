// The scenarios of each protocol, compiled in files of their own.

#ifndef FSQLSHM_RELACY_SUBJECTS_H_
#define FSQLSHM_RELACY_SUBJECTS_H_

#include "scenario.h"
#include "snapshot_scenarios.h"
#include "writer_scenarios.h"

namespace fsqlshm::relacy {

template <class Protocol>
ScenarioList all_scenarios() {
  Scenarios<Protocol> list;
  add_snapshot_scenarios(list);
  add_writer_scenarios(list);
  return list.take();
}

[[nodiscard]] ScenarioList hardened_scenarios();
[[nodiscard]] ScenarioList reference_scenarios();
/// Protocols that are broken on purpose.
void add_broken_snapshot_subjects(std::vector<Subject>& subjects);
void add_broken_writer_subjects(std::vector<Subject>& subjects);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SUBJECTS_H_
