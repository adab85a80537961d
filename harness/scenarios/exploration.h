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

/// --scenario, --iterations, --shard, --jobs and --minutes; --search if there are several `searches`, the names of
/// those that the engine has; --context-bound for "bounded" and --first-iteration for "random".
[[nodiscard]] std::vector<Option> exploration_options(ExplorationOptions& options,
                                                      const std::vector<std::string>& searches);

/// Adds the options of a search, and commands: each is given alone, without those options or the others.
void add_commands(Program& program, const std::vector<Option>& search,
                  const std::vector<Option>& commands);

/// A line for --list. `defective`: what has the scenario's defect.
void list_scenario(const Scenario& scenario, std::string_view defective);

/// An engine with its subject.
struct Explorer {
  std::string engine;   ///< "relacy"
  std::string subject;  ///< "hardened"
  /// Searches and judges.
  std::function<ScenarioReport(const Scenario&, const SearchBudget&, const Watch&)> search;
};

/// Searches the chosen scenarios, one in each process; each gets its share of what is left of the time.
/// `details` is added to the result document's.
[[nodiscard]] ExitCode explore(const Program& program, const ExplorationOptions& options,
                               const Explorer& explorer,
                               const nlohmann::json& details = nlohmann::json::object());

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_EXPLORATION_H_
