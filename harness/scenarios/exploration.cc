#include "harness/scenarios/exploration.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <utility>

#include "harness/child.h"
#include "harness/run.h"

namespace fsqlshm::harness {
namespace {

std::string reach_text(const SearchSummary& summary, const SearchBudget& budget) {
  const auto& [index, count] = budget.shard;
  if (count > 1) {
    return fmt::format(", part {} of {}{}", index, count,
                       summary.complete ? "" : ", not to its end");
  }
  if (budget.search == Search::kFull) return summary.complete ? ", to its end" : ", not to its end";
  if (budget.search == Search::kRandom) return "";
  return summary.bound_reached < 0 ? ", no bound explored to its end"
                                   : fmt::format(", bound {}{}", summary.bound_reached,
                                                 summary.complete ? "" : " (not the next)");
}

void print(const Scenario& scenario, const ScenarioReport& report, const SearchBudget& budget) {
  const SearchSummary& it = report.summary;
  const double per_second = it.seconds > 0 ? static_cast<double>(it.executions) / it.seconds : 0;
  fmt::print("{:<9} {:<29} {:>9} executions, {:>8}/s", to_string(report.status), scenario.name,
             it.executions, human(per_second));
  for (const auto& [name, count] : report.counts) fmt::print(", {:>8} {}", count, name);
  fmt::print("{}\n", reach_text(it, budget));
  if (report.finding) fmt::print("\n{}\n{}\n", report.finding->title, report.finding->detail);
  std::fflush(stdout);
}

Search search_of(std::string_view name) {
  return name == "random" ? Search::kRandom : name == "full" ? Search::kFull : Search::kBounded;
}

SearchBudget budget_of(const ExplorationOptions& options, const Shard& shard) {
  SearchBudget budget{.search = search_of(options.search), .bound = options.context_bound};
  if (budget.search == Search::kRandom) {
    // Without a limit each shard has numbers of its own, 2^40 of them at most.
    const std::uint64_t total = options.iterations.value_or(
        options.minutes > 0 ? std::uint64_t{1} << 40U : options.standard_iterations);
    const Shard::Range range = shard.range(total);
    budget.first = options.first_iteration + range.first;
    budget.iterations = range.last - range.first;
  } else {
    budget.iterations = options.iterations.value_or(~std::uint64_t{0});
    budget.shard = shard;
  }
  return budget;
}

class Exploration {
 public:
  Exploration(const ExplorationOptions& options, const Explorer& explorer,
              const SearchBudget& budget, std::vector<const Scenario*> chosen,
              const nlohmann::json& details)
      : explorer_(explorer),
        budget_(budget),
        chosen_(std::move(chosen)),
        seconds_(options.minutes * 60),
        jobs_(static_cast<unsigned>(std::min<std::size_t>(options.jobs, chosen_.size()))),
        shard_(options.shard),
        progress_(explorer.engine, std::chrono::duration<double>(seconds_), options.quiet),
        result_(explorer.engine, explorer.subject) {
    result_.seed = options.first_iteration;
    if (options.minutes > 0) result_.budget["seconds"] = seconds_;
    if (options.iterations) result_.budget["iterations"] = *options.iterations;
    result_.details = details;
    result_.details["search"] = options.search;
    if (budget.search == Search::kBounded) result_.details["context_bound"] = budget.bound;
    result_.details["scenarios"] = nlohmann::json::array();
  }

  Result run() {
    if (jobs_ == 1) {
      for (std::size_t i = 0; i < chosen_.size() && !stop_requested(); ++i) take_in(i, search(i));
    } else {
      // A child begins where this process is when it is forked, and knows the time that is left.
      harness::run(
          {.count = chosen_.size(),
           .at_once = jobs_,
           .work = [this](std::size_t i) { return pack(search(i)); },
           .done = [this](std::size_t i, Made made) { return take_in(i, std::move(made)); },
           .go_on = [this] { return show_progress(); }});
    }
    result_.counts["executions"] = executions_;
    result_.counts["scenarios"] = done_;
    for (const auto& [name, count] : counts_) result_.counts[name] = count;
    fmt::print("{} executions of {} scenarios", executions_, done_);
    if (budget_.search == Search::kFull) {
      result_.counts["complete_searches"] = complete_;
      fmt::print(", {} searched to the end", complete_);
    }
    fmt::print("{}\n", shard_ == "1/1" ? "" : fmt::format(", part {}", shard_));
    if (stop_requested()) {
      result_.could_not_run =
          fmt::format("stopped after {} of {} scenarios", done_, chosen_.size());
    } else if (!result_.could_not_run && executions_ == 0 && result_.findings.empty()) {
      result_.could_not_run = fmt::format("shard {} of this budget is empty", shard_);
    }
    return std::move(result_);
  }

 private:
  ScenarioReport search(std::size_t number) {
    const Scenario& scenario = *chosen_[number];
    SearchBudget budget = budget_;
    if (seconds_ > 0) {
      const auto waiting = static_cast<double>(chosen_.size() - number);
      const double share = std::min(1.0, jobs_ / waiting);
      budget.seconds = std::max(0.01, (seconds_ - progress_.elapsed()) * share);
    }
    std::uint64_t before = 0;
    const auto watch = [&](std::uint64_t so_far) {
      *at_work_ += so_far - std::exchange(before, so_far);
      return jobs_ == 1 ? show_progress(&scenario) : !stop_requested();
    };
    (void)watch(0);
    ScenarioReport report = explorer_.search(scenario, budget, watch);
    *at_work_ += report.summary.executions - before;
    return report;
  }

