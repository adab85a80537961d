// P6 for every call: an operation does not run on alone.

#ifndef FSQLSHM_HARNESS_PROPERTIES_PROGRESS_H_
#define FSQLSHM_HARNESS_PROPERTIES_PROGRESS_H_

#include <array>

#include "harness/properties/execution.h"

namespace fsqlshm::harness {

/// Counts the steps that a call takes since another thread last changed a word. For executions that
/// are sequentially consistent: under weak memory a thread may go on reading what is out of date.
class ProgressOracle {
 public:
  explicit ProgressOracle(Execution& execution) : execution_(execution) {}

  void call_begins() { alone() = 0; }
  /// Before each step; false if the call has had its steps.
  [[nodiscard]] bool step() {
    if (++alone() <= kMostAlone) return true;
    execution_.violated({.property = kP6,
                         .rule = "an operation runs on although nothing gets in its way",
                         .detail = {},
                         .defect = {}});
    return false;
  }
  /// The running thread changed a word.
  void wrote() {
    const unsigned mine = alone();
    alone_.fill(0);
    alone() = mine;
  }

 private:
  static constexpr unsigned kMostAlone = 64;  // the published check needs 36

  unsigned& alone() { return alone_[execution_.slot()]; }

  Execution& execution_;
  std::array<unsigned, Execution::kThreads + 1> alone_{};
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROPERTIES_PROGRESS_H_
