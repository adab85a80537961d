#include "report.h"

#include <fmt/format.h>

#include <utility>

namespace fsqlshm::relacy {
namespace {

// A violation is searched for again with few preemptions, and recorded.
void report_violation(const Subject& subject, const Scenario& scenario, const Budget& budget,
                      double seconds, SearchResult shown, harness::ScenarioReport& report) {
  if (budget.search == Search::kRandom) {
    if (auto smaller = minimise(subject, scenario, shown, kStandardBound, seconds)) {
      shown = *std::move(smaller);
    }
  }
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): the caller has found one, and minimise, too
  const Violation& violation = *shown.violation;
  harness::Finding& finding = harness::judge_violation(subject, scenario, violation, report);
  finding.replay = fmt::format("fsqlshm-relacy --replay '{}'", shown.replay.text());
  if (const auto trace = replay(subject, scenario, shown.replay)) {
    finding.trace = to_json(*trace);
    finding.detail = render(*trace);
    finding.file = last_file(*trace);
    finding.line = last_line(*trace);
  }
}

}  // namespace

harness::ExitCode conclude_replay(const harness::Program& program, std::string_view engine,
                                  const std::string& protocol, std::string_view scenario,
                                  const std::expected<Trace, std::string>& trace) {
  if (!trace) return program.refuse(trace.error());
  const std::string text = render(*trace);
  fmt::print("{}", text);
  harness::Result result{std::string(engine), protocol};
  if (const auto& violation = trace->violation) {
    result.findings.push_back(
        {.severity = "violation",
         .property = violation->property,
         .defect = violation->defect,
         .title = fmt::format("{}: {}", scenario, violation->text),
         .detail = text,
         .replay = fmt::format("{} --replay '{}'", trace->program, trace->replay),
         .trace = to_json(*trace)});
  }
  return program.finish(result);
}

harness::ScenarioReport judge_search(const Subject& subject, const Scenario& scenario,
                                     SearchResult result, const Budget& budget, double seconds) {
  harness::ScenarioReport report{.summary = static_cast<const harness::SearchSummary&>(result)};
  if (result.violation) {
    report_violation(subject, scenario, budget, seconds, std::move(result), report);
    return report;
  }
  judge_clean(subject, scenario, budget, report);
  return report;
}

void judge_clean(const Subject& subject, const Scenario& scenario, const Budget& budget,
                 harness::ScenarioReport& report) {
  const bool must_reach =
      !subject.is_mutant() &&
      harness::long_enough(report.summary, budget, kStandardBound, kStandardIterations);
  harness::judge_clean(scenario, subject.name, harness::required_of(subject, scenario), must_reach,
                       report);
}

}  // namespace fsqlshm::relacy
