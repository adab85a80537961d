#include "search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "scenario_run.h"

namespace fsqlshm::relacy {

SearchResult search(const Subject& subject, const Scenario& scenario, const Budget& budget,
                    const Watch& watch) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  constexpr std::uint64_t kChunk = 50'000;  // a tenth of a second or so

  ScenarioRun run(subject, scenario);
  SearchResult result;
  RunRequest request = run.request();
  request.search = budget.search;
  request.weakening = budget.weakening;
  request.shard_index = budget.shard_index;
  request.shard_count = budget.shard_count;
  request.first = budget.first;
  request.bound = 0;
  while (true) {
    const std::uint64_t left = budget.iterations - result.executions;
    if (left == 0 || (budget.seconds > 0 && elapsed() >= budget.seconds) ||
        (watch && !watch(result.executions))) {
      break;
    }
    request.count = std::min(kChunk, left);
    const RunReport report = Checker::get().run(request);
    result.executions += report.executions;
    if (report.violated) {
      result.violation = report.violation;
      result.replay = {.protocol = subject.name,
                       .scenario = scenario.name,
                       .search = budget.search,
                       .bound = request.bound,
                       .number = report.last,
                       .path = report.path,
                       .weakening = std::nullopt};
      if (budget.weakening != nullptr) result.replay.weakening = *budget.weakening;
      break;
    }
    request.first += report.executions;
    request.path = report.path;
    request.prefix = report.prefix;
    if (budget.search == Search::kRandom || !report.complete) continue;
    if (budget.search == Search::kFull || request.bound == budget.bound) {
      result.bound_reached = static_cast<int>(request.bound);
      result.complete = true;
      break;
    }
    result.bound_reached = static_cast<int>(request.bound);
    ++request.bound;
    request.path.clear();
    request.prefix = 0;
  }
  if (budget.search == Search::kRandom) {
    result.complete = !result.violation && result.executions == budget.iterations;
    result.next = request.first;
  }
  result.reached = run.reached();
  result.seconds = elapsed();
  return result;
}

std::optional<SearchResult> minimise(const Subject& subject, const Scenario& scenario,
                                     const SearchResult& found, unsigned bound, double seconds) {
  Budget budget{.search = Search::kBounded, .bound = bound, .seconds = seconds};
  if (found.replay.weakening) budget.weakening = &*found.replay.weakening;
  SearchResult smaller = search(subject, scenario, budget);
  if (!smaller.violation) return std::nullopt;
  return smaller;
}

std::expected<Trace, std::string> replay(const ReplayId& id) {
  const Subject* const subject = find_subject(id.protocol);
  if (subject == nullptr) {
    return std::unexpected(fmt::format("there is no protocol \"{}\"", id.protocol));
  }
  const Scenario* const scenario = find_scenario(id.scenario);
  if (scenario == nullptr) {
    return std::unexpected(fmt::format("there is no scenario \"{}\"", id.scenario));
  }
  return replay(*subject, *scenario, id);
}

std::expected<Trace, std::string> replay(const Subject& subject, const Scenario& scenario,
                                         const ReplayId& id) {
  ScenarioRun run(subject, scenario);
  RunRequest request = run.request();
  request.search = id.search;
  request.bound = id.bound;
  request.first = id.number;
  request.path = id.path;
  request.weakening = id.weakening ? &*id.weakening : nullptr;
  request.record = true;
  const RunReport report = Checker::get().run(request);
  if (report.bad_replay) {
    return std::unexpected(
        fmt::format("replay id \"{}\" belongs to another version of the code: it names a choice "
                    "that does not exist",
                    id.text()));
  }
  Trace trace;
  trace.replay = id.text();
  trace.preemptions =
      id.search == Search::kBounded ? fmt::format("at most {}", id.bound) : "any number";
  for (const Scenario::Thread& thread : scenario.threads) trace.threads.push_back(thread.title);
  trace.steps = Checker::get().steps();
  if (report.violated) trace.violation = report.violation;
  return trace;
}

}  // namespace fsqlshm::relacy
