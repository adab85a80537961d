// An execution that was recorded, for people and for programs.

#ifndef FSQLSHM_RELACY_TRACE_H_
#define FSQLSHM_RELACY_TRACE_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenarios/search.h"
#include "step.h"

namespace fsqlshm::relacy {

struct Trace {
  std::string program = "fsqlshm-relacy";
  std::string replay;                ///< the ReplayId as text
  std::string preemptions;           ///< "at most 2", or "any number"
  std::vector<std::string> threads;  ///< a title for each thread
  std::vector<Step> steps;
  std::optional<harness::FoundViolation> violation;
};

/// Where the last operation is: a path in the repository, and its line. Empty and 0: there is none.
[[nodiscard]] std::string last_file(const Trace& trace);
[[nodiscard]] int last_line(const Trace& trace);

/// A space-time diagram in text: one column a thread, one row a step. Turns of a spin that only
/// repeat the rows before them are folded.
[[nodiscard]] std::string render(const Trace& trace);

/// {"replay", "preemptions", "threads": [title], "violation": {"property", "text"} or null,
///  "steps": [{"step", "thread" (index of its title, -1: before the threads start, -2: after the
///  last ended), "operation", "text",
///             "field", "order", "failure_order", "value", "expected", "found", "success", "stale",
///             "read_step", "newest_step", "file", "line", "function", "note"}]}
/// A step has the keys that apply to its operation. 64-bit words are texts as the diagram shows
/// them; read_step and newest_step are 0 for a word's first value. In the place of steps that only
/// repeat the few before them is {"repeat": how many steps, "period": of so many each, "thread",
/// "until": the number of the last}.
[[nodiscard]] nlohmann::json to_json(const Trace& trace);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_TRACE_H_
