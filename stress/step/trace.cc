#include "stress/step/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "harness/describe.h"

namespace fsqlshm::step {
namespace {

using harness::describe;
using harness::short_name;

std::optional<Field> field_at(const harness::Subject& subject, std::size_t offset) {
  for (const Field field : kAtomicFields) {
    if (subject.offset_of(field) == offset) return field;
  }
  return std::nullopt;
}

std::uint32_t pid_of(std::uint64_t process) {
  return harness::ScenarioExecution::identity(static_cast<int>(process)).pid;
}

std::string cell(const harness::Subject& subject, const Step& step) {
  switch (step.kind) {
    case Step::Kind::kAskAlive:
      return fmt::format("(asks: process {} {})", pid_of(step.before),
                         step.after != 0 ? "lives" : "is dead");
    case Step::Kind::kDie:
      return fmt::format("*** process {} dies", pid_of(step.before));
    case Step::Kind::kNote:
      return step.note;
    case Step::Kind::kAccess:
      break;
  }
  const auto field = field_at(subject, step.offset);
  const std::string name = field ? std::string(short_name(*field))
                                 : fmt::format("bytes {} to {}", step.offset, step.offset + 7);
  const auto value = [&](std::uint64_t word) {
    return field ? describe(*field, word).str() : fmt::format("{:#x}", word);
  };
  if (!step.written) return fmt::format("{} -> {}", name, value(step.before));
  if (!step.read) return fmt::format("{} = {}", name, value(step.after));
  return step.before == step.after
             ? fmt::format("{}: no, it is {}", name, value(step.before))
             : fmt::format("{}: {} => {}", name, value(step.before), value(step.after));
}

std::string place(const SourceLine& line) {
  return line.file.empty() ? "" : fmt::format("{}:{}", harness::source_name(line.file), line.line);
}

std::string row_text(const Step& step, const std::string& text,
                     const std::vector<std::size_t>& widths, SourceLines& lines) {
  std::string row;
  if (step.thread < 0) {
    row = fmt::format("  {}: {}", step.thread == -1 ? "at first" : "at last", text);
  } else {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      row += fmt::format("  {:<{}}", static_cast<int>(i) == step.thread ? text : "", widths[i]);
    }
  }
  if (step.kind == Step::Kind::kAccess) {
    row += fmt::format("  {:<44} {}", step.instruction->text,
                       place(lines.of(step.instruction->address)));
  }
  row.erase(row.find_last_not_of(' ') + 1);
  return row;
}

// Rows from `start` on that only repeat, at least twice, the same few rows before them.
struct Repeat {
  std::size_t rows = 0;
  std::size_t period = 0;
};
Repeat repeated_rows(const Trace& trace, const std::vector<std::string>& cells, std::size_t start) {
  const auto same = [&](std::size_t a, std::size_t b) {
    return trace.steps[a].thread == trace.steps[b].thread && cells[a] == cells[b] &&
           trace.steps[a].instruction == trace.steps[b].instruction;
  };
  for (std::size_t period = 1; period <= 3 && period <= start; ++period) {
    std::size_t rows = 0;
    while (start + rows < cells.size() && same(start + rows, start + rows - period)) ++rows;
    rows -= rows % period;
    if (rows >= 2 * period) return {rows, period};
  }
  return {};
}

std::vector<std::string> all_cells(const Trace& trace, const harness::Subject& subject) {
  std::vector<std::string> cells;
  cells.reserve(trace.steps.size());
  for (const Step& step : trace.steps) cells.push_back(cell(subject, step));
  return cells;
}

std::string_view operation(const Step& step) {
  switch (step.kind) {
    case Step::Kind::kAskAlive:
      return "ask_alive";
    case Step::Kind::kDie:
      return "die";
    case Step::Kind::kNote:
      return "note";
    case Step::Kind::kAccess:
      break;
  }
  return !step.written ? "load" : step.read ? "compare_exchange" : "store";
}

}  // namespace

