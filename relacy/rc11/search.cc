#include "relacy/rc11/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "relacy/rc11/smallest.h"
#include "relacy/replay_id.h"

namespace fsqlshm::rc11 {
namespace {

using Time = std::chrono::steady_clock;

class Search {
 public:
  Search(const Subject& subject, const Scenario& scenario, const Budget& budget, const Watch& watch,
         const Extra& extra)
      : subject_(subject),
        scenario_(scenario),
        budget_(budget),
        watch_(watch),
        extra_(extra),
        execution_(scenario, extra.weakening),
        header_(subject.make_header(execution_, scenario)) {}

  SearchResult run() {
    if (auto wrong = execution_.prepare(*header_)) {
      result_.violation = std::move(wrong);
    } else {
      explore();
    }
    result_.reached = header_->reached();
    result_.seconds = elapsed();
    return std::move(result_);
  }

 private:
  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(Time::now() - start_).count();
  }

  void explore() {
    Explorer explorer(execution_.program(), {budget_.shard.index - 1, budget_.shard.count});
    Smallest smallest(execution_, wanted());
    while (goes_on()) {
      if (!explorer.next()) {
        result_.complete = true;
        break;
      }
      ++result_.executions;
      if (!violates(explorer, smallest)) continue;
      if (!smallest.is_wanted()) continue;
      last_ = std::min(last_, result_.executions + extra_.minimise);
    }
    result_.visits = explorer.visits();
    result_.unfair = explorer.unfair();
    if (smallest.found()) show(smallest);
  }

  // The violation that has to be found, if any has.
  [[nodiscard]] Smallest::Wanted wanted() const {
    const auto required = harness::required_of(subject_, scenario_);
    if (!required) return {};
    return {required->property, subject_.name == "reference" ? required->defect : ""};
  }

  // Asked often: the clock only now and then.
  [[nodiscard]] bool goes_on() {
    if (result_.executions >= last_) return false;
    if (++asked_ % 64 != 0) return true;
    const double now = elapsed();
    if (budget_.seconds > 0 && now >= budget_.seconds) return false;
    return !watch_ || watch_(result_.executions);
  }

  bool violates(const Explorer& explorer, Smallest& smallest) {
    const Extent extent = explorer.end() == Explorer::End::kComplete ? Extent::kWhole
                          : explorer.end() == Explorer::End::kStuck  ? Extent::kStuck
                                                                     : Extent::kEndless;
    for (const Steps& order : orders_of(explorer.graph())) {
      ++result_.judged;
      const auto violation = execution_.judge(explorer.graph(), order, extent);
      if (!violation) continue;
      smallest.consider(explorer.graph(), order, extent, *violation);
      return true;
    }
    return false;
  }

  void show(Smallest& smallest) {
    smallest.shrink();
    result_.violation = smallest.violation();
    result_.replay = {.protocol = subject_.name,
                      .scenario = scenario_.name,
                      .steps = steps_text(smallest.graph(), smallest.order())};
    if (extra_.weakening != nullptr) result_.replay.weakening = *extra_.weakening;
  }

  const Subject& subject_;
  const Scenario& scenario_;
  Budget budget_;
  const Watch& watch_;
  Extra extra_;
  std::uint64_t last_ = budget_.iterations;  // executions; fewer after a violation
  Time::time_point start_ = Time::now();
  GraphExecution execution_;
  std::unique_ptr<Header> header_;
  SearchResult result_;
  std::uint64_t asked_ = 0;
};

// How much of the program a graph is that was steered to.
Extent extent_of(const Program& program, const Graph& graph) {
  Replayer replayer(program);
  Extent extent = Extent::kWhole;
  for (int thread = 0; thread < graph.threads(); ++thread) {
    const Next::Kind kind = replayer.next(graph, thread).kind;
    if (kind == Next::Kind::kOperation) return Extent::kPart;
    if (kind == Next::Kind::kEndless) return Extent::kEndless;
    if (kind == Next::Kind::kWaits) extent = Extent::kStuck;
  }
  return extent;
}

}  // namespace

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> kAll = [] {
    std::vector<Subject> list;
    harness::for_each_subject([&list]<class Protocol>(harness::ScenarioSubject subject) {
      list.push_back({std::move(subject), [](GraphExecution& execution, const Scenario& scenario) {
                        return harness::make_header<Protocol>(execution, GraphWords(execution),
                                                              scenario);
                      }});
    });
    return list;
  }();
  return kAll;
}

const Subject* find_subject(std::string_view name) {
  const auto found = std::ranges::find(subjects(), name, &Subject::name);
  return found == subjects().end() ? nullptr : &*found;
}

SearchResult search(const Subject& subject, const Scenario& scenario, const Budget& budget,
                    const Watch& watch, const Extra& extra) {
  return Search(subject, scenario, budget, watch, extra).run();
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
  GraphExecution execution(*scenario, id.weakening ? &*id.weakening : nullptr);
  const auto header = subject->make_header(execution, *scenario);
  if (const auto wrong = execution.prepare(*header)) return std::unexpected(wrong->text);
  const auto steered = steer(execution.program(), id.steps);
  if (!steered) {
    return std::unexpected(
        fmt::format("replay id \"{}\" is mistyped, or belongs to another version of the code: "
                    "there is no such execution",
                    id.text()));
  }
  const Extent extent = extent_of(execution.program(), steered->graph);
  Trace trace{.program = "fsqlshm-rc11",
              .replay = id.text(),
              .preemptions = fmt::format("any number; context switches in this order: {}",
                                         context_switches(steered->order)),
              .threads = {},
              .steps = {},
              .violation = execution.judge(steered->graph, steered->order, extent, true)};
  if (!execution.weakened()) return std::unexpected(relacy::not_weakened(id.text()));
  if (!trace.violation && extent == Extent::kPart) {
    return std::unexpected(
        fmt::format("replay id \"{}\" is cut off: its execution is not at its end", id.text()));
  }
  for (const Scenario::Thread& thread : scenario->threads) trace.threads.push_back(thread.title);
  trace.steps = execution.steps();
  return trace;
}

}  // namespace fsqlshm::rc11
