#include "harness/scenarios/search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace fsqlshm::harness {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && stop == text.data() + text.size();
}

// Of every member. Who adds one adds it below too (pack), or this does not compile.
[[maybe_unused]] void all_are_listed(const Finding& finding, const SearchSummary& summary) {
  [[maybe_unused]] const auto& [severity, property, defect, title, detail, replay, file, line,
                                artefacts, trace] = finding;
  [[maybe_unused]] const auto& [executions, next, seconds, complete, bound_reached, reached] =
      summary;
}

}  // namespace

std::string_view take(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

std::string ExecutionId::text() const {
  if (search == Search::kRandom) return fmt::format("random/{}", number);
  std::string choices;
  for (const Choice& choice : path) choices += kDigits[choice.index];
  choices.erase(std::min(choices.find_last_not_of('0') + 1, choices.size()));
  if (choices.empty()) choices.push_back('0');
  return search == Search::kFull ? "full/" + choices : fmt::format("bound{}/{}", bound, choices);
}

std::expected<ExecutionId, std::string> ExecutionId::parse(std::string_view text) {
  ExecutionId id;
  const std::string_view kind = take(text, '/');
  if (kind == "random") {
    if (parse_number(text, id.number) && id.number != 0) return id;
    return std::unexpected("no execution number");
  }
  if (kind == "full") {
    id.search = Search::kFull;
  } else if (kind.starts_with("bound") && parse_number(kind.substr(5), id.bound)) {
    id.search = Search::kBounded;
  } else {
    return std::unexpected("expected random|boundN|full/POSITION at its end");
  }
  if (text.empty()) return std::unexpected("no choices");
  for (const char c : text) {
    const std::size_t index = kDigits.find(c);
    if (index == std::string_view::npos) {
      return std::unexpected("a choice is a digit or a small letter");
    }
    id.path.push_back({.limit = 0, .index = static_cast<std::uint8_t>(index)});
  }
  return id;
}

bool long_enough(const SearchSummary& summary, const SearchBudget& budget, unsigned bound,
                 std::uint64_t iterations) {
  if (budget.search == Search::kRandom) return summary.executions >= iterations;
  if (budget.shard.count != 1) return false;
  return budget.search == Search::kFull ? summary.complete
                                        : summary.bound_reached >= static_cast<int>(bound);
}

std::string_view to_string(Status status) noexcept {
  constexpr std::array<std::string_view, 6> kNames = {"clean",   "violated", "known",
                                                      "vacuous", "missed",   "stopped"};
  return kNames[static_cast<std::size_t>(status)];
}

Finding violation_finding(const Scenario& scenario, const FoundViolation& violation,
                          std::string_view defect, std::string_view severity) {
  return {.severity = std::string(severity),
          .property = violation.property,
          .defect = std::string(defect),
          .title = fmt::format("{}{}{}{}: {}: {}", defect, defect.empty() ? "" : " ", scenario.name,
                               scenario.misuse ? ", its precondition broken on purpose" : "",
                               violation.property, violation.text)};
}

void judge_clean(const Scenario& scenario, std::string_view subject,
                 const std::optional<Required>& required, bool must_reach, ScenarioReport& report) {
  const std::string executions = fmt::format("{} executions", report.summary.executions);
  if (stop_requested() && !report.summary.complete) {
    report.status = Status::kStopped;
    return;
  }
  if (required) {
    report.status = Status::kMissed;
    const bool cut = !report.summary.complete;
    report.finding = {
        .severity = "vacuous",
        .property = required->property,
        .defect = required->defect,
        .title = fmt::format("{} was not found in {} by {}{}", required->name, subject,
                             scenario.name, cut ? ", whose search was cut short" : ""),
        .detail =
            executions +
            (cut ? " and no violation, but the search was not to its end: give it more time.\n"
                 : " and no violation: the scenario or its oracle is vacuous.\n")};
    return;
  }
  if (!must_reach) return;
  std::vector<std::string> missed;
  for (std::size_t i = 0; i < scenario.outcomes.size(); ++i) {
    if (report.summary.reached[i] == 0) missed.push_back(scenario.outcomes[i]);
  }
  if (missed.empty()) return;
  report.status = Status::kVacuous;
  report.finding = {
      .severity = "vacuous",
      .property = scenario.properties,
      .title = fmt::format("{} never reached: {}", scenario.name, fmt::join(missed, ", ")),
      .detail = executions + ".\n"};
}

nlohmann::json to_json(const Scenario& scenario, const ScenarioReport& report) {
  const SearchSummary& summary = report.summary;
  nlohmann::json outcomes = nlohmann::json::object();
  for (std::size_t i = 0; i < scenario.outcomes.size(); ++i) {
    outcomes[scenario.outcomes[i]] = summary.reached[i];
  }
  nlohmann::json row = {{"name", scenario.name},
                        {"properties", scenario.properties},
                        {"status", to_string(report.status)},
                        {"threads", scenario.threads.size()},
                        {"executions", summary.executions},
                        {"seconds", summary.seconds},
                        {"complete", summary.complete},
                        {"bound_reached", summary.bound_reached},
                        {"next_iteration", summary.next},
                        {"outcomes", std::move(outcomes)}};
  for (const auto& [name, count] : report.counts) row[name] = count;
  return row;
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Finding, severity, property, defect, title, detail, replay, file,
                                   line, artefacts, trace)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(SearchSummary, executions, next, seconds, complete,
                                   bound_reached, reached)

std::string pack(const ScenarioReport& report) {
  nlohmann::json all = {{"status", report.status},
                        {"summary", report.summary},
                        {"counts", report.counts},
                        {"refusal", report.refusal}};
  if (report.finding) all["finding"] = *report.finding;
  std::string bytes;
  nlohmann::json::to_msgpack(all, bytes);
  return bytes;
}

ScenarioReport unpack(std::string_view bytes) {
  const nlohmann::json all = nlohmann::json::from_msgpack(bytes);
  ScenarioReport report{.status = all.at("status").get<Status>(),
                        .summary = all.at("summary").get<SearchSummary>(),
                        .counts = all.at("counts").get<decltype(ScenarioReport::counts)>(),
                        .refusal = all.at("refusal").get<std::string>()};
  if (all.contains("finding")) report.finding = all["finding"].get<Finding>();
  return report;
}

}  // namespace fsqlshm::harness
