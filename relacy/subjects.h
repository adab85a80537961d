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
/// A protocol that is broken on purpose, "broken-NAME": in the scenario `caught_by` it must be seen
/// to violate a property whose name begins with `property`.
[[nodiscard]] Subject broken_subject(std::string_view name, std::string description,
                                     std::string caught_by, std::string property,
                                     ScenarioList scenarios);
void add_broken_snapshot_subjects(std::vector<Subject>& subjects);
void add_broken_writer_subjects(std::vector<Subject>& subjects);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SUBJECTS_H_
