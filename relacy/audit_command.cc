#include <fmt/format.h>

#include <cstdio>
#include <vector>

#include "audit.h"
#include "commands.h"
#include "harness/describe.h"
#include "harness/jobs.h"
#include "harness/run.h"

namespace fsqlshm::relacy {
namespace {

nlohmann::json to_json(const MatrixRow& row) {
  return {{"site", fmt::format("{}:{}", row.weakening.site.file, row.weakening.site.line)},
          {"in", place_of(row.weakening.site)},
          {"order", harness::order_name(row.weakening.from())},
          {"weakened_to", harness::order_name(row.weakening.to)},
          {"killed", row.killed},
          {"scenario", row.scenario},
          {"property", row.property},
          {"executions", row.executions},
          {"replay", row.replay}};
}

harness::Finding unexplained(const MatrixRow& row) {
  return {.severity = "violation",
          .property = "every memory order is necessary",
          .title = fmt::format("{} survived and nothing next to the operation says why it stays",
                               to_text(row.weakening)),
          .file = fmt::format("core/include/fsqlshm/{}", row.weakening.site.file),
          .line = static_cast<int>(row.weakening.site.line)};
}

// What the rows of one subject mean, in the document.
void report_matrix(const Matrix& matrix, std::size_t sites, harness::Result& result) {
  nlohmann::json rows = nlohmann::json::array();
  std::uint64_t executions = 0;
  std::size_t killed = 0;
  std::size_t unexplained_rows = 0;
  for (const MatrixRow& row : matrix.rows) {
    executions += row.executions;
    killed += row.killed ? 1 : 0;
    rows.push_back(to_json(row));
    // The published protocol stays as it is, whatever its orders.
    if (!row.killed && matrix.subject != "reference" && !explained(row.weakening.site)) {
      ++unexplained_rows;
      result.findings.push_back(unexplained(row));
    }
  }
  if (matrix.subject == "hardened") {
    result.headline =
        fmt::format("{} of {} weakened orders of hardened noticed", killed, rows.size());
  }
  result.counts[fmt::format("executions_{}", matrix.subject)] = executions;
  result.details["audit"][matrix.subject] = {{"sites", sites},
                                             {"weakenings", rows.size()},
                                             {"killed", killed},
                                             {"survived", rows.size() - killed},
                                             {"unexplained", unexplained_rows},
                                             {"matrix", std::move(rows)}};
}

// None if it was stopped or cannot be done; the document says why in that case.
std::optional<Matrix> audit_subject(const Subject& subject, const Budget& budget, unsigned jobs,
                                    harness::Progress& progress, harness::Result& result) {
  Matrix matrix{.subject = subject.name};
  const std::vector<SiteUse> uses = discover_sites(subject);
  const auto complete = audit(
      uses, jobs,
      {.judge =
           [&](const SiteUse& use, const Weakening& weakening) {
             return Verdicts{judge(subject, use.scenarios, weakening, budget,
                                   [](std::uint64_t) { return !harness::stop_requested(); })};
           },
       .done =
           [&](const Verdicts& verdicts) {
             const MatrixRow& row = matrix.rows.emplace_back(verdicts[0]);
             fmt::print("{} {}{}\n", row.killed ? "killed  " : "SURVIVED", to_text(row.weakening),
                        row.killed ? fmt::format(" by {} ({})", row.scenario, row.property) : "");
             std::fflush(stdout);
           },
       .go_on =
           [&](std::size_t of) {
             progress.update(
                 fmt::format("{}: {} of {} orders", subject.name, matrix.rows.size(), of));
           }});
  if (!complete) {
    result.could_not_run = complete.error();
    return std::nullopt;
  }
  if (auto why = violated_as_it_is(subject, matrix.rows, jobs)) {
    result.could_not_run = std::move(why);
    return std::nullopt;
  }
  report_matrix(matrix, uses.size(), result);
  return matrix;
}

}  // namespace

harness::ExitCode audit_orders(const harness::Program& program, const Options& options) {
  harness::Result result("relacy", "memory orders");
  harness::Progress progress("relacy audit", std::chrono::seconds(0), options.exploration.quiet);
  std::vector<Matrix> matrices;
  for (const char* const name : {"hardened", "reference"}) {
    // The published protocol stays as it is, so its survivors are not worth as long a search.
    const Budget budget = std::string_view(name) == "hardened"
                              ? Budget{.bound = 3, .iterations = 1'000'000}
                              : Budget{.bound = 1, .iterations = 5'000};
    auto matrix =
        audit_subject(*find_subject(name), budget, options.exploration.jobs, progress, result);
    if (!matrix) return program.finish(result);
    matrices.push_back(*std::move(matrix));
  }
  fmt::print("audit: {:.0f} s\n", progress.elapsed());
  if (!options.page.empty()) {
    if (const auto written = harness::write_file(options.page, render_page(matrices)); !written) {
      result.could_not_run = written.error();
    }
  }
  return program.finish(result);
}

harness::ExitCode check_page(const harness::Program& program, const Options& options) {
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

}  // namespace fsqlshm::relacy
