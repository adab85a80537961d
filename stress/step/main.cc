// fsqlshm-step: explores the interleavings of compiled code, access by access.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "harness/program.h"
#include "harness/run.h"
#include "stress/step/report.h"

namespace fsqlshm::step {
namespace {

using harness::ExitCode;
using harness::Program;

struct Options {
  bool list = false;
  std::string subject;
  std::string scenario = "all";
  std::string search = "bounded";
  unsigned context_bound = kStandardBound;
  std::optional<std::uint64_t> iterations;
  std::uint64_t first_iteration = 1;
  std::string shard = "1/1";
  double minutes = 0;
  bool no_reduction = false;
  std::string replay;
  bool quiet = false;
};

ExitCode list() {
  for (const Scenario& scenario : harness::scenarios()) {
    fmt::print("{:<30} {} threads. {} [{}]", scenario.name, scenario.threads.size(),
               scenario.description, scenario.properties);
    if (!scenario.defect.name.empty()) fmt::print(" Finds {}.", scenario.defect.name);
    fmt::print("\n");
  }
  return harness::kExitClean;
}

Budget budget_of(const Options& options, const harness::Shard& shard) {
  Budget budget{.bound = options.context_bound, .reduce = !options.no_reduction};
  if (options.search == "random") {
    budget.search = Search::kRandom;
    // Without a limit each shard has numbers of its own, 2^40 of them at most.
    const std::uint64_t total = options.iterations.value_or(
        options.minutes > 0 ? std::uint64_t{1} << 40U : kStandardIterations);
    const harness::Shard::Range range = shard.range(total);
    budget.first = options.first_iteration + range.first;
    budget.iterations = range.last - range.first;
  } else {
    budget.iterations = options.iterations.value_or(~std::uint64_t{0});
    budget.part = {.index = shard.index - 1, .count = shard.count};
  }
  return budget;
}

// Searches the chosen scenarios one after the other; each gets its share of what is left of the time.
class Exploration {
 public:
  Exploration(const Options& options, const harness::Subject& subject, const Budget& budget,
              std::vector<const Scenario*> chosen)
      : subject_(subject),
        budget_(budget),
        chosen_(std::move(chosen)),
        seconds_(options.minutes * 60),
        progress_("step", std::chrono::duration<double>(seconds_), options.quiet),
        result_("step", subject.name()) {
    result_.seed = options.first_iteration;
    if (options.minutes > 0) result_.budget["seconds"] = seconds_;
    if (options.iterations) result_.budget["iterations"] = *options.iterations;
    result_.details["subject"] = subject.describe();
    result_.details["search"] = options.search;
    if (budget.search == Search::kBounded) result_.details["context_bound"] = budget.bound;
    result_.details["scenarios"] = nlohmann::json::array();
  }

  harness::Result run() {
    for (const Scenario* const scenario : chosen_) {
      if (harness::stop_requested() || result_.could_not_run) break;
      explore(*scenario);
      ++done_;
    }
    result_.counts = {
        {"executions", executions_}, {"steps", steps_}, {"deaths", deaths_}, {"scenarios", done_}};
    const double elapsed = std::max(progress_.elapsed(), 1e-3);
    result_.headline = fmt::format("{} executions, {} steps, {}/s", executions_, steps_,
                                   harness::human(static_cast<double>(steps_) / elapsed));
    if (harness::stop_requested()) {
      result_.could_not_run =
          fmt::format("stopped after {} of {} scenarios", done_, chosen_.size());
    } else if (!result_.could_not_run && executions_ == 0) {
      result_.could_not_run = "this part of the budget is empty";
    }
    return std::move(result_);
  }

 private:
  void explore(const Scenario& scenario) {
    if (seconds_ > 0) {
      budget_.seconds = std::max(
          0.01, (seconds_ - progress_.elapsed()) / static_cast<double>(chosen_.size() - done_));
    }
    progress_.update(
        fmt::format("scenario {} of {}: {}", done_ + 1, chosen_.size(), scenario.name));
    SearchResult found = search(subject_, scenario, budget_);
    executions_ += found.executions;
    steps_ += found.accesses;
    deaths_ += found.deaths;
    if (!found.refusal.empty()) {
      result_.could_not_run = fmt::format("{}: {}", scenario.name, found.refusal);
      return;
    }
    ScenarioReport report =
        judge_search(subject_, scenario, std::move(found), budget_, harness::stop_requested(), 10);
    print(scenario, report);
    result_.details["scenarios"].push_back(to_json(scenario, report));
    if (report.finding) result_.findings.push_back(*std::move(report.finding));
  }

  void print(const Scenario& scenario, const ScenarioReport& report) const {
    const SearchResult& it = report.result;
    const double per_second = it.seconds > 0 ? static_cast<double>(it.accesses) / it.seconds : 0;
    fmt::print("{:<9} {:<29} {:>8} executions, {:>9} steps, {:>7}/s, {:>6.2f} s{}\n", report.status,
               scenario.name, it.executions, it.accesses, harness::human(per_second), it.seconds,
               budget_.search == Search::kRandom
                   ? ""
                   : (it.bound_reached < 0 ? std::string(", no bound explored to its end")
                                           : fmt::format(", bound {}{}", it.bound_reached,
                                                         it.complete ? "" : " (not the next)")));
    if (report.finding) fmt::print("\n{}\n{}\n", report.finding->title, report.finding->detail);
    std::fflush(stdout);
  }

