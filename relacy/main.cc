// fsqlshm-relacy: searches what weak memory and the scheduler can do to the protocols of the core.

#include <fmt/format.h>

#include <string>
#include <vector>

#include "commands.h"
#include "litmus.h"

namespace fsqlshm::relacy {
namespace {

using harness::ExitCode;
using harness::Program;

ExitCode replay_one(const Program& program, const Options& options) {
  const auto id = ReplayId::parse(options.replay);
  if (!id) return program.refuse(id.error());
  return conclude_replay(program, "relacy", id->protocol, id->scenario, replay(*id));
}

ExitCode litmus(const Program& program) {
  harness::Result result("relacy", "litmus");
  nlohmann::json rows = nlohmann::json::array();
  for (const LitmusResult& row : run_litmus()) {
    fmt::print("{:<11} {}{}: random {}, bounded {}{}\n", row.name, row.outcome,
               row.allowed ? "" : " (not allowed)", row.random, row.bounded,
               row.is_limit() ? "   LIMIT: allowed, but never shown" : "");
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
  result.headline = fmt::format("{} of {} litmus tests as documented",
                                rows.size() - result.findings.size(), rows.size());
  result.details["litmus"] = std::move(rows);
  return program.finish(result);
}

ExitCode run(const Program& program, const Options& options) {
  if (options.list) return harness::list_protocols();
  if (program.given("--replay")) return replay_one(program, options);
  if (options.litmus) return litmus(program);
  if (options.audit) return audit_orders(program, options);
  if (!options.check_page.empty()) return check_page(program, options);
  return explore(program, options);
}

std::vector<harness::Option> command_options(Options& o) {
  return {harness::list_option(o.list, "name the protocols and scenarios"),
          {"--replay", &o.replay, "show the one execution that has this id"},
          {"--litmus", &o.litmus, "state what the model checker can and cannot produce"},
          {"--audit-orders", &o.audit, "weaken every memory order of the core in turn"},
          {"--check-page", &o.check_page,
           "check that this matrix is up to date, in a fraction of an audit's time",
           harness::existing_file()}};
}

int start(int argc, char** argv) {
  Options options;
  harness::Program program(
      "fsqlshm-relacy",
      "Explores what weak memory and the scheduler can do to the protocols of fsqlshm.\n"
      "Exit status: 0 everything as expected, 1 a violation (or a defect that had to be found\n"
      "and was not), 2 could not run. With --replay: 0 no violation, 1 a violation.");
  std::vector<harness::Option> search_options =
      harness::exploration_options(options.exploration, {"random", "bounded", "full"});
  search_options.push_back({"--protocol", &options.protocol, "hardened, reference, or a mutant"});
  harness::add_commands(program, search_options, command_options(options));
  program.add(harness::jobs_option(options.exploration,
                                   {"--list", "--replay", "--litmus", "--check-page"}));
  program.add({.name = "--page",
               .target = &options.page,
               .help = "with --audit-orders: write the matrix to this file",
               .check = harness::writable_file(),
               .needs = {"--audit-orders"}});
  program.add_documents();
  program.add({"--quiet", &options.exploration.quiet, "no progress lines"});
  return program.run(argc, argv, [&] { return run(program, options); });
}

}  // namespace
}  // namespace fsqlshm::relacy

int main(int argc, char** argv) { return fsqlshm::relacy::start(argc, argv); }
