// Searching a scenario within a budget, and showing what was found.

#ifndef FSQLSHM_RELACY_SEARCH_H_
#define FSQLSHM_RELACY_SEARCH_H_

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "harness/scenarios/search.h"
#include "replay_id.h"
#include "scenario.h"
#include "trace.h"

namespace fsqlshm::relacy {

using harness::SearchSummary;
using harness::Watch;

struct SearchResult : harness::SearchSummary {
  std::optional<Violation> violation;
  ReplayId replay;  ///< of the violation
};

/// Bounded search goes through 0, 1, ... preemptions, so what it finds is found with the fewest.
[[nodiscard]] SearchResult search(const Subject& subject, const Scenario& scenario,
                                  const Budget& budget, const Watch& watch = {},
                                  const Weakening* weakening = nullptr);

/// Looks for a violation with as few preemptions as possible: those of a bounded search with at
/// most `bound`, within `seconds`. None if it finds none.
[[nodiscard]] std::optional<SearchResult> minimise(const Subject& subject, const Scenario& scenario,
                                                   const SearchResult& found, unsigned bound,
                                                   double seconds);

/// Runs the execution again and records it. The error is a sentence for a person.
[[nodiscard]] std::expected<Trace, std::string> replay(const ReplayId& id);
/// The same on a subject and a scenario that the program does not list.
[[nodiscard]] std::expected<Trace, std::string> replay(const Subject& subject,
                                                       const Scenario& scenario,
                                                       const ReplayId& id);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SEARCH_H_