std::string render(const Trace& trace, const harness::Subject& subject, SourceLines& lines) {
  const std::vector<std::string> cells = all_cells(trace, subject);
  std::vector<std::size_t> widths;
  widths.reserve(trace.threads.size());
  for (const std::string& title : trace.threads) widths.push_back(title.size());
  for (std::size_t row = 0; row < cells.size(); ++row) {
    if (trace.steps[row].thread < 0) continue;
    auto& width = widths[static_cast<std::size_t>(trace.steps[row].thread)];
    width = std::max(width, cells[row].size());
  }
  std::string out = "step";
  for (std::size_t i = 0; i < widths.size(); ++i) {
    out += fmt::format("  {:<{}}", trace.threads[i], widths[i]);
  }
  out += "  instruction and place\n";
  for (std::size_t row = 0; row < cells.size(); ++row) {
    out += fmt::format("{:>4}{}\n", row + 1, row_text(trace.steps[row], cells[row], widths, lines));
    const Repeat repeat = repeated_rows(trace, cells, row + 1);
    if (repeat.rows == 0) continue;
    row += repeat.rows;
    out += fmt::format("      ... the same up to step {} ...\n", row + 1);
  }
  out += trace.violation.property.empty()
             ? "no property was violated\n"
             : fmt::format("violated: {}: {}\n", trace.violation.property, trace.violation.text);
  out += fmt::format("preemptions: {}\nreplay: {}\n", trace.preemptions, trace.replay);
  return out;
}

nlohmann::json to_json(const Trace& trace, const harness::Subject& subject, SourceLines& lines) {
  const std::vector<std::string> cells = all_cells(trace, subject);
  nlohmann::json steps = nlohmann::json::array();
  std::map<std::size_t, std::size_t> last_store;  // by word
  for (std::size_t row = 0; row < cells.size(); ++row) {
    const Step& step = trace.steps[row];
    nlohmann::json entry = {
        {"step", row + 1}, {"thread", step.thread}, {"operation", operation(step)}};
    if (step.kind != Step::Kind::kAccess) {
      entry["note"] = cells[row];
    } else {
      const SourceLine& line = lines.of(step.instruction->address);
      entry["text"] = cells[row];
      entry["order"] = step.instruction->text;
      if (const auto field = field_at(subject, step.offset)) entry["field"] = field_name(*field);
      if (!line.file.empty()) {
        entry["file"] = harness::source_name(line.file);
        entry["line"] = line.line;
        entry["function"] = line.function;
      }
      if (step.read) entry["read_step"] = last_store[step.offset];
      entry["success"] = step.written && step.before != step.after;
      if (step.written && step.before != step.after) last_store[step.offset] = row + 1;
    }
    steps.push_back(std::move(entry));
    const Repeat repeat = repeated_rows(trace, cells, row + 1);
    if (repeat.rows == 0) continue;
    row += repeat.rows;
    steps.push_back({{"repeat", repeat.rows},
                     {"period", repeat.period},
                     {"thread", step.thread},
                     {"until", row + 1}});
  }
  nlohmann::json violation;
  if (!trace.violation.property.empty()) {
    violation = {{"property", trace.violation.property}, {"text", trace.violation.text}};
  }
  return {{"replay", trace.replay},
          {"preemptions", trace.preemptions},
          {"threads", trace.threads},
          {"violation", std::move(violation)},
          {"steps", std::move(steps)}};
}

SourceLine place_of(const Trace& trace, SourceLines& lines) {
  const Step* last = nullptr;
  for (const Step& step : trace.steps) {
    if (step.kind != Step::Kind::kAccess || step.thread < 0) continue;
    const bool changes = step.written && step.before != step.after;
    if (changes || last == nullptr) last = &step;
  }
  return last == nullptr ? SourceLine{} : lines.of(last->instruction->address);
}

}  // namespace fsqlshm::step
