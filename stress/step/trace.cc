#include "stress/step/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "harness/describe.h"
#include "harness/scenarios/diagram.h"

namespace fsqlshm::step {
namespace {

using harness::describe;
using harness::DiagramRow;
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
      return harness::answer_of_kernel(static_cast<int>(step.before), step.asked, step.after != 0);
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

std::vector<DiagramRow> all_rows(const Trace& trace, const harness::Subject& subject,
                                 SourceLines& lines) {
  std::vector<DiagramRow> rows;
  rows.reserve(trace.steps.size());
  for (const Step& step : trace.steps) {
    rows.push_back({.thread = step.thread, .text = cell(subject, step)});
    if (step.kind != Step::Kind::kAccess) continue;
    const std::uintptr_t address = step.instruction->address;
    const std::string where = place(lines.of(address));
    rows.back().place = fmt::format("{:<44} {}", step.instruction->text, where);
    // A loop that the compiler unrolled has several instructions for one line.
    rows.back().site = where.empty() ? fmt::format("{:#x}", address) : where;
  }
  return rows;
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
  std::string out =
      harness::render_rows(trace.threads, "instruction and place", all_rows(trace, subject, lines));
  out += trace.violation.property.empty()
             ? "no property was violated\n"
             : fmt::format("violated: {}: {}\n", trace.violation.property, trace.violation.text);
  out += fmt::format("preemptions: {}\nreplay: {}\n", trace.preemptions, trace.replay);
  return out;
}

nlohmann::json to_json(const Trace& trace, const harness::Subject& subject, SourceLines& lines) {
  const std::vector<DiagramRow> rows = all_rows(trace, subject, lines);
  std::map<std::size_t, std::size_t> last_store;  // by word
  nlohmann::json steps = harness::rows_json(rows, [&](std::size_t row) {
    const Step& step = trace.steps[row];
    nlohmann::json entry = {
        {"step", row + 1}, {"thread", step.thread}, {"operation", operation(step)}};
    if (step.kind != Step::Kind::kAccess) {
      entry["note"] = rows[row].text;
    } else {
      const SourceLine& line = lines.of(step.instruction->address);
      entry["text"] = rows[row].text;
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
    return entry;
  });
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
