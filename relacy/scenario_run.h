// One scenario on the header of one subject, as the model checker runs it.

#ifndef FSQLSHM_RELACY_SCENARIO_RUN_H_
#define FSQLSHM_RELACY_SCENARIO_RUN_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "checker.h"
#include "scenario.h"

namespace fsqlshm::relacy {

class ScenarioRun final : public Test {
 public:
  ScenarioRun(const Subject& subject, const Scenario& scenario)
      : scenario_(scenario), header_(subject.make_header()) {
    header_->start(scenario.outcomes);
  }
  ScenarioRun(const ScenarioRun&) = delete;
  ScenarioRun& operator=(const ScenarioRun&) = delete;

  /// A request for this run; the search is up to the caller.
  [[nodiscard]] RunRequest request() {
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
  /// How often each outcome was reached.
  [[nodiscard]] const std::vector<std::uint64_t>& reached() const { return header_->reached(); }

  void before() override { scenario_.before(*header_); }
  void thread(int index) override {
    scenario_.threads[static_cast<std::size_t>(index)].body(*header_);
  }
  void after() override {
    if (scenario_.after) scenario_.after(*header_);
  }
  void wrote(Field field, std::uint64_t old_value, std::uint64_t new_value) override {
    header_->wrote(field, old_value, new_value);
  }
  void unordered_store(Field field) override { header_->unordered_store(field); }
  void thread_dies() override { header_->thread_dies(); }

 private:
  const Scenario& scenario_;
  std::unique_ptr<Header> header_;
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SCENARIO_RUN_H_
