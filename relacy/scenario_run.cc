#include "scenario_run.h"

namespace fsqlshm::relacy {

ScenarioRun::ScenarioRun(const Subject& subject, const Scenario& scenario)
    : scenario_(scenario), header_(subject.make_header()), reached_(scenario.outcomes.size()) {
  header_->start(*this);
}

RunRequest ScenarioRun::request() {
  RunRequest request{.test = this,
                     .threads = static_cast<int>(scenario_.threads.size()),
                     .spins = scenario_.spins};
  for (std::size_t i = 0; i < scenario_.threads.size(); ++i) {
    const Scenario::Thread& thread = scenario_.threads[i];
    if (thread.may_die) request.mortal |= 1U << i;
    if (thread.process >= 0) request.process_of_thread[i] = thread.process;
  }
  return request;
}

void ScenarioRun::reach(std::string_view outcome) {
  for (std::size_t i = 0; i < reached_.size(); ++i) {
    if (scenario_.outcomes[i] == outcome) {
      ++reached_[i];
      return;
    }
  }
  Checker::get().fail(kBadScenario, "it reaches \"{}\", which it does not declare", outcome);
}

}  // namespace fsqlshm::relacy
