// fsqlshm-relacy: searches what weak memory and the scheduler can do to the protocols of the core.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "audit.h"
#include "harness/describe.h"
#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"
#include "litmus.h"
#include "report.h"
#include "search.h"

namespace fsqlshm::relacy {
namespace {

using harness::ExitCode;
using harness::Program;

struct Options {
  bool list = false;
  std::string protocol = "hardened";
  std::string scenario = "all";
  std::string search = "random";
  unsigned context_bound = kStandardBound;
  std::optional<std::uint64_t> iterations;
  std::uint64_t first_iteration = 1;
  std::string shard = "1/1";
  double minutes = 0;
  std::string replay;
  bool litmus = false;
  bool audit = false;
  std::string page;
  std::string check_page;
  bool quiet = false;
};

ExitCode list() {
  fmt::print("Protocols:\n");
  for (const Subject& subject : subjects()) {
    fmt::print("  {:<30} {}\n", subject.name, subject.description);
  }
  fmt::print("\nScenarios:\n");
  for (const auto& scenario : find_subject("hardened")->scenarios) {
    const ScenarioSpec& spec = scenario->spec();
    fmt::print("  {:<30} {} threads. {} [{}]", spec.name, spec.lanes.size(), spec.description,
               spec.properties);
    if (!spec.defect.empty()) {
      fmt::print(" Finds {} in {}.", spec.defect, spec.misuse ? "every protocol" : "reference");
    }
    fmt::print("\n");
  }
  return harness::kExitClean;
}

ExitCode replay_one(const Program& program, const Options& options) {
  const auto id = ReplayId::parse(options.replay);
  if (!id) return program.refuse(id.error());
  const auto trace = replay(*id);
  if (!trace) return program.refuse(trace.error());
  fmt::print("{}", render(*trace));
  harness::Result result("relacy", id->protocol);
  if (trace->violation) {
    result.findings.push_back({.severity = "violation",
                               .property = trace->violation->property,
                               .title = fmt::format("{}: {}", id->scenario, trace->violation->text),
                               .detail = render(*trace),
                               .replay = fmt::format("fsqlshm-relacy --replay '{}'", trace->replay),
                               .trace = to_json(*trace)});
  }
  return program.finish(result);
}

ExitCode litmus(const Program& program) {
  harness::Result result("relacy", "litmus");
  nlohmann::json rows = nlohmann::json::array();
  for (const LitmusResult& row : run_litmus()) {
    fmt::print("{:<11} {}{}: random {}, bounded {}{}\n", row.name, row.outcome,
               row.allowed ? "" : " (not allowed)", row.random, row.bounded,
               row.blind_spot() ? "   BLIND SPOT" : "");
    rows.push_back({{"name", row.name},
                    {"outcome", row.outcome},
                    {"allowed", row.allowed},
                    {"random", row.random},
                    {"bounded", row.bounded},
                    {"as_expected", row.as_expected()}});
    if (row.as_expected()) continue;
    result.findings.push_back(
        {.severity = "violation",
         .property = "litmus",
         .title = fmt::format("{}: the model checker behaves otherwise than documented", row.name),
         .detail = row.outcome});
  }
  result.counts["programs"] = rows.size();
  result.details["litmus"] = std::move(rows);
  return program.finish(result);
}

void print_report(const ScenarioSpec& spec, const ScenarioReport& report, const Budget& budget) {
  const SearchResult& result = report.result;
  std::string reach;
  if (budget.search == Search::kBounded) {
    reach = result.bound_reached < 0 ? ", no bound explored to its end"
                                     : fmt::format(", bound {}{}", result.bound_reached,
                                                   result.complete ? "" : " (not the next)");
  } else if (budget.search == Search::kFull) {
    reach = result.complete ? ", to its end" : ", not to its end";
  }
  fmt::print(
      "{:<9} {:<29} {:>9} executions, {:>8}/s{}\n", to_string(report.status), spec.name,
      result.executions,
      harness::human(result.seconds > 0 ? static_cast<double>(result.executions) / result.seconds
                                        : 0.0),
      reach);
  if (report.finding) {
    fmt::print("\n{}\n{}\n", report.finding->title, report.finding->detail);
  }
  std::fflush(stdout);
}

ExitCode explore(const Program& program, const Options& options, Budget budget, Subject& subject,
                 const std::vector<NamedScenario*>& chosen) {
  harness::Result result("relacy", subject.name);
  result.seed = options.first_iteration;
  if (options.minutes > 0) result.budget["seconds"] = options.minutes * 60;
  if (options.iterations) result.budget["iterations"] = *options.iterations;
  result.details["search"] = options.search;
  if (budget.search == Search::kBounded) result.details["context_bound"] = budget.bound;
  result.details["scenarios"] = nlohmann::json::array();

  const std::chrono::duration<double> seconds(options.minutes * 60);
  harness::Progress progress("relacy", seconds, options.quiet);
  std::uint64_t executions = 0;
  std::uint64_t done = 0;
  for (NamedScenario* const scenario : chosen) {
    if (harness::stop_requested()) break;
    // What is left of the time is shared by the scenarios that are left.
    if (options.minutes > 0) {
      budget.seconds = std::max(
          0.01, (seconds.count() - progress.elapsed()) / static_cast<double>(chosen.size() - done));
    }
    const auto watch = [&](std::uint64_t so_far) {
      const double elapsed = progress.elapsed();
      const auto all = static_cast<double>(executions + so_far);
      progress.update(fmt::format("scenario {} of {}: {}, {} executions, {}/s", done + 1,
                                  chosen.size(), scenario->spec().name, harness::human(all),
                                  harness::human(elapsed > 0 ? all / elapsed : 0)));
      return !harness::stop_requested();
    };
    SearchResult found = search(subject, *scenario, budget, watch);
    executions += found.executions;
    const bool stopped = harness::stop_requested() && !found.violation;
    ScenarioReport report =
        stopped ? ScenarioReport{.status = Status::kStopped, .result = std::move(found)}
                : judge_search(subject, *scenario, std::move(found), budget, 20);
    print_report(scenario->spec(), report, budget);
    result.details["scenarios"].push_back(to_json(scenario->spec(), report));
    if (report.finding) result.findings.push_back(*std::move(report.finding));
    ++done;
  }
  result.counts = {{"executions", executions}, {"scenarios", done}};
  if (harness::stop_requested()) {
    result.could_not_run = fmt::format("stopped after {} of {} scenarios", done, chosen.size());
  } else if (executions == 0) {
    result.could_not_run = fmt::format("shard {} of this budget is empty", options.shard);
  }
  return program.finish(result);
}

nlohmann::json to_json(const Verdict& verdict) {
  return {{"site", fmt::format("{}:{}", verdict.site.file, verdict.site.line)},
          {"order", harness::order_name(verdict.weakening.failure ? verdict.site.failure_order
                                                                  : verdict.site.order)},
          {"weakened_to", harness::order_name(verdict.weakening.to)},
          {"killed", verdict.killed},
          {"scenario", verdict.scenario},
          {"property", verdict.property},
          {"executions", verdict.executions},
          {"replay", verdict.replay}};
}

// The matrix of one subject, and into the document what it means.
std::optional<Matrix> audit_subject(Subject& subject, const AuditBudget& budget,
                                    harness::Progress& progress, harness::Result& result) {
  Matrix matrix{.subject = subject.name};
  std::uint64_t executions = 0;
  nlohmann::json rows = nlohmann::json::array();
  std::size_t killed = 0;
  std::size_t unexplained = 0;
  // A weakening is only to blame for what does not happen without it.
  for (const auto& scenario : subject.scenarios) {
    if (must_fail(subject, scenario->spec())) continue;
    const Budget whole{.search = Search::kBounded, .bound = budget.bound};
    const SearchResult found = search(subject, *scenario, whole);
    if (!found.violation) continue;
    result.could_not_run = fmt::format("{} violates {} as it is: {}", subject.name,
                                       found.violation->property, found.replay.text());
    return std::nullopt;
  }
  const std::vector<SiteUse> uses = discover_sites(subject);
  for (const SiteUse& use : uses) {
    for (const Weakening& weakening : weakenings(use.site)) {
      Verdict verdict = judge(subject, use, weakening, budget, [&](std::uint64_t so_far) {
        progress.update(fmt::format("{}: {}, {} executions", subject.name, to_text(weakening),
                                    harness::human(static_cast<double>(so_far))));
        return !harness::stop_requested();
      });
      if (harness::stop_requested()) return std::nullopt;
      executions += verdict.executions;
      killed += verdict.killed ? 1 : 0;
      fmt::print(
          "{} {}{}\n", verdict.killed ? "killed  " : "SURVIVED", to_text(weakening),
          verdict.killed ? fmt::format(" by {} ({})", verdict.scenario, verdict.property) : "");
      std::fflush(stdout);
      rows.push_back(to_json(verdict));
      // The published protocol stays as it is, whatever its orders.
      if (!verdict.killed && subject.name != "reference" && !explained(use.site)) {
        ++unexplained;
        result.findings.push_back(
            {.severity = "violation",
             .property = "every memory order is necessary",
             .title = fmt::format("{} survived and nothing beside the operation says why it stays",
                                  to_text(weakening)),
             .file = fmt::format("core/include/fsqlshm/{}", use.site.file),
             .line = static_cast<int>(use.site.line)});
      }
      matrix.verdicts.push_back(std::move(verdict));
    }
  }
  if (subject.name == "hardened") {
    result.headline =
        fmt::format("{} of {} weakened orders of hardened noticed", killed, rows.size());
  }
  result.details["audit"][subject.name] = {
      {"sites", uses.size()},       {"weakenings", rows.size()},
      {"killed", killed},           {"survived", rows.size() - killed},
      {"unexplained", unexplained}, {"matrix", std::move(rows)}};
  result.counts[fmt::format("executions_{}", subject.name)] = executions;
  return matrix;
}

ExitCode audit(const Program& program, const Options& options) {
  harness::Result result("relacy", "memory orders");
  harness::Progress progress("relacy audit", std::chrono::seconds(0), options.quiet);
  std::vector<Matrix> matrices;
  for (const char* const name : {"hardened", "reference"}) {
    // The published protocol stays as it is, so its survivors are not worth as long a search.
    const AuditBudget budget = std::string_view(name) == "hardened"
                                   ? AuditBudget{}
                                   : AuditBudget{.bound = 1, .iterations = 5'000};
    const auto matrix = audit_subject(*find_subject(name), budget, progress, result);
    if (!matrix) {
      if (!result.could_not_run) result.could_not_run = "stopped before the audit was complete";
      return program.finish(result);
    }
    matrices.push_back(*matrix);
  }
  fmt::print("audit: {:.0f} s\n", progress.elapsed());
  if (!options.page.empty()) {
    if (const auto written = harness::write_file(options.page, render_page(matrices)); !written) {
      return program.refuse(written.error());
    }
  }
  return program.finish(result);
}

ExitCode check_page(const Program& program, const Options& options) {
  const auto complaints = page_complaints(options.check_page);
  if (!complaints) return program.refuse(complaints.error());
  harness::Result result("relacy", "memory orders");
  for (const std::string& complaint : *complaints) {
    fmt::print("{}\n", complaint);
    result.findings.push_back({.severity = "violation",
                               .property = "the order matrix is up to date",
                               .title = complaint});
  }
  if (!complaints->empty()) {
    fmt::print("Out of date: run fsqlshm-relacy --audit-orders --page {}\n", options.check_page);
  }
  return program.finish(result);
}

ExitCode run(const Program& program, const Options& options) {
  if (options.list) return list();
  if (program.given("--replay")) return replay_one(program, options);
  if (options.litmus) return litmus(program);
  if (options.audit) return audit(program, options);
  if (!options.check_page.empty()) return check_page(program, options);

  Subject* const subject = find_subject(options.protocol);
  if (subject == nullptr) {
    return program.refuse(
        fmt::format("there is no protocol \"{}\"; --list names them", options.protocol));
  }
  std::vector<NamedScenario*> chosen;
  if (options.scenario == "all") {
    for (const auto& scenario : subject->scenarios) chosen.push_back(scenario.get());
  } else if (NamedScenario* const one = find_scenario(*subject, options.scenario)) {
    chosen.push_back(one);
  } else {
    return program.refuse(fmt::format("protocol {} has no scenario \"{}\"; --list names them",
                                      options.protocol, options.scenario));
  }
  const auto shard = harness::Shard::parse(options.shard);
  if (!shard) return program.refuse(shard.error());

  Budget budget;
  budget.bound = options.context_bound;
  if (options.search == "random") {
    // Without a limit each shard has numbers of its own, 2^40 of them at most.
    const std::uint64_t total = options.iterations.value_or(
        options.minutes > 0 ? std::uint64_t{1} << 40 : kStandardIterations);
    const harness::Shard::Range range = shard->range(total);
    budget.first = options.first_iteration + range.first;
    budget.iterations = range.last - range.first;
  } else {
    budget.search = options.search == "full" ? Search::kFull : Search::kBounded;
    budget.iterations = options.iterations.value_or(~std::uint64_t{0});
    budget.shard_index = shard->index - 1;
    budget.shard_count = shard->count;
  }
  return explore(program, options, budget, *subject, chosen);
}

}  // namespace
}  // namespace fsqlshm::relacy

int main(int argc, char** argv) {
  using namespace fsqlshm;          // NOLINT(google-build-using-namespace)
  using namespace fsqlshm::relacy;  // NOLINT(google-build-using-namespace)
  Options options;
  harness::Program program(
      "fsqlshm-relacy",
      "Explores what weak memory and the scheduler can do to the protocols of fsqlshm.\n"
      "Exit status: 0 everything as expected, 1 a violation (or a defect that had to be found\n"
      "and was not), 2 could not run. With --replay: 0 no violation, 1 a violation.");
  const std::vector<harness::Option> search = {
      {.name = "--scenario", .target = &options.scenario, .help = "which scenario, or all"},
      {.name = "--protocol",
       .target = &options.protocol,
       .help = "hardened, reference, or a mutant"},
      {.name = "--search",
       .target = &options.search,
       .help = "random; bounded: every execution with few preemptions; full: every execution",
       .check = harness::one_of({"random", "bounded", "full"})},
      {.name = "--context-bound",
       .target = &options.context_bound,
       .help = "preemptions at most, for --search bounded",
       .check = harness::whole_number(0, 100)},
      {.name = "--iterations",
       .target = &options.iterations,
       .help = "executions of each scenario at most (random: 100000 if --minutes is not given)",
       .check = harness::whole_number(1)},
      {.name = "--first-iteration",
       .target = &options.first_iteration,
       .help = "number of the first random execution; each number is another execution",
       .check = harness::whole_number(1)},
      {.name = "--shard",
       .target = &options.shard,
       .help = "I/N: do only part I of N, for several machines"},
      {.name = "--minutes",
       .target = &options.minutes,
       .help = "time for all scenarios together, 0.5 is 30 s",
       .check = harness::number(0, harness::kMostSeconds / 60)}};
  const std::vector<harness::Option> instead = {
      {.name = "--list", .target = &options.list, .help = "name the protocols and scenarios"},
      {.name = "--replay",
       .target = &options.replay,
       .help = "show the one execution that has this id"},
      {.name = "--litmus",
       .target = &options.litmus,
       .help = "state what the model checker can and cannot produce"},
      {.name = "--audit-orders",
       .target = &options.audit,
       .help = "weaken every memory order of the core in turn"},
      {.name = "--check-page",
       .target = &options.check_page,
       .help = "check that this matrix is up to date, in a fraction of an audit's time",
       .check = harness::existing_file()}};
  std::vector<std::string> excluded;
  for (const harness::Option& option : search) {
    program.add(option);
    excluded.push_back(option.name);
  }
  for (harness::Option option : instead) {
    option.excludes = excluded;
    program.add(option);
    excluded.push_back(option.name);
  }
  program.add({.name = "--page",
               .target = &options.page,
               .help = "with --audit-orders: write the matrix to this file",
               .needs = {"--audit-orders"}});
  program.add_documents();
  program.add({.name = "--quiet", .target = &options.quiet, .help = "no progress lines"});
  return program.run(argc, argv, [&] { return run(program, options); });
}
