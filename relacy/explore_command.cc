#include <fmt/format.h>

#include <utility>

#include "commands.h"

namespace fsqlshm::relacy {

harness::ExitCode explore(const harness::Program& program, const Options& options) {
  const Subject* const subject = find_subject(options.protocol);
  if (subject == nullptr) {
    return program.refuse(
        fmt::format("there is no protocol \"{}\"; --list names them", options.protocol));
  }
  const harness::Explorer explorer{
      .engine = "relacy",
      .subject = subject->name,
      .search =
          [&](const Scenario& scenario, const Budget& budget, const Watch& watch) {
            return judge_search(*subject, scenario, search(*subject, scenario, budget, watch),
                                budget, 20);
          },
      .divisible =
          [&](const Scenario& scenario) { return !harness::required_of(*subject, scenario); },
      .judge =
          [&](const Scenario& scenario, const Budget& budget, harness::ScenarioReport& report) {
            judge_clean(*subject, scenario, budget, report);
          }};
  return harness::explore(program, options.exploration, explorer);
}

}  // namespace fsqlshm::relacy
