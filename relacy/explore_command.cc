#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "commands.h"
#include "harness/run.h"

namespace fsqlshm::relacy {
namespace {

std::string reach_text(const SearchResult& result, const Budget& budget) {
  if (budget.search == Search::kFull) return result.complete ? ", to its end" : ", not to its end";
  if (budget.search == Search::kRandom) return "";
  return result.bound_reached < 0 ? ", no bound explored to its end"
                                  : fmt::format(", bound {}{}", result.bound_reached,
                                                result.complete ? "" : " (not the next)");
}

void print_report(const Scenario& scenario, const ScenarioReport& report, const Budget& budget) {
  const SearchResult& result = report.result;
  const double per_second =
      result.seconds > 0 ? static_cast<double>(result.executions) / result.seconds : 0;
  fmt::print("{:<9} {:<29} {:>9} executions, {:>8}/s{}\n", to_string(report.status), scenario.name,
             result.executions, harness::human(per_second), reach_text(result, budget));
  if (report.finding) fmt::print("\n{}\n{}\n", report.finding->title, report.finding->detail);
  std::fflush(stdout);
}

Budget budget_of(const Options& options, const harness::Shard& shard) {
  Budget budget{.bound = options.context_bound};
  if (options.search == "random") {
    // Without a limit each shard has numbers of its own, 2^40 of them at most.
    const std::uint64_t total = options.iterations.value_or(
        options.minutes > 0 ? std::uint64_t{1} << 40 : kStandardIterations);
    const harness::Shard::Range range = shard.range(total);
    budget.first = options.first_iteration + range.first;
    budget.iterations = range.last - range.first;
  } else {
    budget.search = options.search == "full" ? Search::kFull : Search::kBounded;
    budget.iterations = options.iterations.value_or(~std::uint64_t{0});
    budget.shard_index = shard.index - 1;
    budget.shard_count = shard.count;
  }
  return budget;
}

harness::Result empty_result(const Options& options, const Subject& subject, const Budget& budget) {
  harness::Result result("relacy", subject.name);
  result.seed = options.first_iteration;
  if (options.minutes > 0) result.budget["seconds"] = options.minutes * 60;
  if (options.iterations) result.budget["iterations"] = *options.iterations;
  result.details["search"] = options.search;
  if (budget.search == Search::kBounded) result.details["context_bound"] = budget.bound;
  result.details["scenarios"] = nlohmann::json::array();
  return result;
}

// Searches the chosen scenarios one after the other; each gets its share of what is left of the
// time.
class Exploration {
 public:
  Exploration(const Options& options, const Subject& subject, const Budget& budget,
              std::vector<const Scenario*> chosen)
      : subject_(subject),
        budget_(budget),
        chosen_(std::move(chosen)),
        seconds_(options.minutes * 60),
        progress_("relacy", std::chrono::duration<double>(seconds_), options.quiet),
        result_(empty_result(options, subject, budget)) {}

  harness::Result run() {
    for (const Scenario* const scenario : chosen_) {
      if (harness::stop_requested()) break;
      explore(*scenario);
      ++done_;
    }
    result_.counts = {{"executions", executions_}, {"scenarios", done_}};
    if (harness::stop_requested()) {
      result_.could_not_run =
          fmt::format("stopped after {} of {} scenarios", done_, chosen_.size());
    } else if (executions_ == 0) {
      result_.could_not_run = fmt::format("shard {}/{} of this budget is empty",
                                          budget_.shard_index + 1, budget_.shard_count);
    }
    return std::move(result_);
  }

 private:
  void explore(const Scenario& scenario) {
    if (seconds_ > 0) {
      budget_.seconds = std::max(
          0.01, (seconds_ - progress_.elapsed()) / static_cast<double>(chosen_.size() - done_));
    }
    SearchResult found = search(subject_, scenario, budget_, [&](std::uint64_t so_far) {
      show_progress(scenario, executions_ + so_far);
      return !harness::stop_requested();
    });
    executions_ += found.executions;
    const bool stopped = harness::stop_requested() && !found.violation;
    ScenarioReport report =
        stopped ? ScenarioReport{.status = Status::kStopped, .result = std::move(found)}
                : judge_search(subject_, scenario, std::move(found), budget_, 20);
    print_report(scenario, report, budget_);
    result_.details["scenarios"].push_back(to_json(scenario, report));
    if (report.finding) result_.findings.push_back(*std::move(report.finding));
  }

  void show_progress(const Scenario& scenario, std::uint64_t executions) {
    const double elapsed = progress_.elapsed();
    const auto all = static_cast<double>(executions);
    progress_.update(fmt::format("scenario {} of {}: {}, {} executions, {}/s", done_ + 1,
                                 chosen_.size(), scenario.name, harness::human(all),
                                 harness::human(elapsed > 0 ? all / elapsed : 0)));
  }

  const Subject& subject_;
  Budget budget_;
  std::vector<const Scenario*> chosen_;
  double seconds_;
  harness::Progress progress_;
  harness::Result result_;
  std::uint64_t executions_ = 0;
  std::uint64_t done_ = 0;
};

}  // namespace

harness::ExitCode explore(const harness::Program& program, const Options& options) {
  const Subject* const subject = find_subject(options.protocol);
  if (subject == nullptr) {
    return program.refuse(
        fmt::format("there is no protocol \"{}\"; --list names them", options.protocol));
  }
  std::vector<const Scenario*> chosen;
  if (options.scenario == "all") {
    for (const Scenario& scenario : scenarios()) chosen.push_back(&scenario);
  } else if (const Scenario* const one = find_scenario(options.scenario)) {
    chosen.push_back(one);
  } else {
    return program.refuse(
        fmt::format("there is no scenario \"{}\"; --list names them", options.scenario));
  }
  const auto shard = harness::Shard::parse(options.shard);
  if (!shard) return program.refuse(shard.error());
  Exploration exploration(options, *subject, budget_of(options, *shard), std::move(chosen));
  return program.finish(exploration.run());
}

}  // namespace fsqlshm::relacy
