#include "stress/step/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

#include "harness/guarded.h"
#include "harness/run.h"
#include "stress/step/subject_header.h"
#include "stress/step/subject_state.h"
#include "stress/step/trace.h"

namespace fsqlshm::step {
namespace {

using Clock = std::chrono::steady_clock;

// What runs in the child.
class Explorer {
 public:
  Explorer(const harness::Subject& subject, const Scenario& scenario, const Budget& budget,
           bool reduce, harness::Doing& doing)
      : subject_(subject),
        scenario_(scenario),
        budget_(budget),
        doing_(doing),
        machine_(subject),
        choices_(budget.shard, reduce),
        execution_(subject, machine_, choices_),
        header_(execution_, subject, doing, scenario.outcomes),
        state_(reinterpret_cast<const void*>(subject->create)) {}

  void explore() {
    if (budget_.search == Search::kRandom) {
      explore_random();
    } else {
      explore_bounded();
    }
    result_.reached = header_.reached();
    result_.states = choices_.states();
    result_.steps = execution_.all_accesses();
    result_.deaths = execution_.all_deaths();
    result_.seconds = elapsed();
    if (result_.refusal.empty() && state_.changed()) {
      result_.refusal =
          "the subject keeps state outside of its header, and all processes of a scenario share it";
    }
  }

  void replay(const ReplayId& id) {
    const harness::ExecutionId& which = id.execution;
    if (which.search == Search::kRandom) {
      choices_.draw(which.number);
    } else {
      std::vector<Choice> path = which.path;
      path.resize(std::max<std::size_t>(path.size(), 4096), Choice{});
      choices_.replay(std::move(path));
    }
    const Outcome outcome = execution_.run(scenario_, header_, which.bound, true);
    result_.executions = 1;
    result_.reached = header_.reached();
    if (outcome == Outcome::kRefused) {
      result_.refusal = execution_.refusal();
    } else if (which.search == Search::kBounded && !choices_.made_all()) {
      result_.refusal = "the replay id belongs to another subject: it names a choice too many";
    } else {
      show(id);
    }
  }

  [[nodiscard]] nlohmann::json report() const;

 private:
  [[nodiscard]] double elapsed() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }

  // Whether to go on, once in so many executions.
  bool goes_on() {
    if (result_.executions >= budget_.iterations) return false;
    if (result_.executions % 64 != 0) return true;
    doing_();
    return !harness::stop_requested() && (budget_.seconds <= 0 || elapsed() < budget_.seconds);
  }

  // One execution; false ends the search.
  bool run(unsigned bound) {
    const Outcome outcome = execution_.run(scenario_, header_, bound, false);
    ++result_.executions;
    if (outcome == Outcome::kCut) ++result_.cut;
    if (outcome == Outcome::kRefused) result_.refusal = execution_.refusal();
    // Once: what a library does when it is first called is over.
    if (result_.executions == 1) state_.remember();
    if (outcome != Outcome::kViolated) return outcome != Outcome::kRefused;
    ReplayId id{.scenario = scenario_.name,
                .execution = {.search = budget_.search, .bound = bound, .number = result_.next}};
    if (budget_.search == Search::kBounded) id.execution.path = choices_.path();
    if (state_.changed()) return false;
    record(id);
    return false;
  }

  // Runs it again, with a trace.
  void record(const ReplayId& id) {
    const std::uint64_t executions = result_.executions;
    Choices searched(budget_.shard, false);
    std::swap(choices_, searched);
    replay(id);
    std::swap(choices_, searched);
    result_.executions = executions;
  }

  void show(const ReplayId& id) {
    Trace trace{.threads = {},
                .replay = replay_command(subject_, id),
                .preemptions = id.execution.search == Search::kBounded
                                   ? fmt::format("at most {}", id.execution.bound)
                                   : "any number",
                .violation = execution_.violation(),
                .steps = execution_.steps()};
    for (const auto& thread : scenario_.threads) trace.threads.push_back(thread.title);
    SourceLines lines;
    const SourceLine place = place_of(trace, lines);
    result_.found = Found{.violation = trace.violation,
                          .replay = id,
                          .detail = render(trace, subject_, lines),
                          .trace = to_json(trace, subject_, lines),
                          .file = place.file,
                          .line = place.line};
  }

  void explore_bounded() {
    for (unsigned bound = 0; bound <= budget_.bound; ++bound) {
      choices_.restart();
      do {
        if (!goes_on() || !run(bound)) return;
      } while (choices_.next());
      result_.bound_reached = static_cast<int>(bound);
    }
    result_.complete = true;
  }

  void explore_random() {
    for (result_.next = budget_.first; goes_on(); ++result_.next) {
      choices_.draw(result_.next);
      if (!run(~0U)) return;
    }
    result_.complete = result_.executions == budget_.iterations;
  }

