// Scenarios: what the threads of an execution do to a header, and what a search of them must reach.
// The engines that explore interleavings run the same ones.

#ifndef FSQLSHM_HARNESS_SCENARIOS_SCENARIO_H_
#define FSQLSHM_HARNESS_SCENARIOS_SCENARIO_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenarios/header.h"

namespace fsqlshm::harness {

/// Nothing in it may allocate, and what a thread does must need no destructor: an engine may leave it at
/// any operation. What it asks the words for is a function of what it read there before.
using Body = std::function<void(Header&)>;

struct Scenario {
  struct Thread {
    std::string title;
    Body body;
    bool may_die = false;  ///< its process may stop for good before any of its operations
    int process = -1;      ///< 0 to 3; -1: a process of its own
  };
  /// What it finds in the published protocol.
  struct Defect {
    std::string_view name{};      ///< "D3"
    std::string_view property{};  ///< that the defect violates
  };

  std::string name{};
  std::string properties{};   ///< what it checks: "P1 P2"
  std::string description{};  ///< one line
  /// What a search must reach; one that misses any is vacuous. Bodies say `reach("...")`, and a
  /// name that is not here ends the run.
  std::vector<std::string> outcomes{};
  Defect defect{};
  bool misuse = false;  ///< breaks a precondition, so that it must fail under every protocol
  unsigned spins = 0;   ///< how often a thread may pause before it lets the others go first
  Body before{};        ///< first values: init_writer and its likes; no interleaving
  std::vector<Thread> threads{};
  Body after{};  ///< when all threads have ended: sees everything, no interleaving; may be empty

  /// The process of thread `index`: 0 to 3.
  [[nodiscard]] int process_of(std::size_t index) const {
    const int process = threads[index].process;
    return process < 0 ? static_cast<int>(index) : process;
  }
};

/// All scenarios, in the order in which they were linked.
[[nodiscard]] const std::vector<Scenario>& scenarios();
[[nodiscard]] const Scenario* find_scenario(std::string_view name);

/// Adds a scenario to that list: `const AddScenario kCheckClaim({.name = "check-claim", ...});`
struct AddScenario {
  explicit AddScenario(Scenario scenario);
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_SCENARIO_H_
