// Scenarios: what the threads of an execution do, on the real templates of the core.

#ifndef FSQLSHM_RELACY_SCENARIO_H_
#define FSQLSHM_RELACY_SCENARIO_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model.h"

namespace fsqlshm::relacy {

/// What a scenario is and what is expected of it.
struct ScenarioSpec {
  std::string name{};
  std::string properties{};             ///< what it checks: "P1 P2"
  std::string description{};            ///< one line
  std::vector<std::string> lanes{};     ///< a title for each thread
  std::vector<std::string> outcomes{};  ///< what a run must reach; one that does not is vacuous
  std::string defect{};                 ///< what it finds in the published protocol: "D3"
  std::string defect_property{};        ///< the property that the defect violates
  bool misuse = false;    ///< breaks a precondition, so that it must fail under every protocol
  unsigned patience = 0;  ///< see RunRequest
  unsigned mortal = 0;    ///< see RunRequest
  std::array<int, kMaxThreads> process_of_thread{0, 1, 2, 3};
};

class NamedScenario : public Scenario {
 public:
  explicit NamedScenario(ScenarioSpec spec)
      : spec_(std::move(spec)), reached_(spec_.outcomes.size()) {}

  [[nodiscard]] const ScenarioSpec& spec() const noexcept { return spec_; }
  [[nodiscard]] int threads() const noexcept { return static_cast<int>(spec_.lanes.size()); }
  /// How often each outcome was reached since clear_reached.
  [[nodiscard]] const std::vector<std::uint64_t>& reached() const noexcept { return reached_; }
  void clear_reached() { reached_.assign(reached_.size(), 0); }
  [[nodiscard]] RunRequest request() {
    RunRequest request;
    request.scenario = this;
    request.threads = threads();
    request.patience = spec_.patience;
    request.mortal = spec_.mortal;
    request.process_of_thread = spec_.process_of_thread;
    return request;
  }

 protected:
  void reach(std::size_t outcome) noexcept { ++reached_[outcome]; }

 private:
  ScenarioSpec spec_;
  std::vector<std::uint64_t> reached_;
};

using ScenarioList = std::vector<std::unique_ptr<NamedScenario>>;

/// A protocol that the scenarios run against.
struct Subject {
  std::string name;
  std::string description;
  /// A subject of the harness's own tests: broken on purpose, and this scenario must notice.
  std::string caught_by{};
  std::string caught_property{};  ///< ... because a property that starts like this does not hold
  ScenarioList scenarios;
};

/// All subjects: hardened, reference and the broken ones.
[[nodiscard]] std::vector<Subject>& subjects();
[[nodiscard]] Subject* find_subject(std::string_view name);
[[nodiscard]] NamedScenario* find_scenario(Subject& subject, std::string_view name);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SCENARIO_H_
