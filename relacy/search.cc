#include "search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace fsqlshm::relacy {

SearchResult search(const Subject& subject, const Scenario& scenario, const Budget& budget,
                    const Watch& watch, const Weakening* weakening) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  constexpr std::uint64_t kChunk = 50'000;  // a tenth of a second or so

  const auto header = subject.make_header(scenario);
  SearchResult result;
  Position position;
  Budget part = budget;
  part.bound = 0;
  while (true) {
    const std::uint64_t left = budget.iterations - result.executions;
    if (left == 0 || (budget.seconds > 0 && elapsed() >= budget.seconds) ||
        (watch && !watch(result.executions))) {
      break;
    }
    part.iterations = std::min(kChunk, left);
    RunReport report =
        Checker::get().run(scenario, *header, part, position, Keep::kNothing, weakening);
    result.executions += report.executions;
    part.first += report.executions;
    if (report.violation) {
      result.violation = std::move(report.violation);
      result.replay = {.protocol = subject.name,
                       .scenario = scenario.name,
                       .execution = {.search = budget.search,
                                     .bound = part.bound,
                                     .number = report.last,
                                     .path = position.path}};
      if (weakening != nullptr) result.replay.weakening = *weakening;
      break;
    }
    if (budget.search == Search::kRandom || !report.complete) continue;
    result.bound_reached = static_cast<int>(part.bound);
    result.complete = budget.search == Search::kFull || part.bound == budget.bound;
    if (result.complete) break;
    ++part.bound;
    position = {};
  }
  if (budget.search == Search::kRandom) {
    result.complete = !result.violation && result.executions == budget.iterations;
    result.next = part.first;
  }
  result.reached = header->reached();
  result.seconds = elapsed();
  return result;
}

std::optional<SearchResult> minimise(const Subject& subject, const Scenario& scenario,
                                     const SearchResult& found, unsigned bound, double seconds) {
  const auto& weakening = found.replay.weakening;
  SearchResult smaller =
      search(subject, scenario, {.search = Search::kBounded, .bound = bound, .seconds = seconds},
             {}, weakening ? &*weakening : nullptr);
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
  const harness::ExecutionId& execution = id.execution;
  const Budget budget{.search = execution.search,
                      .bound = execution.bound,
                      .iterations = 1,
                      .first = execution.number};
  Position position{.path = execution.path};
  RunReport report =
      Checker::get().run(scenario, *subject.make_header(scenario), budget, position,
                         Keep::kStepsOfLast, id.weakening ? &*id.weakening : nullptr);
  if (report.bad_replay) {
    return std::unexpected(
        fmt::format("replay id \"{}\" is mistyped, or belongs to another version of the code: it "
                    "names a choice that does not exist",
                    id.text()));
  }
  if (!Checker::get().weakened()) return std::unexpected(not_weakened(id.text()));
  Trace trace;
  trace.replay = id.text();
  trace.preemptions = execution.search == Search::kBounded
                          ? fmt::format("at most {}", execution.bound)
                          : "any number";
  for (const Scenario::Thread& thread : scenario.threads) trace.threads.push_back(thread.title);
  trace.steps = Checker::get().steps();
  trace.violation = std::move(report.violation);
  return trace;
}

}  // namespace fsqlshm::relacy
