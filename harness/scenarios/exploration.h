// The command line of an engine that searches scenarios, and the run of such a search.

#ifndef FSQLSHM_HARNESS_SCENARIOS_EXPLORATION_H_
#define FSQLSHM_HARNESS_SCENARIOS_EXPLORATION_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/jobs.h"
#include "harness/program.h"
#include "harness/scenarios/search.h"

namespace fsqlshm::harness {

struct ExplorationOptions {
  std::string scenario = "all";
  std::string search;
  unsigned context_bound = 0;
  std::uint64_t standard_iterations = 0;  ///< of a random search that has no limit
  std::optional<std::uint64_t> iterations{};
  std::uint64_t first_iteration = 1;
  std::string shard = "1/1";
  unsigned jobs = processors();  ///< processes; what they find and count does not depend on it
  double minutes = 0;
  bool quiet = false;
};

/// --scenario, --iterations, --shard and --minutes; --search if there are several `searches`, the names of
/// those that the engine has; --context-bound for "bounded" and --first-iteration for "random".
[[nodiscard]] std::vector<Option> exploration_options(ExplorationOptions& options,
                                                      const std::vector<std::string>& searches);

/// Adds the options of a search, and commands: each is given alone, without those options or the others.
void add_commands(Program& program, const std::vector<Option>& search,
                  const std::vector<Option>& commands);

/// --jobs, for searches and for what is not among `alone`. REQUIRES: those were added.
[[nodiscard]] Option jobs_option(ExplorationOptions& options, std::vector<std::string> alone);

/// --list, which makes no document.
[[nodiscard]] Option list_option(bool& list, const std::string& help);

/// A line for --list. `defective`: what has the scenario's defect.
void list_scenario(const Scenario& scenario, std::string_view defective);

/// An engine with its subject.
struct Explorer {
  std::string engine;   ///< "relacy"
  std::string subject;  ///< "hardened"
  /// Searches and judges.
  std::function<ScenarioReport(const Scenario&, const SearchBudget&, const Watch&)> search;
  /// Whether a long search of the scenario is done in parts, side by side. Not one that has to find something:
  /// it ends when it has. Empty if the engine has no search in parts.
  std::function<bool(const Scenario&)> divisible{};
  /// Judges anew what all parts together came to, without a violation.
  std::function<void(const Scenario&, const SearchBudget&, ScenarioReport&)> judge{};
};

/// Searches the chosen scenarios, one or a part of one in each process; each gets its share of what is left of the time.
/// `details` is added to the result document's.
[[nodiscard]] ExitCode explore(const Program& program, const ExplorationOptions& options,
                               const Explorer& explorer,
                               const nlohmann::json& details = nlohmann::json::object());

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_EXPLORATION_H_
