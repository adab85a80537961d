#include "search.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "harness/describe.h"

namespace fsqlshm::relacy {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::array<std::pair<Op, std::string_view>, 4> kOps = {{{Op::kLoad, "load"},
                                                                  {Op::kStore, "store"},
                                                                  {Op::kCompareExchange, "cas"},
                                                                  {Op::kFetchAdd, "fetch_add"}}};

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc() && stop == end;
}

// Splits off what comes before `separator`; the whole if it is not there.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

std::optional<Weakening> parse_weakening(std::string_view text) {
  Weakening weakening;
  weakening.file = take(text, ':');
  if (!parse_number(take(text, ':'), weakening.line)) return std::nullopt;
  std::string_view op = take(text, '=');
  if (op == "cas-failure") {
    weakening.failure = true;
    op = "cas";
  }
  const auto known = std::ranges::find(kOps, op, [](const auto& pair) { return pair.second; });
  const std::optional<std::memory_order> order = harness::parse_order(text);
  if (known == kOps.end() || !order) return std::nullopt;
  weakening.op = known->first;
  weakening.to = *order;
  return weakening;
}

}  // namespace

std::string to_text(const Weakening& weakening) {
  const auto known =
      std::ranges::find(kOps, weakening.op, [](const auto& pair) { return pair.first; });
  return fmt::format("{}:{}:{}{}={}", weakening.file, weakening.line, known->second,
                     weakening.failure ? "-failure" : "", harness::order_name(weakening.to));
}

std::string ReplayId::text() const {
  std::string position;
  std::string kind = "random";
  if (search == Search::kRandom) {
    position = std::to_string(number);
  } else {
    kind = search == Search::kFull ? "full" : fmt::format("bound{}", bound);
    for (const Choice& choice : path) position += kDigits[choice.index];
    position.erase(std::min(position.find_last_not_of('0') + 1, position.size()));
    if (position.empty()) position.push_back('0');
  }
  std::string out = fmt::format("{}/{}/{}/{}", protocol, scenario, kind, position);
  if (weakening) out += fmt::format("@{}", to_text(*weakening));
  return out;
}

std::expected<ReplayId, std::string> ReplayId::parse(std::string_view text) {
  const auto refuse = [whole = text](std::string_view why) {
    return std::unexpected(fmt::format("replay id \"{}\": {}", whole, why));
  };
  std::string_view rest = text;
  std::string_view head = take(rest, '@');
  ReplayId id;
  if (!rest.empty()) {
    id.weakening = parse_weakening(rest);
    if (!id.weakening) return refuse("what comes after @ is no weakening");
  }
  id.protocol = take(head, '/');
  id.scenario = take(head, '/');
  const std::string_view kind = take(head, '/');
  if (kind == "random") {
    if (!parse_number(head, id.number) || id.number == 0) return refuse("no execution number");
    return id;
  }
  if (kind == "full") {
    id.search = Search::kFull;
  } else if (kind.starts_with("bound") && parse_number(kind.substr(5), id.bound)) {
    id.search = Search::kBounded;
  } else {
    return refuse("expected PROTOCOL/SCENARIO/random|boundN|full/POSITION");
  }
  if (head.empty()) return refuse("no choices");
  for (const char c : head) {
    const std::size_t index = kDigits.find(c);
    if (index == std::string_view::npos) return refuse("a choice is a digit or a small letter");
    id.path.push_back({.limit = 36, .index = static_cast<std::uint8_t>(index)});
  }
  return id;
}

SearchResult search(const Subject& subject, NamedScenario& scenario, const Budget& budget,
                    const Watch& watch) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  constexpr std::uint64_t kChunk = 50'000;  // a tenth of a second or so

  scenario.clear_reached();
  SearchResult result;
  RunRequest request = scenario.request();
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
    const RunReport report = Model::get().run(request);
    result.executions += report.executions;
    if (report.violated) {
      result.violation = report.violation;
      result.replay = {.protocol = subject.name,
                       .scenario = scenario.spec().name,
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
  result.reached = scenario.reached();
  result.seconds = elapsed();
  return result;
}

std::optional<SearchResult> minimise(const Subject& subject, NamedScenario& scenario,
                                     const SearchResult& found, unsigned bound, double seconds) {
  Budget budget{.search = Search::kBounded, .bound = bound, .seconds = seconds};
  if (found.replay.weakening) budget.weakening = &*found.replay.weakening;
  SearchResult smaller = search(subject, scenario, budget);
  if (!smaller.violation) return std::nullopt;
  return smaller;
}

std::expected<Trace, std::string> replay(const ReplayId& id) {
  Subject* const subject = find_subject(id.protocol);
  if (subject == nullptr) {
    return std::unexpected(fmt::format("there is no protocol \"{}\"", id.protocol));
  }
  NamedScenario* const scenario = find_scenario(*subject, id.scenario);
  if (scenario == nullptr) {
    return std::unexpected(
        fmt::format("protocol {} has no scenario \"{}\"", id.protocol, id.scenario));
  }
  RunRequest request = scenario->request();
  request.search = id.search;
  request.bound = id.bound;
  request.first = id.number;
  request.path = id.path;
  request.weakening = id.weakening ? &*id.weakening : nullptr;
  request.record = true;
  const RunReport report = Model::get().run(request);
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
  trace.lanes = scenario->spec().lanes;
  trace.steps = Model::get().steps();
  if (report.violated) trace.violation = report.violation;
  return trace;
}

}  // namespace fsqlshm::relacy
