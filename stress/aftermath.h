// What must hold when all workers of a run are gone: the header can be repaired and is then perfect.

#ifndef FSQLSHM_STRESS_AFTERMATH_H_
#define FSQLSHM_STRESS_AFTERMATH_H_

#include "stress/control_block.h"
#include "stress/run_findings.h"

namespace fsqlshm::stress {

/// Repairs the file as the next process would, with the operations of the run's protocol, and judges
/// it. Whether the last publish had to be reconciled.
bool judge_aftermath(const WorkerConfig& config, ControlBlock& control, RunFindings& findings);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_AFTERMATH_H_
