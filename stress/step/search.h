// Searching a scenario on a subject within a budget, in a child process: a subject may break anything.

#ifndef FSQLSHM_STRESS_STEP_SEARCH_H_
#define FSQLSHM_STRESS_STEP_SEARCH_H_

#include <chrono>
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "harness/scenarios/scenario.h"
#include "harness/scenarios/search.h"
#include "harness/subject.h"
#include "stress/step/choices.h"
#include "stress/step/execution.h"

namespace fsqlshm::step {

using Budget = harness::SearchBudget;

/// How the subject is run.
struct Manner {
  bool reduce = true;                                            ///< see Choices
  std::chrono::nanoseconds patience = std::chrono::seconds(10);  ///< with a subject that hangs
};

/// Which execution. As text SCENARIO/EXECUTION.
struct ReplayId {
  std::string scenario;
  harness::ExecutionId execution{};

  [[nodiscard]] std::string text() const;
  /// The error is a sentence for a person.
  [[nodiscard]] static std::expected<ReplayId, std::string> parse(std::string_view text);
};

/// What shows the execution again, to be pasted into a shell.
[[nodiscard]] std::string replay_command(const harness::Subject& subject, const ReplayId& id);

/// A violation with its execution.
struct Found {
  Violation violation;
  ReplayId replay;
  std::string detail;    ///< the space-time diagram as text
  nlohmann::json trace;  ///< see trace.h
  std::string file;  ///< of the last step that is known: relative to the repository, if it is there
  int line = 0;
};

struct SearchResult : harness::SearchSummary {
  std::uint64_t cut = 0;  ///< executions that ended in a state that was met before
  std::uint64_t steps = 0;
  std::uint64_t deaths = 0;
  std::uint64_t states = 0;
  std::optional<Found> found{};
  std::string refusal{};  ///< why the subject cannot be stepped; empty if it can
};

/// Bounded search goes through 0, 1, ... preemptions. A crash, a hang and an execution that violates a
/// property are all `found`.
[[nodiscard]] SearchResult search(const harness::Subject& subject, const Scenario& scenario,
                                  const Budget& budget, const Manner& manner = {});
/// Only this execution, which is `found` whatever it does; its property is empty if it violates none.
[[nodiscard]] SearchResult replay(const harness::Subject& subject, const Scenario& scenario,
                                  const ReplayId& id);

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_SEARCH_H_
