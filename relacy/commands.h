// What fsqlshm-relacy does, one function a command.

#ifndef FSQLSHM_RELACY_COMMANDS_H_
#define FSQLSHM_RELACY_COMMANDS_H_

#include <string>

#include "harness/program.h"
#include "harness/scenarios/exploration.h"
#include "report.h"

namespace fsqlshm::relacy {

struct Options {
  bool list = false;
  std::string protocol = "hardened";
  harness::ExplorationOptions exploration{.search = "random",
                                          .context_bound = kStandardBound,
                                          .standard_iterations = kStandardIterations};
  std::string replay;
  bool litmus = false;
  bool audit = false;
  std::string page;
  std::string check_page;
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
