#include <fmt/format.h>

#include "relacy/rc11/commands.h"

namespace fsqlshm::rc11 {

harness::ExitCode explore(const harness::Program& program, const Options& options) {
  constexpr Extra kExtra{.minimise = 10000};
  const Subject* const subject = find_subject(options.protocol);
  if (subject == nullptr) {
    return program.refuse(
        fmt::format("there is no protocol \"{}\"; --list names them", options.protocol));
  }
  const harness::Explorer explorer{
      .engine = "rc11",
      .subject = subject->name,
      .search =
          [&](const Scenario& scenario, const Budget& budget, const Watch& watch) {
            return judge_search(*subject, scenario,
                                search(*subject, scenario, budget, watch, kExtra), budget);
          },
      .divisible =
          [&](const Scenario& scenario) { return !harness::required_of(*subject, scenario); },
      .judge =
          [&](const Scenario& scenario, const Budget& budget, harness::ScenarioReport& report) {
            judge_clean(*subject, scenario, budget, report);
          }};
  return harness::explore(program, options.exploration, explorer);
}

}  // namespace fsqlshm::rc11
