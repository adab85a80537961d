#include "stress/crash_points.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/describe.h"
#include "harness/run.h"
#include "stress/findings.h"
#include "stress/moments.h"
#include "stress/operations.h"
#include "stress/run_dir.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;
namespace fs = std::filesystem;

// Deaths at every moment of a table of operations.
template <class Protocol>
class CrashPoints {
 public:
  CrashPoints(const Setting& setting, fs::path folder, Result& result)
      : setting_(setting), folder_(std::move(folder)), result_(result) {
    fs::create_directory(folder_);
  }

  struct Row {
    std::string operation;
    std::vector<std::string> moments;   // by name
    std::vector<std::string> outcomes;  // one a point
    std::string completed;              // what was observed without a death
  };
  struct Table {
    std::vector<Row> rows;
    std::uint64_t points = 0;
    std::uint64_t moments = 0;
  };

  // `what` the moments are: "atomic step".
  Table run(const std::vector<Operation>& operations, std::string_view what) {
    noun_ = what.substr(what.find(' ') + 1);
    harness::Progress progress("crash points", std::chrono::seconds(0), setting_.quiet);
    fmt::print("Death before each {} ({}).\n", what, Protocol::kName);
    Table table;
    for (const Operation& operation : operations) {
      if (harness::stop_requested()) break;
      progress.update(operation.name);
      Row row = attack(operation);
      judge(operation, row);
      fmt::print("  {:<40} {:>2} {}s: {}\n", operation.name, row.moments.size(), noun_,
                 summary(row));
      table.points += row.outcomes.size();
      table.moments += row.moments.size();
      table.rows.push_back(std::move(row));
    }
    fmt::print("{} points for {} {}s.\n\n", table.points, table.moments, what);
    return table;
  }

 private:
  // One death at each moment, until the operation comes to its end before it.
  Row attack(const Operation& operation) {
    Row row;
    row.operation = operation.name;
    for (std::uint64_t k = 1; k <= MomentLog::kMax && !harness::stop_requested(); ++k) {
      for (const auto& entry : fs::directory_iterator(folder_)) fs::remove(entry);
      operation.prepare(path_);
      StruckProcess process(operation.run, path_, k, sends_itself(SIGKILL));
      const harness::ChildState end = process.wait();
      if (!end.died_of(SIGKILL) && !end.exited()) {
        find("coverage", fmt::format("{}: the process {}", operation.name, end.text()), "");
        break;
      }
      const auto left = read_header_bytes(path_);
      const std::string outcome = operation.observe(path_);
      if (const std::string trouble = newcomer_trouble<Protocol>(path_); !trouble.empty()) {
        find("P4 crash", fmt::format("{}: {} after a death", operation.name, trouble),
             fmt::format("before {} {}\n{}", noun_, k, left ? harness::header_table(*left) : ""),
             defect_of(trouble));
      }
      if (end.exited()) {
        row.completed = outcome;
        const auto& log = process.log();
        row.moments.assign(log.names.begin(), log.names.begin() + static_cast<int>(log.count));
        break;
      }
      row.outcomes.push_back(outcome);
    }
    return row;
  }

  // Every moment had its death, and what was observed is a walk through the allowed outcomes: all of
  // them, never back.
  void judge(const Operation& operation, const Row& row) {
    if (harness::stop_requested()) return;
    if (row.outcomes.size() != row.moments.size()) {
      find("coverage", fmt::format("{}: the points are not as many as the moments", operation.name),
           fmt::format("{} points, {} moments", row.outcomes.size(), row.moments.size()));
      return;
    }
    std::vector<std::string> seen = row.outcomes;
    seen.push_back(row.completed);
    std::size_t at = 0;
    for (std::size_t k = 0; k < seen.size(); ++k) {
      if (seen[k] != operation.outcomes[at] && at + 1 < operation.outcomes.size()) ++at;
      if (seen[k] == operation.outcomes[at] && turned(operation, row, k, at > 0)) continue;
      find("P4 crash", fmt::format("{}: {} after a death", operation.name, seen[k]),
           fmt::format("before {} {}; allowed: {}\n", noun_, k + 1,
                       fmt::join(operation.outcomes, ", then ")),
           defect_of(seen[k]));
      return;
    }
    if (at + 1 != operation.outcomes.size()) {
      result_.findings.push_back(
          {.severity = "vacuous",
           .property = "reaches what it exists for",
           .title = fmt::format("{}: never \"{}\"", operation.name, operation.outcomes[at + 1]),
           .file = "stress/crash_points.cc"});
    }
  }

