// What a run found, with what is needed to understand it: the header, the seed, the last events.

#ifndef FSQLSHM_STRESS_RUN_FINDINGS_H_
#define FSQLSHM_STRESS_RUN_FINDINGS_H_

#include <string>
#include <string_view>

#include "fsqlshm/shm_file.h"
#include "harness/child.h"
#include "harness/result.h"
#include "stress/control_block.h"
#include "stress/worker.h"

namespace fsqlshm::stress {

class RunFindings {
 public:
  RunFindings(const WorkerConfig& config, const ControlBlock& control, const ShmFile& file,
              harness::Result& result)
      : config_(config), control_(control), file_(file), result_(result) {}

  /// A violation. `defect`: the known defect that it shows if the subject is `reference`.
  void add(std::string_view property, std::string title, std::string detail,
           std::string_view defect = "");
  /// The same with the header, the seed and the last events in its detail.
  void add_with_context(std::string_view property, std::string title,
                        const std::string& detail = {}, std::string_view defect = "");
  /// A check that met nothing proves nothing.
  void add_vacuous(std::string title);

  /// Those that workers reported.
  void add_violations();
  /// A worker that ended although it was not killed.
  void add_end(const Workers::End& end);

 private:
  [[nodiscard]] std::string last_events() const;

  const WorkerConfig& config_;
  const ControlBlock& control_;
  const ShmFile& file_;
  harness::Result& result_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RUN_FINDINGS_H_
