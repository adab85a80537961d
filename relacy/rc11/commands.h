// What fsqlshm-rc11 does, one function a command.

#ifndef FSQLSHM_RELACY_RC11_COMMANDS_H_
#define FSQLSHM_RELACY_RC11_COMMANDS_H_

#include <string>

#include "harness/program.h"
#include "harness/scenarios/exploration.h"
#include "relacy/rc11/report.h"

namespace fsqlshm::rc11 {

struct Options {
  bool list = false;
  std::string protocol = "hardened";
  harness::ExplorationOptions exploration{.search = "full"};
  std::string replay;
  bool litmus = false;
  bool audit = false;
  std::string page;
};

/// Searches the chosen scenarios within the budget.
[[nodiscard]] harness::ExitCode explore(const harness::Program& program, const Options& options);
/// Weakens every memory order of the core in turn.
[[nodiscard]] harness::ExitCode audit_orders(const harness::Program& program,
                                             const Options& options);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_COMMANDS_H_
