#include "trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "checker.h"
#include "harness/describe.h"
#include "harness/scenarios/diagram.h"

namespace fsqlshm::relacy {
namespace {

using harness::describe;
using harness::DiagramRow;
using harness::order_name;
using harness::short_name;

// The row (from 1) of the step that made store number `store`; 0: before the threads ran.
std::size_t row_of_store(const Trace& trace, std::uint32_t store) {
  const auto it = std::ranges::find(trace.steps, store, &Step::wrote);
  return store == 0 || it == trace.steps.end()
             ? 0
             : static_cast<std::size_t>(it - trace.steps.begin()) + 1;
}

bool is_stale(const Step& step) { return step.op == Op::kLoad && step.read != step.newest; }

std::string orders(const Step& step) {
  if (step.op != Op::kCompareExchange) return std::string(order_name(step.order));
  return fmt::format("{}/{}", order_name(step.order), order_name(step.failure_order));
}

std::string cell(const Trace& trace, const Step& step) {
  const auto value = [&](std::uint64_t v) { return describe(step.field, v).str(); };
  const std::string_view name = short_name(step.field);
  switch (step.op) {
    case Op::kLoad: {
      std::string text = fmt::format("{} -> {}", name, value(step.found));
      if (is_stale(step)) {
        const std::size_t read = row_of_store(trace, step.read);
        text += read == 0
                    ? fmt::format(" STALE: first value, not {}", row_of_store(trace, step.newest))
                    : fmt::format(" STALE: of {}, not {}", read, row_of_store(trace, step.newest));
      }
      return text;
    }
    case Op::kStore:
      return fmt::format("{} = {}", name, value(step.value));
    case Op::kCompareExchange:
      return step.success
                 ? fmt::format("CAS {}: {} => {}", name, value(step.expected), value(step.value))
                 : fmt::format("CAS {}: no, it is {}", name, value(step.found));
    case Op::kFetchAdd:
      return fmt::format("{} += {}: was {}", name, step.value, value(step.found));
    case Op::kAskAlive:
      return harness::answer_of_kernel(static_cast<int>(step.value), step.expected, step.success);
    case Op::kDie:
      return fmt::format("*** process {} dies",
                         Checker::identity(static_cast<int>(step.value)).pid);
    case Op::kNote:
      return step.note.data();
  }
  return "";
}

// The last step that has a place.
const Step* last_operation(const Trace& trace) {
  for (const Step& step : trace.steps | std::views::reverse) {
    if (step.where.line() != 0) return &step;
  }
  return nullptr;
}

bool is_operation(const Step& step) { return step.op <= Op::kFetchAdd; }

std::vector<DiagramRow> all_rows(const Trace& trace) {
  std::vector<DiagramRow> rows;
  rows.reserve(trace.steps.size());
  for (const Step& step : trace.steps) {
    rows.push_back({.thread = step.thread,
                    .text = cell(trace, step),
                    .site = std::to_string(step.where.line())});
    if (!is_operation(step)) continue;
    rows.back().place = fmt::format("{} {}:{}", orders(step), source_name(step.where.file_name()),
                                    step.where.line());
  }
  return rows;
}

nlohmann::json step_json(const Trace& trace, const Step& step, std::size_t row,
                         const std::string& text) {
  nlohmann::json entry = {
      {"step", row + 1}, {"thread", step.thread}, {"operation", op_name(step.op)}};
  if (!is_operation(step)) {
    entry["note"] = text;
    return entry;
  }
  entry["field"] = field_name(step.field);
  entry["order"] = order_name(step.order);
  entry["file"] = source_name(step.where.file_name());
  entry["line"] = step.where.line();
  entry["function"] = function_name(step.where.function_name());
  entry["text"] = text;
  if (step.op != Op::kLoad) entry["value"] = describe(step.field, step.value).view();
  if (step.op != Op::kStore) {
    entry["found"] = describe(step.field, step.found).view();
    entry["read_step"] = row_of_store(trace, step.read);
  }
  if (step.op == Op::kLoad) {
    entry["stale"] = is_stale(step);
    entry["newest_step"] = row_of_store(trace, step.newest);
  }
  if (step.op == Op::kCompareExchange) {
    entry["expected"] = describe(step.field, step.expected).view();
    entry["failure_order"] = order_name(step.failure_order);
    entry["success"] = step.success;
  }
  return entry;
}

}  // namespace

std::string last_file(const Trace& trace) {
  const Step* const step = last_operation(trace);
  if (step == nullptr) return "";
  const std::string_view source = source_name(step->where.file_name());
  const bool whole = source.starts_with("relacy/") || source.starts_with("harness/");
  return whole ? std::string(source) : fmt::format("core/include/fsqlshm/{}", source);
}

int last_line(const Trace& trace) {
  const Step* const step = last_operation(trace);
  return step == nullptr ? 0 : static_cast<int>(step->where.line());
}

std::string render(const Trace& trace) {
  std::string out = harness::render_rows(trace.threads, "order and place", all_rows(trace));
  if (trace.violation) {
    out += fmt::format("violated: {}: {}\n", trace.violation->property, trace.violation->text);
  } else {
    out += "no property was violated\n";
  }
  out += fmt::format("preemptions: {}\nreplay: {} --replay '{}'\n", trace.preemptions,
                     trace.program, trace.replay);
  return out;
}

nlohmann::json to_json(const Trace& trace) {
  const std::vector<DiagramRow> rows = all_rows(trace);
  nlohmann::json steps = harness::rows_json(rows, [&](std::size_t row) {
    return step_json(trace, trace.steps[row], row, rows[row].text);
  });
  nlohmann::json violation;
  if (trace.violation) {
    violation = {{"property", trace.violation->property}, {"text", trace.violation->text}};
  }
  return {{"replay", trace.replay},
          {"preemptions", trace.preemptions},
          {"threads", trace.threads},
          {"violation", std::move(violation)},
          {"steps", std::move(steps)}};
}

}  // namespace fsqlshm::relacy
