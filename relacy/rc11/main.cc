// fsqlshm-rc11: visits every execution that the C++ memory model allows the protocols of the core.

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "relacy/rc11/commands.h"
#include "relacy/rc11/litmus.h"
#include "relacy/report.h"

namespace fsqlshm::rc11 {
namespace {

using harness::ExitCode;

ExitCode replay_one(const harness::Program& program, const Options& options) {
  const auto id = ReplayId::parse(options.replay);
  if (!id) return program.refuse(id.error());
  return relacy::conclude_replay(program, "rc11", id->protocol, id->scenario, replay(*id));
}

ExitCode litmus(const harness::Program& program) {
  harness::Result result("rc11", "litmus");
  nlohmann::json rows = nlohmann::json::array();
  std::uint64_t programs = 0;
  for (const LitmusResult& row : run_litmus()) {
    fmt::print(
        "{:<14} {:>3} combinations of orders, {:>3} forbid it; executions: {} relaxed, {} acquire "
        "and release, {} seq_cst. {}{}\n",
        row.name, row.combinations, row.forbidden, row.relaxed_executions,
        row.synchronized_executions, row.strongest_executions, row.outcome,
        row.wrong.empty() ? "" : "   WRONG");
    programs += row.combinations;
    rows.push_back({{"name", row.name},
                    {"outcome", row.outcome},
                    {"combinations", row.combinations},
                    {"forbidden", row.forbidden},
                    {"relaxed_executions", row.relaxed_executions},
                    {"synchronized_executions", row.synchronized_executions},
                    {"strongest_executions", row.strongest_executions},
                    {"as_expected", row.wrong.empty()}});
    if (row.wrong.empty()) {
      result.passed.push_back(row.name);
      continue;
    }
    result.findings.push_back({.severity = "violation",
                               .property = "litmus",
                               .title = fmt::format("{}: not what RC11 says", row.wrong),
                               .detail = row.outcome});
  }
  result.counts["programs"] = programs;
  result.headline = fmt::format("{} of {} litmus tests as in the literature, {} programs",
                                rows.size() - result.findings.size(), rows.size(), programs);
  result.details["litmus"] = std::move(rows);
  return program.finish(result);
}

ExitCode run(const harness::Program& program, const Options& options) {
  if (options.list) return harness::list_protocols();
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
  search_options.push_back({"--protocol", &o.protocol, "hardened, reference, or a mutant"});
  const std::vector<harness::Option> command_options = {
      harness::list_option(o.list, "name the protocols and scenarios"),
      {"--replay", &o.replay, "show the one execution that has this id"},
      {"--audit-orders", &o.audit, "weaken every memory order of hardened in turn"},
      {"--litmus", &o.litmus, "compare with the verdicts and numbers of the literature"}};
  harness::add_commands(program, search_options, command_options);
  program.add(harness::jobs_option(o.exploration, {"--list", "--replay", "--litmus"}));
  program.add({.name = "--page",
               .target = &o.page,
               .help = "with --audit-orders: write the matrix to this file",
               .check = harness::writable_file(),
               .needs = {"--audit-orders"}});
  program.add_documents();
  program.add({"--quiet", &o.exploration.quiet, "no progress lines"});
  return program.run(argc, argv, [&] { return run(program, o); });
}

}  // namespace
}  // namespace fsqlshm::rc11

int main(int argc, char** argv) { return fsqlshm::rc11::start(argc, argv); }
