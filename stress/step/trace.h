// An execution that was recorded, for people and for programs.

#ifndef FSQLSHM_STRESS_STEP_TRACE_H_
#define FSQLSHM_STRESS_STEP_TRACE_H_

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/subject.h"
#include "stress/step/execution.h"
#include "stress/step/source_lines.h"

namespace fsqlshm::step {

struct Trace {
  std::vector<std::string> threads;  ///< a title for each
  std::string replay;                ///< the command
  std::string preemptions;           ///< "at most 2"
  Violation violation;               ///< its property is empty if there is none
  std::vector<Step> steps;
};

/// A space-time diagram in text: a column a thread, a row a step, then the instruction and its line.
[[nodiscard]] std::string render(const Trace& trace, const harness::Subject& subject,
                                 SourceLines& lines);

/// {"replay", "preemptions", "threads": [title], "violation": {"property", "text"},
///  "steps": [{"step", "thread" (-1: before the threads start, -2: after the last ended), "operation",
///             "text", "field", "order" (the instruction), "found", "value", "success", "file", "line",
///             "function", "note"}]}, as relacy/trace.h has it: the report draws both.
[[nodiscard]] nlohmann::json to_json(const Trace& trace, const harness::Subject& subject,
                                     SourceLines& lines);

/// Where the last access was that changed a word, or else the last one.
[[nodiscard]] SourceLine place_of(const Trace& trace, SourceLines& lines);

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_TRACE_H_