  void take_in(std::size_t number, Made made) {
    if (made) return take_in(number, unpack(*made));
    could_not(number, "the process " + made.error());
  }

  void could_not(std::size_t number, const std::string& why) {  // the others go on
    if (result_.could_not_run) return;
    result_.could_not_run = fmt::format("{}: {}", chosen_[number]->name, why);
  }

  void take_in(std::size_t number, ScenarioReport report) {
    const Scenario& scenario = *chosen_[number];
    if (!report.refusal.empty()) return could_not(number, report.refusal);
    if (report.status != Status::kStopped) ++done_;
    executions_ += report.summary.executions;
    complete_ += report.summary.complete ? 1 : 0;
    for (const auto& [name, count] : report.counts) counts_[name] += count;
    print(scenario, report, budget_);
    result_.details["scenarios"].push_back(to_json(scenario, report));
    if (report.finding) {
      result_.findings.push_back(*std::move(report.finding));
    } else if (report.status == Status::kClean) {
      result_.passed.push_back(scenario.name);
    }
  }

  // `scenario`: the one at work, if there is only one at a time. False if the run is to end.
  bool show_progress(const Scenario* scenario = nullptr) {
    const double elapsed = progress_.elapsed();
    const auto all = static_cast<double>(at_work_->load());
    progress_.update(fmt::format(
        "{} of {} scenarios{}, {} executions, {}/s", done_, chosen_.size(),
        scenario != nullptr ? fmt::format(", {}", scenario->name) : fmt::format(", {} jobs", jobs_),
        human(all), human(elapsed > 0 ? all / elapsed : 0)));
    return !stop_requested();
  }

  const Explorer& explorer_;
  SearchBudget budget_;
  std::vector<const Scenario*> chosen_;
  double seconds_;
  unsigned jobs_;
  std::string shard_;
  Progress progress_;
  Result result_;
  Shared<std::atomic<std::uint64_t>> at_work_;  // executions, also of searches that go on
  std::uint64_t executions_ = 0;
  std::uint64_t complete_ = 0;
  std::uint64_t done_ = 0;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace

std::vector<Option> exploration_options(ExplorationOptions& o,
                                        const std::vector<std::string>& searches) {
  const auto has = [&](std::string_view search) {
    return std::ranges::find(searches, search) != searches.end();
  };
  std::vector<Option> options = {{"--scenario", &o.scenario, "which scenario, or all"}};
  if (searches.size() > 1) {
    options.push_back(
        {"--search", &o.search,
         fmt::format("{} (bounded: every execution with few preemptions; full: every execution)",
                     fmt::join(searches, ", ")),
         one_of(searches)});
  }
  if (has("bounded")) {
    options.push_back({"--context-bound", &o.context_bound,
                       "preemptions at most, for --search bounded", whole_number(0, 100)});
  }
  options.push_back({"--iterations", &o.iterations,
                     "executions of each scenario at most" +
                         (has("random") ? fmt::format(" (random: {} if --minutes is not given)",
                                                      o.standard_iterations)
                                        : std::string()),
                     whole_number(1)});
  if (has("random")) {
    options.push_back({"--first-iteration", &o.first_iteration,
                       "number of the first random execution; each number is another execution",
                       whole_number(1)});
  }
  options.push_back({"--shard", &o.shard, "I/N: do only part I of N, for several machines"});
  options.push_back({"--jobs", &o.jobs,
                     "processes, each for a scenario at a time (default: one for each processor)",
                     whole_number(1, kMostJobs)});
  options.push_back({"--minutes", &o.minutes, "time for all scenarios together, 0.5 is 30 s",
                     number(0, kMostSeconds / 60)});
  return options;
}

void add_commands(Program& program, const std::vector<Option>& search,
                  const std::vector<Option>& commands) {
  std::vector<std::string> others;
  for (const Option& option : search) {
    program.add(option);
    others.push_back(option.name);
  }
  for (Option command : commands) {
    command.excludes = others;
    // It makes no document.
    if (command.name == "--list")
      command.excludes.insert(command.excludes.end(), {"--json", "--junit"});
    program.add(command);
    others.push_back(command.name);
  }
}

void list_scenario(const Scenario& scenario, std::string_view defective) {
  fmt::print("{:<30} {} threads. {} [{}]", scenario.name, scenario.threads.size(),
             scenario.description, scenario.properties);
  if (!scenario.defect.name.empty()) {
    fmt::print(" Finds {} in {}.", scenario.defect.name,
               scenario.misuse ? "every protocol" : defective);
  }
  fmt::print("\n");
}

ExitCode explore(const Program& program, const ExplorationOptions& options,
                 const Explorer& explorer, const nlohmann::json& details) {
  std::vector<const Scenario*> chosen;
  if (options.scenario == "all") {
    for (const Scenario& scenario : scenarios()) chosen.push_back(&scenario);
  } else if (const Scenario* const one = find_scenario(options.scenario)) {
    chosen.push_back(one);
  } else {
    return program.refuse(
        fmt::format("there is no scenario \"{}\"; --list names them", options.scenario));
  }
  const auto shard = Shard::parse(options.shard);
  if (!shard) return program.refuse(shard.error());
  Exploration exploration(options, explorer, budget_of(options, *shard), std::move(chosen),
                          details);
  return program.finish(exploration.run());
}

}  // namespace fsqlshm::harness
