// What fsqlshm-relacy does, one function a command.

#ifndef FSQLSHM_RELACY_COMMANDS_H_
#define FSQLSHM_RELACY_COMMANDS_H_

#include <optional>
#include <string>

#include "harness/program.h"
#include "report.h"

namespace fsqlshm::relacy {

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

/// Searches the chosen scenarios within the budget.
[[nodiscard]] harness::ExitCode explore(const harness::Program& program, const Options& options);
/// Weakens every memory order of the core in turn.
[[nodiscard]] harness::ExitCode audit_orders(const harness::Program& program,
                                             const Options& options);
/// Whether the page of the audit is up to date.
[[nodiscard]] harness::ExitCode check_page(const harness::Program& program, const Options& options);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_COMMANDS_H_
