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

  // `slot` is that of the running thread, below Execution::kThreads + 1: the engine has it at hand,
  // and to ask the execution at every step would be a virtual call.

  void call_begins(std::size_t slot) { alone_[slot] = 0; }
  /// Before each step; false if the call has had its steps.
  [[nodiscard]] bool step(std::size_t slot) {
    if (++alone_[slot] <= kMostAlone) return true;
    runs_on();
    return false;
  }
  /// The running thread changed a word.
  void wrote(std::size_t slot) {
    const unsigned mine = alone_[slot];
    alone_.fill(0);
    alone_[slot] = mine;
  }

 private:
  static constexpr unsigned kMostAlone = 64;  // the published check needs 36

  // Not inline: AddressSanitizer would make a frame for the texts at every step.
  [[gnu::cold, gnu::noinline]] void runs_on() {
    execution_.violated({.property = kP6,
                         .rule = "an operation runs on although nothing gets in its way",
                         .detail = {},
                         .defect = {}});
  }

  Execution& execution_;
  std::array<unsigned, Execution::kThreads + 1> alone_{};
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROPERTIES_PROGRESS_H_
