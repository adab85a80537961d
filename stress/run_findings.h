// What a run found, with what is needed to understand it: the header, the seed, the last events.

#ifndef FSQLSHM_STRESS_RUN_FINDINGS_H_
#define FSQLSHM_STRESS_RUN_FINDINGS_H_

#include <string>
#include <string_view>

#include "harness/child.h"
#include "harness/result.h"
#include "stress/control_block.h"
#include "stress/run_subject.h"
#include "stress/worker.h"

namespace fsqlshm::stress {

class RunFindings {
 public:
  RunFindings(const WorkerConfig& config, const ControlBlock& control, const RunSubject& subject,
              harness::Result& result)
      : config_(config), control_(control), subject_(subject), result_(result) {}

  /// What does not hold. `defect`: the known defect that it shows if the subject has that.
  void add(std::string_view property, std::string title, std::string detail,
           std::string_view defect = "");
  /// The same with the header, the seed and the last events in its detail.
  void add_with_context(std::string_view property, std::string title,
                        const std::string& detail = {}, std::string_view defect = "");

  /// Those that workers reported.
  void add_violations();
  /// A worker that ended although it was not killed.
  void add_end(const Workers::End& end);
  /// A call of the subject that did not return; once for each function.
  void add_call(harness::Finding finding);

 private:
  [[nodiscard]] std::string context() const;
  [[nodiscard]] std::string last_events() const;

  const WorkerConfig& config_;
  const ControlBlock& control_;
  const RunSubject& subject_;
  harness::Result& result_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RUN_FINDINGS_H_
