#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "harness/describe.h"
#include "harness/run.h"
#include "relacy/rc11/audit.h"
#include "relacy/rc11/commands.h"

namespace fsqlshm::rc11 {
namespace {

nlohmann::json to_json(const BothVerdicts& both) {
  const MatrixRow& row = both.rc11;
  return {{"site", fmt::format("{}:{}", row.weakening.site.file, row.weakening.site.line)},
          {"in", relacy::place_of(row.weakening.site)},
          {"order", harness::order_name(row.weakening.from())},
          {"weakened_to", harness::order_name(row.weakening.to)},
          {"killed", row.killed},
          {"killed_by_relacy", both.relacy.killed},
          {"scenario", row.scenario},
          {"property", row.property},
          {"executions", row.executions},
          {"replay", row.replay}};
}

harness::Finding unexplained(const MatrixRow& row) {
  return {.severity = "violation",
          .property = "every memory order is necessary",
          .title = fmt::format("{} survived every execution and nothing next to the operation says "
                               "why it stays",
                               relacy::to_text(row.weakening)),
          .file = fmt::format("core/include/fsqlshm/{}", row.weakening.site.file),
          .line = static_cast<int>(row.weakening.site.line)};
}

void report_matrix(const std::vector<BothVerdicts>& rows, harness::Result& result) {
  nlohmann::json matrix = nlohmann::json::array();
  std::uint64_t executions = 0;
  std::size_t killed = 0;
  for (const BothVerdicts& row : rows) {
    matrix.push_back(to_json(row));
    executions += row.rc11.executions;
    killed += row.rc11.killed ? 1 : 0;
    if (!row.rc11.killed && !relacy::explained(row.rc11.weakening.site)) {
      result.findings.push_back(unexplained(row.rc11));
    }
  }
  result.headline =
      fmt::format("{} of {} weakened orders of hardened noticed", killed, rows.size());
  result.counts["executions_hardened"] = executions;
  result.details["audit"]["hardened"] = {{"weakenings", rows.size()},
                                         {"killed", killed},
                                         {"survived", rows.size() - killed},
                                         {"unexplained", result.findings.size()},
                                         {"matrix", std::move(matrix)}};
}

}  // namespace

harness::ExitCode audit_orders(const harness::Program& program, const Options& options) {
  harness::Result result("rc11", "memory orders");
  harness::Progress progress("rc11 audit", std::chrono::seconds(0), options.exploration.quiet);
  const relacy::Subject& under_relacy = *relacy::find_subject("hardened");
  const Subject& subject = *find_subject("hardened");
  std::vector<BothVerdicts> rows;
  const auto complete = relacy::audit(
      relacy::discover_sites(under_relacy), options.exploration.jobs,
      {.judge =
           [&](const relacy::SiteUse& use, const Weakening& weakening) {
             const auto watch = [](std::uint64_t) { return !harness::stop_requested(); };
             return relacy::Verdicts{
                 relacy::judge(
                     under_relacy, use.scenarios, weakening,
                     {.search = harness::Search::kBounded, .bound = 3, .iterations = 1'000'000},
                     watch),
                 judge_weakening(subject, use.scenarios, weakening, watch)};
           },
       .done =
           [&](const relacy::Verdicts& verdicts) {
             const BothVerdicts& row = rows.emplace_back(verdicts[0], verdicts[1]);
             fmt::print("{} {}{}\n", row.rc11.killed ? "killed  " : "SURVIVED",
                        relacy::to_text(row.rc11.weakening),
                        row.rc11.killed == row.relacy.killed ? "" : "   Relacy says otherwise");
             std::fflush(stdout);
           },
       .go_on =
           [&](std::size_t of) {
             progress.update(fmt::format("{} of {} orders", rows.size(), of));
           }});
  if (!complete) {
    result.could_not_run = complete.error();
    return program.finish(result);
  }
  report_matrix(rows, result);
  fmt::print("audit: {:.0f} s\n", progress.elapsed());
  if (!options.page.empty()) {
    if (const auto written = harness::write_file(options.page, render_page(rows)); !written) {
      result.could_not_run = written.error();
    }
  }
  return program.finish(result);
}

}  // namespace fsqlshm::rc11