  // Whether the first outcome made way at the moment where it must, if that is given, as far as the
  // first `k` moments tell.
  static bool turned(const Operation& operation, const Row& row, std::size_t k, bool has_turned) {
    if (operation.turns_after.empty()) return true;
    const auto end = row.moments.begin() + static_cast<std::ptrdiff_t>(k);
    return has_turned == (std::find(row.moments.begin(), end, operation.turns_after) != end);
  }

  // "3 x old, 4 x none; completed: new"
  static std::string summary(const Row& row) {
    std::string text;
    for (std::size_t i = 0; i < row.outcomes.size();) {
      std::size_t j = i;
      while (j < row.outcomes.size() && row.outcomes[j] == row.outcomes[i]) ++j;
      text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", j - i, row.outcomes[i]);
      i = j;
    }
    return text + "; completed: " + row.completed;
  }

  static std::string_view defect_of(std::string_view outcome) {
    return std::is_same_v<Protocol, ReferenceProtocol> && outcome == kBusyForEver ? "D2" : "";
  }

  void find(std::string property, std::string title, std::string detail,
            std::string_view defect = "") {
    result_.findings.push_back({.severity = "violation",
                                .property = std::move(property),
                                .defect = std::string(defect),
                                .title = std::move(title),
                                .detail = std::move(detail),
                                .file = "stress/crash_points.cc"});
  }

  const Setting& setting_;
  fs::path folder_;
  fs::path path_ = folder_ / "crash.db.fsqlite-shm";
  Result& result_;
  std::string_view noun_;  // "step"
};

nlohmann::json steps_json(const auto& rows) {
  nlohmann::json table = nlohmann::json::array();
  for (const auto& row : rows) {
    table.push_back({{"operation", row.operation},
                     {"steps", row.moments.size()},
                     {"outcomes", row.outcomes},
                     {"completed", row.completed}});
  }
  return table;
}

nlohmann::json calls_json(const auto& rows) {
  nlohmann::json table = nlohmann::json::array();
  for (const auto& row : rows) {
    nlohmann::json calls = nlohmann::json::array();
    for (std::size_t k = 0; k < row.outcomes.size(); ++k) {
      calls.push_back({{"call", row.moments[k]}, {"outcome", row.outcomes[k]}});
    }
    table.push_back({{"way", row.operation}, {"calls", std::move(calls)}});
  }
  return table;
}

template <class Protocol>
void run_all(const Setting& setting, Result& result) {
  const auto dir = RunDir::make(setting.dir);
  if (!dir) {
    result.could_not_run = dir.error();
    return;
  }
  CrashPoints<Protocol> points(setting, dir->path() / "points", result);
  const auto steps = points.run(header_operations<Protocol>(dir->path() / "trial"), "atomic step");
  const auto calls = points.run(creations(), "system call");
  run_stop_points<Protocol>(dir->path(), result);
  fold_findings(result);
  result.counts.update({{"crash_points", steps.points},
                        {"atomic_steps", steps.moments},
                        {"creation_points", calls.points},
                        {"system_calls", calls.moments}});
  result.details["crash_points"] = steps_json(steps.rows);
  result.details["creation"] = calls_json(calls.rows);
  result.headline = fmt::format("{} crash, {} creation and {} stop points", steps.points,
                                calls.points, result.counts.value("stop_points", 0));
}

}  // namespace

void run_crash_points(const Setting& setting, Result& result) {
  if (setting.reference) {
    run_all<ReferenceProtocol>(setting, result);
    if (setting.expect_defects) expect_defects(result, {"D2", "D3", "D5", "D6"});
  } else {
    run_all<HardenedProtocol>(setting, result);
  }
  if (harness::stop_requested() && !result.could_not_run) {
    result.could_not_run = "interrupted before every point was tried";
  }
}

}  // namespace fsqlshm::stress
