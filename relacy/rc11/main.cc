// fsqlshm-rc11: visits every execution that the C++ memory model allows the protocols of the core.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "relacy/rc11/commands.h"
#include "relacy/rc11/litmus.h"

namespace fsqlshm::rc11 {
namespace {

using harness::ExitCode;

ExitCode list() {
  fmt::print("Protocols:\n");
  for (const Subject& subject : subjects()) {
    fmt::print("  {:<30} {}\n", subject.name, subject.description);
  }
  fmt::print("\nScenarios:\n");
  for (const Scenario& scenario : scenarios()) {
    fmt::print("  ");
    harness::list_scenario(scenario, "reference");
  }
  return harness::kExitClean;
}

ExitCode replay_one(const harness::Program& program, const Options& options) {
  const auto id = ReplayId::parse(options.replay);
  if (!id) return program.refuse(id.error());
  const auto trace = replay(*id);
  if (!trace) return program.refuse(trace.error());
  fmt::print("{}", relacy::render(*trace));
  harness::Result result("rc11", id->protocol);
  if (const auto& violation = trace->violation) {
    result.findings.push_back({.severity = "violation",
                               .property = violation->property,
                               .defect = violation->defect,
                               .title = fmt::format("{}: {}", id->scenario, violation->text),
                               .detail = relacy::render(*trace),
                               .replay = fmt::format("fsqlshm-rc11 --replay '{}'", trace->replay),
                               .trace = relacy::to_json(*trace)});
  }
  return program.finish(result);
}

ExitCode litmus(const harness::Program& program) {
  harness::Result result("rc11", "litmus");
  nlohmann::json rows = nlohmann::json::array();
  for (const LitmusResult& row : run_litmus()) {
    fmt::print(
        "{:<14} {:>3} combinations of orders, {:>3} forbid it; executions: {} relaxed, {} "
        "seq_cst. {}{}\n",
        row.name, row.combinations, row.forbidden, row.relaxed_executions, row.strongest_executions,
        row.outcome, row.wrong.empty() ? "" : "   WRONG");
    rows.push_back({{"name", row.name},
                    {"outcome", row.outcome},
                    {"combinations", row.combinations},
                    {"forbidden", row.forbidden},
                    {"relaxed_executions", row.relaxed_executions},
                    {"strongest_executions", row.strongest_executions},
                    {"as_expected", row.wrong.empty()}});
    if (row.wrong.empty()) continue;
    result.findings.push_back({.severity = "violation",
                               .property = "litmus",
                               .title = fmt::format("{}: not what RC11 says", row.wrong),
                               .detail = row.outcome});
  }
  result.counts["programs"] = rows.size();
  result.headline = fmt::format("{} of {} litmus tests as in the literature",
                                rows.size() - result.findings.size(), rows.size());
  result.details["litmus"] = std::move(rows);
  return program.finish(result);
}

ExitCode run(const harness::Program& program, const Options& options) {
  if (options.list) return list();
  if (program.given("--replay")) return replay_one(program, options);
  if (options.litmus) return litmus(program);
  if (options.audit) return audit_orders(program, options);
  return explore(program, options);
}

int start(int argc, char** argv) {
  Options o;
  harness::Program program(
      "fsqlshm-rc11",
      "Visits every execution that the C++ memory model (RC11) allows the protocols of fsqlshm.\n"
      "Exit status: 0 everything as expected, 1 a violation (or a defect that had to be found\n"
      "and was not), 2 could not run. With --replay: 0 no violation, 1 a violation.");
  std::vector<harness::Option> search_options =
      harness::exploration_options(o.exploration, {"full"});
  // Nothing is drawn and nothing is bounded.
  std::erase_if(search_options, [](const harness::Option& option) {
    return option.name == "--search" || option.name == "--context-bound" ||
           option.name == "--first-iteration";
  });
  search_options.push_back({"--protocol", &o.protocol, "hardened, reference, or a mutant"});
  // Each of these is a command of its own, without the options of a search or the others.
  const std::vector<harness::Option> command_options = {
      {"--list", &o.list, "name the protocols and scenarios"},
      {"--replay", &o.replay, "show the one execution that has this id"},
      {"--audit-orders", &o.audit, "weaken every memory order of hardened in turn"},
      {"--litmus", &o.litmus, "compare with the verdicts and numbers of the literature"}};
  std::vector<std::string> excluded;
  for (const harness::Option& option : search_options) {
    program.add(option);
    excluded.push_back(option.name);
  }
  for (harness::Option option : command_options) {
    option.excludes = excluded;
    program.add(option);
    excluded.push_back(option.name);
  }
  program.add({.name = "--page",
               .target = &o.page,
               .help = "with --audit-orders: write the matrix to this file",
               .needs = {"--audit-orders"}});
  program.add_documents();
  program.add({"--quiet", &o.exploration.quiet, "no progress lines"});
  return program.run(argc, argv, [&] { return run(program, o); });
}

}  // namespace
}  // namespace fsqlshm::rc11

int main(int argc, char** argv) { return fsqlshm::rc11::start(argc, argv); }
