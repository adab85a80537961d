// fsqlshm-step: explores the interleavings of compiled code, access by access.

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "harness/program.h"
#include "harness/scenarios/exploration.h"
#include "stress/step/report.h"

namespace fsqlshm::step {
namespace {

using harness::ExitCode;
using harness::Program;

struct Options {
  bool list = false;
  std::string subject;
  harness::ExplorationOptions exploration{.search = "bounded",
                                          .context_bound = kStandardBound,
                                          .standard_iterations = kStandardIterations};
  bool no_reduction = false;
  std::string replay;
};

ExitCode list() {
  for (const Scenario& scenario : harness::scenarios()) {
    harness::list_scenario(scenario, "reference");
  }
  return harness::kExitClean;
}

ExitCode replay_one(const Program& program, const harness::Subject& subject,
                    const Options& options) {
  const auto id = ReplayId::parse(options.replay);
  if (!id) return program.refuse(id.error());
  const Scenario* const scenario = harness::find_scenario(id->scenario);
  if (scenario == nullptr) {
    return program.refuse(fmt::format("there is no scenario \"{}\"", id->scenario));
  }
  const SearchResult shown = replay(subject, *scenario, *id);
  if (!shown.refusal.empty() || !shown.found) return program.refuse(shown.refusal);
  fmt::print("{}", shown.found->detail);
  harness::Result result("step", subject.name());
  result.details["subject"] = subject.describe();
  if (!shown.found->violation.property.empty()) {
    result.findings.push_back(finding_of(subject, *scenario, *shown.found));
    // As asked for: what is found here is found, expected or not.
    result.findings.back().severity = "violation";
  }
  return program.finish(result);
}

ExitCode explore(const Program& program, const harness::Subject& subject, const Options& options) {
  const harness::Explorer explorer{
      .engine = "step",
      .subject = subject.name(),
      .search = [&](const Scenario& scenario, const Budget& budget, const harness::Watch&) {
        SearchResult found = search(subject, scenario, budget, {.reduce = !options.no_reduction});
        return judge_search(subject, scenario, std::move(found), budget, 10);
      }};
  return harness::explore(program, options.exploration, explorer,
                          {{"subject", subject.describe()}});
}

ExitCode run(const Program& program, const Options& options) {
  if (options.list) return list();
  if (options.subject.empty()) return program.refuse("--subject FILE is required");
  const auto subject = harness::Subject::load(options.subject);
  if (!subject) return program.refuse(subject.error());
  if (program.given("--replay")) return replay_one(program, *subject, options);
  return explore(program, *subject, options);
}

int start(int argc, char** argv) {
  Options options;
  harness::Program program(
      "fsqlshm-step",
      "Explores the interleavings of compiled code: a shared object that exports fsqlshm.h is run\n"
      "access by access to its header.\n"
      "Exit status: 0 everything as expected, 1 a violation (or a defect that had to be found\n"
      "and was not), 2 could not run. With --replay: 0 no violation, 1 a violation.");
  program.add({.name = "--subject",
               .target = &options.subject,
               .help = "the shared object",
               .check = harness::existing_file()});
  std::vector<harness::Option> search_options =
      harness::exploration_options(options.exploration, {"bounded", "random"});
  search_options.push_back({"--no-reduction", &options.no_reduction,
                            "also explore what follows a state that was met before"});
  harness::add_commands(program, search_options,
                        {{.name = "--replay",
                          .target = &options.replay,
                          .help = "show the one execution that has this id",
                          .needs = {"--subject"}}});
  program.add(harness::list_option(options.list, "name the scenarios"));
  program.add(harness::jobs_option(options.exploration, {"--list", "--replay"}));
  program.add_documents();
  program.add({"--quiet", &options.exploration.quiet, "no progress lines"});
  return program.run(argc, argv, [&] { return run(program, options); });
}

}  // namespace
}  // namespace fsqlshm::step

int main(int argc, char** argv) { return fsqlshm::step::start(argc, argv); }
