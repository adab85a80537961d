#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "harness/child.h"
#include "harness/run.h"
#include "stress/findings.h"
#include "stress/operations.h"
#include "stress/run_dir.h"
#include "stress/runner.h"

namespace fsqlshm::stress {
namespace {

using harness::Result;

// The results of rounds, as one.
class Rounds {
 public:
  explicit Rounds(Result& all) : all_(all) {}

  void add(Result&& one) {
    ++count_;
    add_rows(one.details["over_time"]);
    recovered_ += one.details.value("recovered", std::uint64_t{0});
    for (const auto& [name, count] : one.counts.items()) {
      all_.counts[name] = all_.counts.value(name, std::uint64_t{0}) + count.get<std::uint64_t>();
    }
    seconds_ += one.details.value("run_seconds", 0.0);
    found_ = !one.findings.empty();
    std::ranges::move(one.findings, std::back_inserter(all_.findings));
    all_.could_not_run = std::move(one.could_not_run);
    all_.headline = std::move(one.headline);
    all_.details.update(one.details);
  }
  [[nodiscard]] std::uint64_t kills() const { return all_.counts.value("kills", std::uint64_t{0}); }
  [[nodiscard]] bool another(const RunConfig& config) const {
    return config.until == Until::kTime && found_ && all_.exit_code() == harness::kExitClean &&
           !harness::stop_requested() && (config.kills == 0 || kills() < config.kills);
  }
  void finish(const RunConfig& config) {
    if (harness::stop_requested() && !all_.could_not_run && seconds_ < config.seconds) {
      all_.could_not_run =
          fmt::format("interrupted after {:.1f} of {:g} s", seconds_, config.seconds);
    }
    if (count_ > 1) {
      all_.headline = fmt::format("{} rounds: {}", count_, headline_of(all_.counts));
    }
    all_.counts["rounds"] = count_;
    all_.details["run_seconds"] = seconds_;
    all_.details["over_time"] = rows_;
    all_.details["recovered"] = recovered_;
    fold_findings(all_);
    judge_wants(config, all_);
  }

 private:
  // A round counts from zero.
  void add_rows(nlohmann::json& rows) {
    for (nlohmann::json& row : rows) {
      for (const auto& [name, value] : row.items()) {
        if (name == "seconds") {
          value = value.get<double>() + seconds_;
        } else {
          value = value.get<std::uint64_t>() + all_.counts.value(name, std::uint64_t{0});
        }
      }
      thin(rows_);
      rows_.push_back(std::move(row));
    }
  }

  Result& all_;
  std::vector<nlohmann::json> rows_;
  std::uint64_t recovered_ = 0;
  std::uint64_t count_ = 0;
  double seconds_ = 0;
  bool found_ = false;
};

void run_stress_on_file(const RunConfig& config, const RunDir& dir, Result& result) {
  WorkerConfig worker = config.worker;
  worker.file = dir.path() / "stress.db.fsqlite-shm";
  worker.reports = dir.path() / "tsan";
  auto file = ShmFile::create(worker.file);
  if (!file) throw std::runtime_error(file.error().message());
  {
    const harness::Shared<ControlBlock> control;
    const auto subject = run_on_file(*file, worker.file, worker.reference);
    run_workers(config, worker, *control, *subject, result);
    judge_wants(config, result);
  }
  // Now nobody has the file open.
  if (!file->close()) throw std::runtime_error("cannot close the file");
  if (const std::string trouble = first_opener_trouble(worker.file); !trouble.empty()) {
    result.findings.push_back({.severity = "violation",
                               .property = std::string(kFirstOpener),
                               .title = "after the run: " + trouble,
                               .file = "stress/runner.cc"});
  }
}

// What an expected finding ends is followed by another round, on a new header.
void run_stress_on_subject(const RunConfig& config, const RunDir& dir,
                           const harness::Subject& subject, Result& result) {
  RunConfig round = config;
  round.worker.only_of_the_header();
  round.worker.file = dir.path() / "stress";  // beside it: the lock of the movers of the horizon
  round.worker.reports = dir.path() / "tsan";
  const std::uint64_t start = now_ns();
  Rounds rounds(result);
  do {
    const harness::Shared<ControlBlock> control;
    const SubjectGround ground(subject, control->kills);
    round.worker.subject = &ground;
    Result one("stress", subject.name());
    run_workers(round, round.worker, *control, *run_on_subject(ground), one);
    rounds.add(std::move(one));
    ++round.worker.seed;
    const double passed = static_cast<double>(now_ns() - start) / 1e9;
    if (config.seconds > 0) round.seconds = config.seconds - passed;
    if (config.kills > 0) round.kills = config.kills - std::min(config.kills, rounds.kills());
  } while (rounds.another(config) && (config.seconds == 0 || round.seconds > 0));
  round.seconds = config.seconds;
  round.kills = config.kills;
  rounds.finish(round);
}

}  // namespace

void run_stress(const RunConfig& config, Result& result) {
  if (config.worker.threads().size() > kMaxThreads) {
    result.could_not_run = fmt::format("more than {} threads in a worker", kMaxThreads);
    return;
  }
  const auto dir = RunDir::make(config.dir);
  if (!dir) {
    result.could_not_run = dir.error();
    return;
  }
  try {
    if (config.subject != nullptr) {
      run_stress_on_subject(config, *dir, *config.subject, result);
    } else {
      run_stress_on_file(config, *dir, result);
    }
  } catch (const std::runtime_error& error) {  // also: no process could be started
    result.could_not_run = error.what();
  }
}

}  // namespace fsqlshm::stress
