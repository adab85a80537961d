#include "stress/crash_points.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "fsqlshm/shm_file.h"
#include "harness/describe.h"
#include "harness/properties/execution.h"
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
    std::vector<std::string> moments;   // by name
    std::vector<std::string> outcomes;  // one a point
    std::string completed;              // what was observed after a death when all was done
    std::string alive;                  // and what before that
  };
  // Prints and judges a row for each operation, and adds them to details[`name`]; the numbers of
  // points and of moments. `what` the moments are: "atomic step".
  std::pair<std::uint64_t, std::uint64_t> run(const std::vector<Operation>& operations,
                                              const std::string& name, std::string_view what) {
    harness::Progress progress("crash points", std::chrono::seconds(0), setting_.quiet);
    fmt::print("Death before each {} ({}).\n", what, Protocol::kName);
    noun_ = what.substr(what.find(' ') + 1);
    std::uint64_t points = 0;
    std::uint64_t moments = 0;
    nlohmann::json rows = nlohmann::json::array();
    for (const Operation& operation : operations) {
      if (harness::stop_requested()) break;
      progress.update(operation.name);
      const Row row = attack(operation);
      judge(operation, row);
      fmt::print("  {:<40} {:>2} {}s: {}\n", operation.name, row.moments.size(), noun_,
                 summary(row));
      points += row.outcomes.size();
      moments += row.moments.size();
      rows.push_back({{"operation", operation.name},
                      {"steps", row.moments.size()},
                      {"moments", row.moments},
                      {"outcomes", row.outcomes},
                      {"completed", row.completed},
                      {"alive", row.alive}});
    }
    fmt::print("{} points for {} {}s.\n\n", points, moments, what);
    result_.details[name] = std::move(rows);
    return {points, moments};
  }

 private:
  // One death at each moment, until the operation comes to its end before it.
  Row attack(const Operation& operation) {
    Row row;
    for (std::uint64_t k = 1; k <= MomentLog::kMax && !harness::stop_requested(); ++k) {
      const Kept keeper = prepare(operation);
      StruckProcess process(operation.run, path_, k, sends_itself(SIGKILL));
      const harness::ChildState end = process.wait();
      if (!end.died_of(SIGKILL) && !end.exited()) {
        find("coverage", fmt::format("{}: the process {}", operation.name, end.text()), "");
        break;
      }
      const std::string outcome = look_at_what_is_left(operation, k);
      if (end.exited()) {
        row.completed = outcome;
        const auto& log = process.log();
        row.moments.assign(log.names.begin(), log.names.begin() + static_cast<int>(log.count));
        row.alive = observe_alive(operation);
        break;
      }
      row.outcomes.push_back(outcome);
    }
    return row;
  }

  [[nodiscard]] Kept prepare(const Operation& operation) const {
    for (const auto& entry : fs::directory_iterator(folder_)) fs::remove(entry);
    return operation.prepare(path_);
  }

  std::string look_at_what_is_left(const Operation& operation, std::uint64_t k) {
    const auto left = read_header_bytes(path_);
    // As after the death of everybody else too.
    const fs::path copy = folder_ / "copy.db.fsqlite-shm";
    if (fs::exists(path_)) fs::copy_file(path_, copy);
    const auto judge = [&](std::string_view property, const std::string& trouble) {
      if (trouble.empty()) return;
      find(property, fmt::format("{}: {} after a death", operation.name, trouble),
           fmt::format("before {} {}\n{}", noun_, k, left ? harness::header_table(*left) : ""),
           defect_of(trouble));
    };
    std::string outcome = operation.observe(path_);
    judge(harness::kP4, newcomer_trouble<Protocol>(path_));
    judge(kFirstOpener, first_opener_trouble(copy));
    return outcome;
  }

  // When its work is done and its process lives.
  std::string observe_alive(const Operation& operation) {
    const Kept keeper = prepare(operation);
    StruckProcess process(operation.run, path_, 0, {}, true);
    if (const harness::ChildState state = process.wait(); !state.stopped()) return state.text();
    return operation.observe(path_);
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
      find(harness::kP4, fmt::format("{}: {} after a death", operation.name, seen[k]),
           fmt::format("before {} {}; allowed: {}\n", noun_, k + 1,
                       fmt::join(operation.outcomes, ", then ")),
           defect_of(seen[k]));
      return;
    }
    const std::string_view alive =
        operation.alive.empty() ? operation.outcomes.back() : operation.alive;
    if (row.alive != alive) {
      find(harness::kP1, fmt::format("{}: {} while its process lives", operation.name, row.alive),
           fmt::format("expected: {}\n", alive));
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
    const auto last = std::find(row.moments.rbegin(), row.moments.rend(), operation.turns_after);
    return has_turned == (static_cast<std::ptrdiff_t>(k) >= row.moments.rend() - last);
  }

  // "6 x ok; completed: ok, while it lives: busy until the lease ends"
  static std::string summary(const Row& row) {
    std::string text;
    for (std::size_t i = 0; i < row.outcomes.size();) {
      std::size_t j = i;
      while (j < row.outcomes.size() && row.outcomes[j] == row.outcomes[i]) ++j;
      text += fmt::format("{}{} x {}", text.empty() ? "" : ", ", j - i, row.outcomes[i]);
      i = j;
    }
    text += "; completed: " + row.completed;
    return row.alive == row.completed ? text : text + ", while it lives: " + row.alive;
  }

  static std::string_view defect_of(std::string_view outcome) {
    return std::is_same_v<Protocol, ReferenceProtocol> && outcome == kBusyForEver ? "D2" : "";
  }

  void find(std::string_view property, std::string title, std::string detail,
            std::string_view defect = "") {
    result_.findings.push_back({.severity = "violation",
                                .property = std::string(property),
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

template <class Protocol>
void run_all(const Setting& setting, Result& result) {
  const auto dir = RunDir::make(setting.dir);
  if (!dir) {
    result.could_not_run = dir.error();
    return;
  }
  CrashPoints<Protocol> points(setting, dir->path() / "points", result);
  const auto [deaths, steps] =
      points.run(header_operations<Protocol>(dir->path() / "trial"), "crash_points", "atomic step");
  const auto [creation_deaths, calls] = points.run(file_operations(), "creation", "system call");
  const std::uint64_t stops = run_stop_points<Protocol>(dir->path(), result);
  fold_findings(result);
  result.counts = {{"crash_points", deaths},
                   {"atomic_steps", steps},
                   {"creation_points", creation_deaths},
                   {"system_calls", calls},
                   {"stop_points", stops}};
  result.headline =
      fmt::format("{} crash, {} creation and {} stop points", deaths, creation_deaths, stops);
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
