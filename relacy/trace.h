// An execution that was recorded, for people and for programs.

#ifndef FSQLSHM_RELACY_TRACE_H_
#define FSQLSHM_RELACY_TRACE_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model.h"

namespace fsqlshm::relacy {

struct Trace {
  std::string replay;              ///< the ReplayId as text
  std::string preemptions;         ///< "at most 2", or "any number"
  std::vector<std::string> lanes;  ///< a title for each thread
  std::vector<Step> steps;
  std::optional<Violation> violation;
};

/// Lanes: one column a thread, one row a step.
[[nodiscard]] std::string render(const Trace& trace);

/// {"replay", "preemptions", "lanes": [title], "violation": {"property", "text"} or null,
///  "steps": [{"step", "thread" (index of its lane, -1: before the threads start, -2: after the
///  last ended), "operation",
///             "field", "order", "failure_order", "value", "expected", "found", "success", "stale",
///             "read_step", "newest_step", "file", "line", "note"}]}
/// A step has the keys that apply to its operation. 64-bit words are strings, "0x..." or decimal as
/// the lanes show them; read_step and newest_step are 0 for a word's first value.
[[nodiscard]] nlohmann::json to_json(const Trace& trace);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_TRACE_H_
