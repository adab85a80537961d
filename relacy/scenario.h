// Scenarios: what the threads of an execution do to a header, and what a search of them must reach.
// Subjects: the protocols that they run against.

#ifndef FSQLSHM_RELACY_SCENARIO_H_
#define FSQLSHM_RELACY_SCENARIO_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "header.h"

namespace fsqlshm::relacy {

/// Nothing in it may allocate, and what a thread does while it may die must need no destructor.
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
};

/// The scenarios that run against every protocol, in the order in which they were linked.
[[nodiscard]] const std::vector<Scenario>& scenarios();
[[nodiscard]] const Scenario* find_scenario(std::string_view name);

/// Adds a scenario to that list: `const AddScenario kCheckClaim({.name = "check-claim", ...});`
struct AddScenario {
  explicit AddScenario(Scenario scenario);
};

struct Subject {
  std::string name;
  std::string description;
  /// For one search, whose outcomes it counts.
  std::unique_ptr<Header> (*make_header)(const Scenario& scenario);
  /// A mutant: this scenario must notice ...
  std::string caught_by{};
  /// ... that a property whose name starts like this does not hold.
  std::string caught_property{};

  [[nodiscard]] bool is_mutant() const noexcept { return !caught_by.empty(); }
};

/// hardened, reference and the mutants.
[[nodiscard]] const std::vector<Subject>& subjects();
[[nodiscard]] const Subject* find_subject(std::string_view name);

/// Whether this scenario has to end in a violation on this subject.
[[nodiscard]] bool must_fail(const Subject& subject, const Scenario& scenario);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SCENARIO_H_
