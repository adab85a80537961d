#include "harness/scenarios/diagram.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/describe.h"
#include "harness/scenarios/execution.h"

namespace fsqlshm::harness {
namespace {

// Rows from `start` on that only repeat, at least twice, the same few rows before them.
struct Repeat {
  std::size_t rows = 0;
  std::size_t period = 0;
};
Repeat repeated_rows(const std::vector<DiagramRow>& rows, std::size_t start) {
  const auto same = [&](const DiagramRow& a, const DiagramRow& b) {
    return a.thread == b.thread && a.text == b.text && a.site == b.site;
  };
  for (std::size_t period = 1; period <= 3 && period <= start; ++period) {
    std::size_t count = 0;
    while (start + count < rows.size() && same(rows[start + count], rows[start + count - period])) {
      ++count;
    }
    count -= count % period;
    if (count >= 2 * period) return {count, period};
  }
  return {};
}

// Columns as wide as they need to be.
std::vector<std::size_t> column_widths(const std::vector<std::string>& threads,
                                       const std::vector<DiagramRow>& rows) {
  std::vector<std::size_t> widths;
  widths.reserve(threads.size());
  for (const std::string& title : threads) widths.push_back(title.size());
  for (const DiagramRow& row : rows) {
    if (row.thread < 0) continue;
    auto& width = widths[static_cast<std::size_t>(row.thread)];
    width = std::max(width, row.text.size());
  }
  return widths;
}

std::string line_of(const DiagramRow& row, const std::vector<std::size_t>& widths) {
  std::string line;
  if (row.thread < 0) {
    line = fmt::format("  {}: {}", row.thread == -1 ? "at first" : "at last", row.text);
  } else {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      line += fmt::format("  {:<{}}", static_cast<int>(i) == row.thread ? row.text : "", widths[i]);
    }
  }
  if (!row.place.empty()) line += "  " + row.place;
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string render_rows(const std::vector<std::string>& threads, std::string_view place_title,
                        const std::vector<DiagramRow>& rows) {
  const std::vector<std::size_t> widths = column_widths(threads, rows);
  std::string out = "step";
  for (std::size_t i = 0; i < widths.size(); ++i) {
    out += fmt::format("  {:<{}}", threads[i], widths[i]);
  }
  out += fmt::format("  {}\n", place_title);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    out += fmt::format("{:>4}{}\n", row + 1, line_of(rows[row], widths));
    const Repeat repeat = repeated_rows(rows, row + 1);
    if (repeat.rows == 0) continue;
    row += repeat.rows;
    out += fmt::format("      ... the same up to step {} ...\n", row + 1);
  }
  return out;
}

nlohmann::json rows_json(const std::vector<DiagramRow>& rows,
                         const std::function<nlohmann::json(std::size_t row)>& entry) {
  nlohmann::json steps = nlohmann::json::array();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    steps.push_back(entry(row));
    const Repeat repeat = repeated_rows(rows, row + 1);
    if (repeat.rows == 0) continue;
    row += repeat.rows;
    steps.push_back({{"repeat", repeat.rows},
                     {"period", repeat.period},
                     {"thread", rows[row].thread},
                     {"until", row + 1}});
  }
  return steps;
}

std::string answer_of_kernel(int process, std::uint64_t birth, bool lives) {
  const ProcessIdentity who = ScenarioExecution::identity(process);
  if (!lives && birth != who.birth) {
    return fmt::format("(kernel: no process {} has {})", who.pid,
                       describe(Field::kSerializedWriterPidBirth, birth).view());
  }
  return fmt::format("(kernel: process {} {})", who.pid, lives ? "lives" : "is dead");
}

}  // namespace fsqlshm::harness