  const harness::Subject& subject_;
  const Scenario& scenario_;
  Budget budget_;
  harness::Doing& doing_;
  Clock::time_point start_ = Clock::now();
  Machine machine_;
  Choices choices_;
  SteppedExecution execution_;
  SubjectHeader header_;
  SubjectState state_;
  SearchResult result_;
};

// The result on its way from the child.
nlohmann::json to_json(const SearchResult& result) {
  nlohmann::json found;
  if (const auto& it = result.found) {
    found = {{"property", it->violation.property},
             {"text", it->violation.text},
             {"defect", it->violation.defect},
             {"replay", it->replay.text()},
             {"detail", it->detail},
             {"trace", it->trace},
             {"file", it->file},
             {"line", it->line}};
  }
  return {{"executions", result.executions}, {"cut", result.cut},
          {"steps", result.steps},           {"deaths", result.deaths},
          {"states", result.states},         {"next", result.next},
          {"seconds", result.seconds},       {"complete", result.complete},
          {"bound", result.bound_reached},   {"reached", result.reached},
          {"found", std::move(found)},       {"refusal", result.refusal}};
}

SearchResult from_json(const nlohmann::json& json) {
  SearchResult result;
  json.at("executions").get_to(result.executions);
  json.at("cut").get_to(result.cut);
  json.at("steps").get_to(result.steps);
  json.at("deaths").get_to(result.deaths);
  json.at("states").get_to(result.states);
  json.at("next").get_to(result.next);
  json.at("seconds").get_to(result.seconds);
  json.at("complete").get_to(result.complete);
  json.at("bound").get_to(result.bound_reached);
  json.at("reached").get_to(result.reached);
  json.at("refusal").get_to(result.refusal);
  const nlohmann::json& found = json.at("found");
  if (found.is_null()) return result;
  const auto id = ReplayId::parse(found.at("replay").get<std::string>());
  result.found = Found{.violation = {found.at("property"), found.at("text"), found.at("defect")},
                       .replay = id ? *id : ReplayId{},
                       .detail = found.at("detail"),
                       .trace = found.at("trace"),
                       .file = found.at("file"),
                       .line = found.at("line")};
  return result;
}

nlohmann::json Explorer::report() const { return to_json(result_); }

SearchResult in_child(const harness::Subject& subject, const Scenario& scenario,
                      const Budget& budget, const Manner& manner,
                      const std::function<void(Explorer&)>& work) {
  const auto text = harness::guarded(
      [&](harness::Doing& doing) {
        harness::install_stop_handler();
        doing.during(scenario.name);
        Explorer explorer(subject, scenario, budget, manner.reduce, doing);
        work(explorer);
        return explorer.report().dump();
      },
      manner.patience);
  if (text) return from_json(nlohmann::json::parse(*text));
  SearchResult result;
  result.reached.resize(scenario.outcomes.size());
  if (text.error().kind == harness::GuardedFailure::Kind::kThrew) {
    throw std::runtime_error(text.error().text());
  }
  result.found = Found{
      .violation = {std::string(text.error().property()), "the subject " + text.error().text()},
      .replay = {.scenario = scenario.name},
      .detail = "The subject " + text.error().text() + ".\n",
      .trace = nullptr,
      .file = {}};
  return result;
}

}  // namespace

std::string ReplayId::text() const { return fmt::format("{}/{}", scenario, execution.text()); }

std::expected<ReplayId, std::string> ReplayId::parse(std::string_view text) {
  std::string_view rest = text;
  ReplayId id{.scenario = std::string(harness::take(rest, '/'))};
  auto execution = harness::ExecutionId::parse(rest);
  if (!execution || execution->search == Search::kFull) {
    return std::unexpected(
        fmt::format("replay id \"{}\": {}", text,
                    execution ? "there is no search \"full\"" : execution.error()));
  }
  id.execution = *std::move(execution);
  return id;
}

std::string replay_command(const harness::Subject& subject, const ReplayId& id) {
  return fmt::format("fsqlshm-step --subject {} --replay '{}'", harness::quoted(subject.file()),
                     id.text());
}

SearchResult search(const harness::Subject& subject, const Scenario& scenario, const Budget& budget,
                    const Manner& manner) {
  return in_child(subject, scenario, budget, manner,
                  [](Explorer& explorer) { explorer.explore(); });
}

SearchResult replay(const harness::Subject& subject, const Scenario& scenario, const ReplayId& id) {
  return in_child(subject, scenario, {.search = id.execution.search}, {},
                  [&](Explorer& explorer) { explorer.replay(id); });
}

}  // namespace fsqlshm::step
