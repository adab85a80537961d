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

// A search that is not over after so many executions is done in so many parts. Counts and findings
// depend on these two, and not on --jobs.
constexpr std::uint64_t kShort = 5000;
constexpr std::uint64_t kParts = 16;

// What a process does at a time: a whole search, or a part of it.
struct Piece {
  std::size_t scenario = 0;
  std::uint64_t part = 0;
  std::uint64_t parts = 1;
};

// Adds what another part of a search came to. None before it had a violation.
void merge(ScenarioReport& all, ScenarioReport part) {
  SearchSummary& sum = all.summary;
  sum.executions += part.summary.executions;
  sum.seconds += part.summary.seconds;
  sum.complete = sum.complete && part.summary.complete;
  sum.bound_reached = std::min(sum.bound_reached, part.summary.bound_reached);
  for (std::size_t i = 0; i < sum.reached.size(); ++i) sum.reached[i] += part.summary.reached[i];
  for (std::size_t i = 0; i < all.counts.size(); ++i) all.counts[i].second += part.counts[i].second;
  all.status = part.status;
  all.finding = std::move(part.finding);
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
        rows_(chosen_.size()),
        most_jobs_(options.jobs),
        shard_(options.shard),
        progress_(explorer.engine, std::chrono::duration<double>(seconds_), options.quiet),
        result_(explorer.engine, explorer.subject) {
    result_.seed = options.first_iteration;
    if (options.minutes > 0) result_.budget["seconds"] = seconds_;
    if (options.iterations) result_.budget["iterations"] = *options.iterations;
    // A bounded search with a limit hardly ever ends: there a scenario has its share of the time.
    may_split_ =
        !options.iterations && (budget.search == Search::kFull ||
                                (budget.search == Search::kBounded && options.minutes == 0));
    result_.details = details;
    result_.details["search"] = options.search;
    if (budget.search == Search::kBounded) result_.details["context_bound"] = budget.bound;
    result_.details["scenarios"] = nlohmann::json::array();
  }

  Result run() {
    std::vector<Piece> pieces(chosen_.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) pieces[i].scenario = i;
    search(pieces);
    pieces.clear();
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      if (!rows_[i].in_parts) continue;
      for (std::uint64_t part = 0; part < kParts; ++part) pieces.push_back({i, part, kParts});
    }
    search(pieces);
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      if (!rows_[i].searched) continue;
      if (!rows_[i].judged) judge(i);  // the run was interrupted
      add(*chosen_[i], std::move(rows_[i].report));
    }
    sum_up();
    return std::move(result_);
  }

 private:
  // What is known of a scenario.
  struct Row {
    ScenarioReport report{};
    bool searched = false;  // there is a report
    bool in_parts = false;
    std::uint64_t parts = 0;  // that are in the report
    bool judged = false;
  };

  // In the order of the pieces, side by side if there are to be several jobs.
  void search(const std::vector<Piece>& pieces) {
    jobs_ = static_cast<unsigned>(std::min<std::size_t>(most_jobs_, pieces.size()));
    if (jobs_ <= 1) {
      for (std::size_t i = 0; i < pieces.size() && !stop_requested(); ++i) {
        take_in(pieces[i], search(pieces[i], pieces.size() - i));
      }
      return;
    }
    // A child begins where this process is when it is forked, and knows the time that is left.
    harness::run({.count = pieces.size(),
                  .at_once = jobs_,
                  .work =
                      [&](std::size_t i) {
                        // A Child ignores signals; a search that is ended has to know.
                        install_stop_handler();
                        return pack(search(pieces[i], pieces.size() - i));
                      },
                  .done = [&](std::size_t i, Made made) { take_in(pieces[i], std::move(made)); },
                  .go_on = [this] { return show_progress(); }});
  }

  // `waiting`: pieces that are left, with this one.
  ScenarioReport search(const Piece& piece, std::size_t waiting) {
    if (rows_[piece.scenario].judged) return {};  // a part before has a violation
    const Scenario& scenario = *chosen_[piece.scenario];
    SearchBudget budget = budget_;
    budget.shard.index += budget.shard.count * piece.part;
    budget.shard.count *= piece.parts;
    if (seconds_ > 0) {
      const double share = std::min(1.0, jobs_ / static_cast<double>(waiting));
      budget.seconds = std::max(0.01, (seconds_ - progress_.elapsed()) * share);
    }
    std::uint64_t before = 0;
    const auto watch = [&](std::uint64_t so_far) {
      *at_work_ += so_far - std::exchange(before, so_far);
      return jobs_ <= 1 ? show_progress(&scenario) : !stop_requested();
    };
    (void)watch(0);
    std::optional<ScenarioReport> report;
    if (may_be_split(scenario) && piece.parts == 1) {
      SearchBudget little = budget;
      little.iterations = kShort;
      report = explorer_.search(scenario, little, watch);
    }
    // A violation is worth the budget for a smaller one.
    if (!report || report->finding) report = explorer_.search(scenario, budget, watch);
    *at_work_ += report->summary.executions - before;
    return *std::move(report);
  }

  [[nodiscard]] bool may_be_split(const Scenario& scenario) const {
    return may_split_ && explorer_.divisible && explorer_.divisible(scenario);
  }

  void take_in(const Piece& piece, Made made) {
    if (made) return take_in(piece, unpack(*made));
    could_not(piece, "the process " + made.error());
  }

  void could_not(const Piece& piece, const std::string& why) {  // the others go on
    rows_[piece.scenario] = {.judged = true};
    if (result_.could_not_run) return;
    result_.could_not_run = fmt::format("{}: {}", chosen_[piece.scenario]->name, why);
  }

  void take_in(const Piece& piece, ScenarioReport report) {
    Row& row = rows_[piece.scenario];
    if (row.judged) return;
    if (!report.refusal.empty()) return could_not(piece, report.refusal);
    if (piece.parts == 1) {
      row.in_parts = may_be_split(*chosen_[piece.scenario]) && !report.finding &&
                     !report.summary.complete && !stop_requested();
      row.report = std::move(report);
      row.searched = true;
      if (!row.in_parts) judge(piece.scenario);
      return;
    }
    if (row.parts++ == 0) {
      row.report = std::move(report);
    } else {
      merge(row.report, std::move(report));
    }
    if (row.report.finding || row.parts == piece.parts) judge(piece.scenario);
  }

  void judge(std::size_t number) {
    Row& row = rows_[number];
    ScenarioReport& report = row.report;
    row.judged = true;
    if (row.in_parts && !report.finding) {
      if (row.parts != 0 && row.parts < kParts) {
        report.summary.complete = false;
        report.summary.bound_reached = -1;
      }
      explorer_.judge(*chosen_[number], budget_, report);
    }
    if (report.status != Status::kStopped) ++done_;
    print(*chosen_[number], report, budget_);
  }

  void add(const Scenario& scenario, ScenarioReport report) {
    executions_ += report.summary.executions;
    complete_ += report.summary.complete ? 1 : 0;
    for (const auto& [name, count] : report.counts) counts_[name] += count;
    result_.details["scenarios"].push_back(to_json(scenario, report));
    if (report.finding) {
      result_.findings.push_back(*std::move(report.finding));
    } else if (report.status == Status::kClean) {
      result_.passed.push_back(scenario.name);
    }
  }

  void sum_up() {
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
  std::vector<Row> rows_;
  unsigned most_jobs_;
  unsigned jobs_ = 1;  // at once, now
  bool may_split_ = false;
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
    command.excludes.insert(command.excludes.end(), others.begin(), others.end());
    program.add(command);
    others.push_back(command.name);
  }
}

Option jobs_option(ExplorationOptions& options, std::vector<std::string> alone) {
  return {.name = "--jobs",
          .target = &options.jobs,
          .help = "processes side by side (default: one for each processor)",
          .check = whole_number(1, kMostJobs),
          .excludes = std::move(alone)};
}

Option list_option(bool& list, const std::string& help) {
  return {.name = "--list", .target = &list, .help = help, .excludes = {"--json", "--junit"}};
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
