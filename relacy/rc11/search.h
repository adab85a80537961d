// Searching all executions of a scenario, and showing what was found.

#ifndef FSQLSHM_RELACY_RC11_SEARCH_H_
#define FSQLSHM_RELACY_RC11_SEARCH_H_

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "relacy/rc11/execution.h"
#include "relacy/rc11/replay_id.h"
#include "relacy/trace.h"

namespace fsqlshm::rc11 {

using harness::find_scenario;
using harness::scenarios;
using relacy::Trace;

struct Subject : harness::ScenarioSubject {
  /// For one search, whose outcomes it counts.
  std::unique_ptr<Header> (*make_header)(GraphExecution& execution, const Scenario& scenario);
};

/// hardened, reference and the mutants.
[[nodiscard]] const std::vector<Subject>& subjects();
[[nodiscard]] const Subject* find_subject(std::string_view name);

using Budget = harness::SearchBudget;
using harness::Watch;

/// What a search is told besides.
struct Extra {
  const Weakening* weakening = nullptr;
  /// Executions after the first violation in which a smaller one is looked for, 2^40 at most.
  std::uint64_t minimise = 0;
};

struct SearchResult : harness::SearchSummary {
  std::uint64_t judged = 0;  ///< orders of the executions' steps
  std::uint64_t visits = 0;  ///< see Explorer
  std::uint64_t unfair = 0;
  std::optional<Violation> violation{};
  ReplayId replay{};  ///< of the violation
};

/// Goes on until it has met the violation that a subject must show, if it must. The one that is shown is
/// the smallest that was met: fewest steps, then fewest context switches.
[[nodiscard]] SearchResult search(const Subject& subject, const Scenario& scenario,
                                  const Budget& budget = {}, const Watch& watch = {},
                                  const Extra& extra = {});

/// Runs the execution again and records it. The error is a sentence for a person.
[[nodiscard]] std::expected<Trace, std::string> replay(const ReplayId& id);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_SEARCH_H_