  const harness::Subject& subject_;
  Budget budget_;
  std::vector<const Scenario*> chosen_;
  double seconds_;
  harness::Progress progress_;
  harness::Result result_;
  std::uint64_t executions_ = 0;
  std::uint64_t steps_ = 0;
  std::uint64_t deaths_ = 0;
  std::uint64_t done_ = 0;
};

ExitCode replay_one(const Program& program, const harness::Subject& subject,
                    const Options& options) {
  const auto id = ReplayId::parse(options.replay);
  if (!id) return program.refuse(id.error());
  const Scenario* const scenario = harness::find_scenario(id->scenario);
  if (scenario == nullptr) {
    return program.refuse(fmt::format("there is no scenario \"{}\"", id->scenario));
  }
  const SearchResult shown = replay(subject, *scenario, *id);
  if (!shown.refusal.empty() || !shown.found) return program.refuse(shown.refusal);
  fmt::print("{}", shown.found->detail);
  harness::Result result("step", subject.name());
  result.details["subject"] = subject.describe();
  if (!shown.found->violation.property.empty()) {
    result.findings.push_back(finding_of(subject, *scenario, *shown.found));
    // As asked for: what is found here is found, expected or not.
    result.findings.back().severity = "violation";
  }
  return program.finish(result);
}

ExitCode explore(const Program& program, const harness::Subject& subject, const Options& options) {
  std::vector<const Scenario*> chosen;
  if (options.scenario == "all") {
    for (const Scenario& scenario : harness::scenarios()) {
      chosen.push_back(&scenario);
    }
  } else if (const Scenario* const one = harness::find_scenario(options.scenario)) {
    chosen.push_back(one);
  } else {
    return program.refuse(
        fmt::format("there is no scenario \"{}\"; --list names them", options.scenario));
  }
  const auto shard = harness::Shard::parse(options.shard);
  if (!shard) return program.refuse(shard.error());
  Exploration exploration(options, subject, budget_of(options, *shard), std::move(chosen));
  return program.finish(exploration.run());
}

ExitCode run(const Program& program, const Options& options) {
  if (options.list) return list();
  if (options.subject.empty()) return program.refuse("--subject FILE is required");
  const auto subject = harness::Subject::load(options.subject);
  if (!subject) return program.refuse(subject.error());
  if (program.given("--replay")) return replay_one(program, *subject, options);
  return explore(program, *subject, options);
}

std::vector<harness::Option> search_options(Options& o) {
  using namespace harness;  // NOLINT(google-build-using-namespace): the checks below
  return {
      {"--scenario", &o.scenario, "which scenario, or all"},
      {"--search", &o.search, "bounded: every execution with few preemptions; or random",
       one_of({"bounded", "random"})},
      {"--context-bound", &o.context_bound, "preemptions at most, for --search bounded",
       whole_number(0, 100)},
      {"--iterations", &o.iterations,
       "executions of each scenario at most (random: 20000 if --minutes is not given)",
       whole_number(1)},
      {"--first-iteration", &o.first_iteration,
       "number of the first random execution; each number is another execution", whole_number(1)},
      {"--shard", &o.shard, "I/N: do only part I of N, for several machines"},
      {"--minutes", &o.minutes, "time for all scenarios together, 0.5 is 30 s",
       number(0, kMostSeconds / 60)},
      {"--no-reduction", &o.no_reduction, "also explore what follows a state that was met before"}};
}

int start(int argc, char** argv) {
  Options options;
  harness::Program program(
      "fsqlshm-step",
      "Explores the interleavings of compiled code: a shared object that exports fsqlshm.h is run\n"
      "access by access to its header.\n"
      "Exit status: 0 everything as expected, 1 a violation (or a defect that had to be found\n"
      "and was not), 2 could not run. With --replay: 0 no violation, 1 a violation.");
  program.add({.name = "--subject",
               .target = &options.subject,
               .help = "the shared object",
               .check = harness::existing_file()});
  std::vector<std::string> excluded;
  for (const harness::Option& option : search_options(options)) {
    program.add(option);
    excluded.push_back(option.name);
  }
  program.add({.name = "--replay",
               .target = &options.replay,
               .help = "show the one execution that has this id",
               .needs = {"--subject"},
               .excludes = excluded});
  program.add({.name = "--list", .target = &options.list, .help = "name the scenarios"});
  program.add_documents();
  program.add({"--quiet", &options.quiet, "no progress lines"});
  return program.run(argc, argv, [&] { return run(program, options); });
}

}  // namespace
}  // namespace fsqlshm::step

int main(int argc, char** argv) { return fsqlshm::step::start(argc, argv); }
