// What every search of a scenario has: a budget, a name for each execution, what the search came to and
// what that means. Engines add what is their own.

#ifndef FSQLSHM_HARNESS_SCENARIOS_SEARCH_H_
#define FSQLSHM_HARNESS_SCENARIOS_SEARCH_H_

#include <cstdint>
#include <expected>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/result.h"
#include "harness/run.h"
#include "harness/scenarios/scenario.h"

namespace fsqlshm::harness {

enum class Search : std::uint8_t {
  kRandom,   ///< the n-th execution is a function of n
  kBounded,  ///< all executions with at most `bound` preemptions, for 0, 1, ...
  kFull,     ///< all executions
};

/// One choice of a tree search: `index` of `limit` possibilities; the limit is 0 if it is not known.
struct Choice {
  std::uint8_t limit = 0;
  std::uint8_t index = 0;
};

struct SearchBudget {
  Search search = Search::kBounded;
  unsigned bound = 2;                            ///< kBounded: preemptions at most
  std::uint64_t iterations = ~std::uint64_t{0};  ///< executions at most
  std::uint64_t first = 1;                       ///< kRandom: number of the first
  Shard shard{};                                 ///< the others: this part of the tree
  double seconds = 0;                            ///< 0: no limit
};

/// Called now and then with the executions so far; false ends the search.
using Watch = std::function<bool(std::uint64_t executions)>;

/// The place of one execution in a search. As text random/NUMBER, boundN/CHOICES or full/CHOICES, where
/// a choice is a digit or a small letter and trailing zeros are left out.
struct ExecutionId {
  Search search = Search::kRandom;
  unsigned bound = 0;
  std::uint64_t number = 1;
  std::vector<Choice> path{};

  [[nodiscard]] std::string text() const;
  /// The error is a clause for a person: "no execution number".
  [[nodiscard]] static std::expected<ExecutionId, std::string> parse(std::string_view text);
};

/// Splits off what comes before `separator`; the whole if it is not there.
[[nodiscard]] std::string_view take(std::string_view& text, char separator);

/// A property that did not hold.
struct FoundViolation {
  std::string property{};  ///< "P1 exclusion"
  std::string text{};      ///< what happened, for a person
  std::string defect{};    ///< the defect of `reference` that shows like this, or empty
};

struct SearchSummary {
  std::uint64_t executions = 0;
  std::uint64_t next = 1;  ///< kRandom: the number to go on with
  double seconds = 0;
  bool complete = false;                 ///< the search came to its end
  int bound_reached = -1;                ///< kBounded: explored to the end with so many preemptions
  std::vector<std::uint64_t> reached{};  ///< per outcome of the scenario
};

/// Whether a search without a violation was long enough that what it did not reach is the scenario's
/// fault: a whole search with at least `bound` preemptions, or so many random executions.
[[nodiscard]] bool long_enough(const SearchSummary& summary, const SearchBudget& budget,
                               unsigned bound, std::uint64_t iterations);

enum class Status : std::uint8_t {
  kClean,
  kViolated,
  kKnown,    ///< a violation that had to be found
  kVacuous,  ///< an outcome was never reached
  kMissed,   ///< a violation that had to be found and was not
  kStopped,  ///< the search did not have its time
};
[[nodiscard]] std::string_view to_string(Status status) noexcept;

struct ScenarioReport {
  Status status = Status::kClean;
  SearchSummary summary{};
  std::vector<std::pair<std::string, std::uint64_t>> counts{};  ///< the engine's own
  std::optional<Finding> finding{};
  std::string refusal{};  ///< why this cannot be searched at all; or empty
};

/// A violation that a search must come by: what it is called, and the property.
struct Required {
  std::string name;  ///< "D3", or a mutant
  std::string property;
  std::string defect{};  ///< "D3" or empty
};

/// The finding of a violation, without what shows it again.
[[nodiscard]] Finding violation_finding(const Scenario& scenario, const FoundViolation& violation,
                                        std::string_view defect, std::string_view severity);
/// Status and finding of a search without a violation. `must_reach`: see long_enough.
void judge_clean(const Scenario& scenario, std::string_view subject,
                 const std::optional<Required>& required, bool must_reach, ScenarioReport& report);

/// A row of `scenarios` in the result document's details: {name, properties, status, threads,
/// executions, seconds, complete, bound_reached (-1: none), next_iteration, outcomes: {name: count}} and
/// the engine's own counts. The status is "clean", "violated", "known", "vacuous", "missed" or "stopped".
[[nodiscard]] nlohmann::json to_json(const Scenario& scenario, const ScenarioReport& report);

/// A report as bytes for another process of this program, and back.
[[nodiscard]] std::string pack(const ScenarioReport& report);
[[nodiscard]] ScenarioReport unpack(std::string_view bytes);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_SEARCH_H_
